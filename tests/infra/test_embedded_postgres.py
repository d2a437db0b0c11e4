"""The server that comes with us starts anywhere, survives what kills it or its owner, and leaves nothing behind."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from infra import embedded_postgres
from infra.embedded_postgres import DataFolderHeld, EmbeddedPostgres, EmbeddedPostgresError, binaries

WAIT_SECONDS_MAX = 100.0

OWNER = """
import asyncio, signal, sys
from pathlib import Path
from infra.embedded_postgres import EmbeddedPostgres

# Whoever starts the tests in the background of a script has it ignored, and what is ignored stays so in children.
signal.signal(signal.SIGINT, signal.default_int_handler)

async def main():
    server = await EmbeddedPostgres.start(Path(sys.argv[1]), durable=False)
    print(server.pid, server.dsn, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


class Owner:
    """Another process that owns a server, as an engine would."""

    def __init__(self, data_dir: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER, str(data_dir)], stdout=subprocess.PIPE, text=True, process_group=0
        )
        assert self.process.stdout is not None
        pid, _, self.dsn = self.process.stdout.readline().strip().partition(" ")
        self.server = psutil.Process(int(pid))

    def die(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A data folder whose server, whatever became of it, is gone after the test."""
    folder = tmp_path / "data"
    yield folder
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "postgres" and str(folder / "postgres") in (process.info["cmdline"] or []):
            process.kill()


@pytest.fixture
async def server(data_dir: Path) -> AsyncIterator[EmbeddedPostgres]:
    started = await EmbeddedPostgres.start(data_dir, durable=False)
    yield started
    await started.stop()


def lives(process: psutil.Process) -> bool:
    """Whether it still runs; where nobody buries the orphans of a container, their entries stay."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def rights(pid: int) -> int:
    """The effective capabilities of a process, as Linux numbers them."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff"))


async def ask(dsn: str, question: str) -> object:
    """Ask as a client that comes back: until the server answers, or the time is over."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while True:
        try:
            connection = await asyncpg.connect(dsn)
            try:
                return await connection.fetchval(question)
            finally:
                await connection.close()
        except (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError):
            assert time.monotonic() < deadline, f"no answer to {question} in {WAIT_SECONDS_MAX} s"
            await asyncio.sleep(0.02)


async def test_what_was_stored_is_there_after_a_stop_and_a_second_start(data_dir: Path) -> None:
    first = await EmbeddedPostgres.start(data_dir)
    pid = first.pid
    await ask(first.dsn, "create table kept as select 42 as answer")
    await first.stop()
    assert not psutil.pid_exists(pid)

    second = await EmbeddedPostgres.start(data_dir)

    assert await ask(second.dsn, "select answer from kept") == 42
    assert await ask(second.dsn, "select current_setting('fsync') || current_setting('synchronous_commit')") == "onon"
    await second.stop()


async def test_the_engine_is_no_superuser_and_nothing_listens_on_a_network(server: EmbeddedPostgres) -> None:
    assert await ask(server.dsn, "select rolsuper from pg_roles where rolname = current_user") is False
    assert await ask(server.dsn, "select current_user::text") == "procession"
    assert await ask(server.dsn, "select current_setting('listen_addresses')") == ""
    assert psutil.Process(server.pid).net_connections(kind="inet") == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await ask(server.dsn, "select pg_read_file('/etc/passwd')")


async def test_text_is_ordered_by_code_point_on_every_machine(server: EmbeddedPostgres) -> None:
    assert await ask(server.dsn, "select string_agg(x, '' order by x) from unnest(array['b','a','B','ä']) x") == "Babä"
    assert await ask(server.dsn, "select upper('ä') || current_setting('server_encoding')") == "ÄUTF8"


def test_psql_takes_the_same_address(postgres_server: EmbeddedPostgres) -> None:
    answer = subprocess.run(
        [binaries() / "psql", postgres_server.dsn, "-Atc", "select 6 * 7"], capture_output=True, text=True, check=True
    )

    assert answer.stdout.strip() == "42"


async def test_a_second_owner_is_refused_and_told_who_holds_the_folder(
    server: EmbeddedPostgres, data_dir: Path
) -> None:
    with pytest.raises(DataFolderHeld, match=rf"{data_dir} is held by process {os.getpid()}"):
        await EmbeddedPostgres.start(data_dir)

    assert await ask(server.dsn, "select 1") == 1


async def test_a_server_whose_owner_was_killed_is_taken_over_while_it_runs(data_dir: Path) -> None:
    owner = Owner(data_dir)
    await ask(owner.dsn, "create table kept as select 42 as answer")
    owner.die()

    heir = await EmbeddedPostgres.start(data_dir, durable=False)

    assert heir.pid == owner.server.pid
    assert await ask(heir.dsn, "select answer from kept") == 42
    await heir.stop()
    assert not lives(owner.server)


async def test_a_server_taken_over_is_as_durable_as_asked(data_dir: Path) -> None:
    owner = Owner(data_dir)
    owner.die()

    heir = await EmbeddedPostgres.start(data_dir, durable=True)

    assert await ask(heir.dsn, "select current_setting('fsync')") == "on"
    await heir.stop()


async def test_owner_and_server_killed_together_lose_nothing_that_was_committed(data_dir: Path) -> None:
    owner = Owner(data_dir)
    await ask(owner.dsn, "create table kept as select 42 as answer")
    owner.die()
    owner.server.kill()

    heir = await EmbeddedPostgres.start(data_dir, durable=False)

    assert await ask(heir.dsn, "select answer from kept") == 42
    await heir.stop()


async def test_a_server_that_is_killed_comes_back_at_the_same_address(server: EmbeddedPostgres) -> None:
    await ask(server.dsn, "create table kept as select 42 as answer")
    killed = server.pid

    for _ in range(2):
        os.kill(server.pid, signal.SIGKILL)
        assert await ask(server.dsn, "select answer from kept") == 42

    assert server.pid != killed


async def test_one_backend_killed_does_not_end_the_server(server: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(server.dsn)
    os.kill(connection.get_server_pid(), signal.SIGKILL)
    with pytest.raises((asyncpg.PostgresConnectionError, OSError)):
        await connection.fetchval("select pg_sleep(20)")

    assert await ask(server.dsn, "select 1") == 1


async def test_a_pid_file_that_names_somebody_else_does_not_stop_the_start(data_dir: Path) -> None:
    first = await EmbeddedPostgres.start(data_dir, durable=False)
    pid_file = data_dir / "postgres" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    owner = pid_file.stat()
    await first.stop()
    # As after a restart of the machine: the number now belongs to this test's process.
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    os.chown(pid_file, owner.st_uid, owner.st_gid)

    second = await EmbeddedPostgres.start(data_dir, durable=False)

    assert await ask(second.dsn, "select 1") == 1
    await second.stop()


async def test_ctrl_c_in_the_terminal_reaches_the_owner_only(data_dir: Path) -> None:
    owner = Owner(data_dir)

    os.killpg(owner.process.pid, signal.SIGINT)
    owner.process.communicate(timeout=WAIT_SECONDS_MAX)

    assert lives(owner.server)
    assert await ask(owner.dsn, "select 1") == 1
    await (await EmbeddedPostgres.start(data_dir, durable=False)).stop()


async def test_a_path_too_long_for_a_socket_works_all_the_same(tmp_path: Path) -> None:
    server = await EmbeddedPostgres.start(tmp_path / ("long" * 30), durable=False)
    sockets = server.dsn.partition("host=")[2].partition("&")[0]

    assert await ask(server.dsn, "select 1") == 1
    assert os.stat(sockets).st_mode & 0o777 == 0o700  # noqa: PTH116  # the path is a string already
    await server.stop()
    shutil.rmtree(sockets)


async def test_a_server_that_does_not_start_on_a_full_disk_ends_with_a_sentence_about_it(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await EmbeddedPostgres.start(data_dir, durable=False)
    await server.stop()
    (data_dir / "postgres" / "pg_hba.conf").unlink()  # no room would do as well
    monkeypatch.setattr(embedded_postgres, "START_BYTES_MIN", 2 * shutil.disk_usage(data_dir).total)

    with pytest.raises(EmbeddedPostgresError, match=r"did not start in .*its disk has \d+ MiB left, and a start needs"):
        await EmbeddedPostgres.start(data_dir, durable=False)


async def test_data_of_another_major_version_is_left_alone(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    (data_dir / "postgres" / "PG_VERSION").write_text("17\n")

    with pytest.raises(EmbeddedPostgresError, match="was written by PostgreSQL 17, but PostgreSQL 18 is installed"):
        await EmbeddedPostgres.start(data_dir)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start it as root")
async def test_root_runs_it_as_another_user_and_opens_no_folder(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    server = await EmbeddedPostgres.start(closed / "data", durable=False)

    assert psutil.Process(server.pid).uids().real != 0
    assert rights(server.pid) == 4, "it may pass folders and read, and nothing else of what root may"
    assert closed.stat().st_mode & 0o777 == 0o700
    await server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs every test of this file as itself")
def test_an_ordinary_user_runs_it_as_itself() -> None:
    user = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chown(folder, user.pw_uid, user.pw_gid)
        # The interpreter or the checkout may lie under a folder that only root may enter.
        passing = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--securebits=+no_setuid_fixup"]
        as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *passing]
        program = OWNER.replace("await asyncio.Event().wait()", "await server.stop()")
        done = subprocess.run(
            [*as_user, sys.executable, "-c", program, str(folder / "data")],
            capture_output=True, text=True, check=False, timeout=200, cwd=Path(__file__).parents[2],
        )  # fmt: skip

        assert done.returncode == 0, done.stderr
        assert (folder / "data" / "postgres" / "PG_VERSION").stat().st_uid == user.pw_uid
        assert not psutil.pid_exists(int(done.stdout.split()[0]))
