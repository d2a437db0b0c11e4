"""Runs an engine with its API in one process, until it is told to stop."""

import asyncio
import contextlib
import gc
import ipaddress
import logging
import socket
from collections.abc import AsyncGenerator, Coroutine, Generator
from typing import Any, Final

import uvicorn
import uvloop
from rich.console import Console

from api.app import create_app
from infra import demo as demonstration
from infra.embedded_postgres import EmbeddedPostgres
from infra.engine import Engine
from infra.engine_lock import EngineCannotStart, EngineLost
from infra.settings import BadSettings, Settings
from infra.stopping import told_to_stop

GRACE_SECONDS: Final = 5
"""For requests that are being answered when the API is told to stop."""
KEEP_ALIVE_SECONDS: Final = 75
"""For connections without requests: longer than clients' pools and load balancers (60 s) keep theirs, so that these close them first.
Whoever sends into a connection that is just being closed sees an error, and cannot know whether the request acted."""
GC_THRESHOLD: Final = 50_000
"""Allocations between two looks for garbage: states and batches hold hardly any cycles."""
BACKLOG_CONNECTIONS: Final = 2_048

log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """uvicorn, without its own idea of signals: who runs us decides when we end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def up(settings: Settings) -> None:
    """Run the engine and its API until SIGTERM or Ctrl-C."""
    _refuse_open_doors(settings)
    _refuse_topics_without_kafka(settings)
    _main(_up(settings))


def demo(settings: Settings) -> None:
    """Run the engine with an example process, a worker and some instances; then serve until SIGTERM or Ctrl-C."""
    _refuse_open_doors(settings)
    _refuse_topics_without_kafka(settings)
    _main(_demo(settings))


def _refuse_open_doors(settings: Settings) -> None:
    """Raise `BadSettings` if others than this machine could write without showing who they are."""
    try:
        local = ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        local = settings.host == "localhost"
    if not local and settings.api_token is None and not settings.allow_anonymous:
        raise BadSettings(
            f"expected PROCESSION_API_TOKEN to be set before the API listens on {settings.host}, where others reach it;"
            " PROCESSION_ALLOW_ANONYMOUS=true lets everybody do everything"
        )


def _refuse_topics_without_kafka(settings: Settings) -> None:
    """Raise `BadSettings` if jobs should go to topics, but nothing goes to Kafka."""
    if settings.kafka_job_types and not settings.distributed:
        raise BadSettings(
            f"expected Kafka for the topics of the job types {', '.join(settings.kafka_job_types)}, but the engine would run "
            "without it; PROCESSION_KAFKA=1 or PROCESSION_KAFKA_BOOTSTRAP_SERVERS turns it on"
        )


def _main(work: Coroutine[Any, Any, None]) -> None:
    gc.set_threshold(GC_THRESHOLD, 20, 100)
    uvloop.run(work)


async def _up(settings: Settings) -> None:
    with told_to_stop() as told:
        async with serving(settings) as (engine, address):
            line = f"Procession serves on {address}   its documentation: {address}/docs"
            if engine.brokers:
                line += f"   its Kafka: {','.join(engine.brokers)}"
            Console().print(line, highlight=False, soft_wrap=True)
            await _until(engine, told)


async def _demo(settings: Settings) -> None:
    out = Console()
    token = settings.api_token.get_secret_value() if settings.api_token else None
    with told_to_stop() as told:
        async with serving(settings) as (engine, address):
            play = asyncio.create_task(demonstration.play(address, out, token), name="demo")
            try:
                await _until(engine, told, play)
            finally:
                play.cancel()
                await asyncio.gather(play, return_exceptions=True)


async def _until(engine: Engine, told: asyncio.Event, *work: "asyncio.Task[None]") -> None:
    """Return when we are told to stop; raise what ended the work, or `EngineLost`."""
    stop, lost = asyncio.create_task(told.wait()), asyncio.create_task(engine.lost.wait())
    try:
        await asyncio.wait((stop, lost, *work), return_when=asyncio.FIRST_COMPLETED)
        for task in work:
            if task.done():
                task.result()
        if lost.done() and not stop.done():
            raise EngineLost("the engine ends: one of its parts cannot go on; the log says why")
    finally:
        stop.cancel()
        lost.cancel()


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncGenerator[tuple[Engine, str]]:
    """Run engine and API; give the engine and the API's address. Raise `EngineCannotStart`."""
    with contextlib.closing(_bind(settings)) as bound:
        # Whoever asks for the topology is told where we are, also if the port was chosen for us.
        settings = settings.model_copy(update={"port": bound.getsockname()[1]})
        async with _database(settings) as dsn, _engine(settings, dsn) as engine:
            with _taking_the_port(settings):
                bound.listen(BACKLOG_CONNECTIONS)
            async with _api(engine, settings, bound):
                yield engine, _address(settings)


@contextlib.asynccontextmanager
async def _engine(settings: Settings, dsn: str) -> AsyncGenerator[Engine]:
    if not settings.distributed:
        async with Engine.running(settings, dsn) as engine:
            yield engine
        return
    # Kafka's client is much to load for the embedded mode.
    from infra import kafka  # noqa: PLC0415
    from infra.distributed import DistributedEngine  # noqa: PLC0415
    from infra.local_kafka import LocalKafkaError  # noqa: PLC0415

    try:
        async with kafka.cluster_of(settings) as cluster, DistributedEngine.on(settings, dsn, cluster) as engine:
            yield engine
    except LocalKafkaError as error:
        raise EngineCannotStart(str(error)) from error


@contextlib.asynccontextmanager
async def _database(settings: Settings) -> AsyncGenerator[str]:
    """The address of the settings' database; our own server is held for as long as the engine runs.

    Raise `DataFolderHeld` if another process holds it.
    """
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    server = await EmbeddedPostgres.start(settings.data_dir)
    try:
        yield server.dsn
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def _api(engine: Engine, settings: Settings, listening: socket.socket) -> AsyncGenerator[None]:
    config = uvicorn.Config(
        create_app(engine, settings),
        loop="none",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here depends on the caller's address
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    server = _Server(config)
    serve = asyncio.create_task(server.serve(sockets=[listening]), name="api")
    try:
        while not server.started:
            if serve.done():
                serve.result()
                raise EngineCannotStart("the API ended before it served; see the log")
            await asyncio.sleep(0.005)
        yield
    finally:
        # Long polls end at once; the others have their grace.
        engine.available.close()
        server.should_exit = True
        await asyncio.gather(serve, return_exceptions=True)


def _bind(settings: Settings) -> socket.socket:
    """Take the port. Nobody is served there before the socket listens."""
    bound = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with _taking_the_port(settings):
            bound.bind((settings.host, settings.port))
    except BaseException:
        bound.close()
        raise
    return bound


@contextlib.contextmanager
def _taking_the_port(settings: Settings) -> Generator[None, None, None]:
    # Two engines may both be bound; only one of them can listen.
    try:
        yield
    except OSError as error:
        raise EngineCannotStart(f"cannot listen on {settings.host}, port {settings.port}: {error.strerror}") from error


def _address(settings: Settings) -> str:
    host = "localhost" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 - a name for people
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"
