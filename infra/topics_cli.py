"""`procession topics create|describe|refill|restore` and `procession check-topic`. The work is done in `streams`."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from infra.settings import Settings, load

if TYPE_CHECKING:
    import asyncpg

    from streams.topic_check import TopicReport
    from streams.topics import Cluster, Topic, Topics

DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder of the PostgreSQL and the Kafka that come with the engine.", show_default=False),
]

out = Console()
err = Console(stderr=True)

topics_cli = typer.Typer(help="The topics of the distributed mode.", no_args_is_help=True)


@topics_cli.command()
def create(data_dir: DataDir = None) -> None:
    """Make the topics that are missing; refuse one that is there and cannot serve. `procession up --kafka` does this by itself."""
    made = _run(_create(load({"data_dir": data_dir})))
    for name in made:
        out.print(f"made {name}")
    if not made:
        out.print("every topic is there and fits")


@topics_cli.command()
def describe(data_dir: DataDir = None) -> None:
    """List the topics as they are, those of insight too, and what does not fit (exit code 1)."""
    table = Table("topic", "partitions", "replication", "retention", "cleanup", "bytes of a record")
    found, unmade, wrong = _run(_describe(load({"data_dir": data_dir})))
    for topic in found:
        settings = topic.settings
        table.add_row(
            topic.name,
            str(topic.partitions),
            str(topic.replication),
            _days(settings.get("retention.ms", "")),
            settings.get("cleanup.policy", ""),
            settings.get("max.message.bytes", ""),
        )
    (out if out.is_terminal else Console(width=160)).print(table)
    for name in unmade:
        out.print(f"{name} is not there; `procession insight` makes it when it starts", highlight=False, soft_wrap=True)
    for sentence in wrong:
        err.print(f"[red]{sentence}[/red]", highlight=False, soft_wrap=True)
    if wrong:
        raise typer.Exit(1)


@topics_cli.command()
def refill(data_dir: DataDir = None) -> None:
    """Bring the events topic to where the table is, from where the topic ends: after it was lost and made anew. No engine may run."""
    out.print(f"{_run(_refill(load({'data_dir': data_dir}))):,} events were missing and are there now", highlight=False)


@topics_cli.command()
def restore(data_dir: DataDir = None) -> None:
    """Fill an empty database from the events topic, after the database was lost. All of it or nothing; no engine may run."""
    out.print(f"{_run(_restore(load({'data_dir': data_dir}))):,} events are in the database now", highlight=False)


def check_topic(data_dir: DataDir = None) -> None:
    """Read the events topic and say whether it is gapless, in order and equal to the table (exit code 1: it is not)."""
    reports = _run(_check(load({"data_dir": data_dir})))
    table = Table("partition", "first", "last", "records", "repeated", "problems")
    for report in reports:
        numbers = (report.partition, report.first, report.last, report.records, report.repeated, len(report.problems))
        table.add_row(*(f"{number:,}" for number in numbers))
    (out if out.is_terminal else Console(width=160)).print(table)
    wrong = [f"partition {report.partition}: {problem}" for report in reports for problem in report.problems]
    for sentence in wrong:
        err.print(f"[red]{sentence}[/red]", highlight=False, soft_wrap=True)
    if wrong:
        raise typer.Exit(1)
    out.print("the topic is gapless, in order and equal to the table")


@dataclass
class _Both:
    """Kafka and the database that a command works on."""

    cluster: "Cluster"
    topics: "Topics"
    pool: "asyncpg.Pool[asyncpg.Record]"
    dsn: str
    positions: dict[int, int]


@contextlib.asynccontextmanager
async def _both(settings: Settings) -> AsyncGenerator[_Both]:
    import asyncpg  # noqa: PLC0415 - much to load for `procession config`

    from infra.database import database  # noqa: PLC0415 - as above
    from infra.kafka import cluster_of, topics_of  # noqa: PLC0415 - as above

    async with (
        database(settings) as dsn,
        cluster_of(settings) as cluster,
        asyncpg.create_pool(dsn, min_size=1, max_size=2) as pool,
    ):
        rows = await pool.fetch("SELECT partition, position FROM partitions ORDER BY partition")
        yield _Both(cluster, topics_of(settings), pool, dsn, {row[0]: row[1] for row in rows})


async def _create(settings: Settings) -> list[str]:
    from infra.kafka import cluster_of, topics_of  # noqa: PLC0415 - as above
    from streams import topics  # noqa: PLC0415 - as above

    async with cluster_of(settings) as cluster:
        return await topics.create(cluster, topics_of(settings), settings.partitions)


async def _describe(settings: Settings) -> "tuple[list[Topic], list[str], list[str]]":
    """Return the topics that are there, those of insight that are not, and what does not fit."""
    from infra.insight import topics as insight  # noqa: PLC0415 - as above
    from infra.kafka import cluster_of, topics_of  # noqa: PLC0415 - as above
    from streams import topics  # noqa: PLC0415 - as above

    names = topics_of(settings)
    async with cluster_of(settings) as cluster:
        found = await topics.describe(cluster, (*names.names, *insight.names(names)))
    wrong: list[str] = []
    for want in topics.wanted(names, settings.partitions):
        if want.name in found:
            wrong += topics.misfits(want, found[want.name])
        else:
            wrong.append(f"expected topic {want.name}, but it is not there")
    for name in insight.names(names):
        if name in found:
            wrong += insight.misfits(names, settings.partitions, name, found[name].partitions)
    return list(found.values()), [name for name in insight.names(names) if name not in found], wrong


async def _refill(settings: Settings) -> int:
    from infra.engine_lock import EngineLock  # noqa: PLC0415 - as above
    from streams.pulse import Pulse  # noqa: PLC0415 - as above
    from streams.relay import NoMore, Relay  # noqa: PLC0415 - as above
    from streams.rows import PostgresEventRows  # noqa: PLC0415 - as above
    from streams.topics import check  # noqa: PLC0415 - as above

    missing = 0
    async with _both(settings) as both:
        lock = EngineLock(both.dsn)
        await lock.acquire()
        try:
            await check(both.cluster, both.topics, len(both.positions))
            rows = PostgresEventRows(both.pool)
            with _bar() as bar:
                for partition, position, tell in _shown_on(bar, both.positions):
                    relay = Relay(partition, rows, both.cluster, both.topics, NoMore(position), Pulse())
                    await relay.catch_up(position, tell)
                    missing += relay.relayed
        finally:
            await lock.release()
    return missing


async def _restore(settings: Settings) -> int:
    from infra.database import database  # noqa: PLC0415 - as above
    from infra.kafka import cluster_of, topics_of  # noqa: PLC0415 - as above
    from infra.restoring import restore as run  # noqa: PLC0415 - as above

    async with database(settings) as dsn, cluster_of(settings) as cluster:
        with _bar() as bar:
            shown: dict[str, TaskID] = {}

            def tell(what: str, done: int, total: int) -> None:
                if what not in shown:
                    for each in shown.values():
                        bar.update(each, visible=False)
                    shown[what] = bar.add_task(what)
                bar.update(shown[what], completed=done, total=total)

            return await run(cluster, topics_of(settings), settings.partitions, dsn, tell)


async def _check(settings: Settings) -> "list[TopicReport]":
    from streams.rows import PostgresEventRows  # noqa: PLC0415 - as above
    from streams.topic_check import check_topic as compare  # noqa: PLC0415 - as above

    async with _both(settings) as both:
        rows = PostgresEventRows(both.pool)
        with _bar() as bar:
            return [
                await compare(both.cluster, both.topics, partition, rows, position, tell)
                for partition, position, tell in _shown_on(bar, both.positions)
            ]


def _run(work: Any) -> Any:
    """Run a command's work; what cannot be done ends as one sentence."""
    from aiokafka.errors import KafkaError  # noqa: PLC0415 - as above

    from infra.engine_lock import EngineCannotStart  # noqa: PLC0415 - as above
    from infra.local_kafka import LocalKafkaError  # noqa: PLC0415 - as above
    from infra.migrate import MigrationFailed  # noqa: PLC0415 - as above
    from streams.relay import TopicUnreadable  # noqa: PLC0415 - as above
    from streams.topic_restore import CannotRestore  # noqa: PLC0415 - as above
    from streams.topics import TopicDoesNotFit  # noqa: PLC0415 - as above

    ends = (
        TopicDoesNotFit,
        TopicUnreadable,
        CannotRestore,
        LocalKafkaError,
        EngineCannotStart,
        MigrationFailed,
        KafkaError,
    )
    try:
        return asyncio.run(work)
    except ends as error:
        err.print(f"[red]{type(error).__name__}[/red]: {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None


def _shown_on(bar: Progress, positions: Mapping[int, int]) -> Iterator[tuple[int, int, Callable[[int], None]]]:
    """Give each partition, its position, and whom to tell how far it is: one line for all, as terminals have no room for many."""
    done = 0
    task = bar.add_task("", total=sum(positions.values()))
    for partition, position in positions.items():
        bar.update(task, description=f"partition {partition} of {len(positions)}")
        yield partition, position, partial(_tell, bar, task, done)
        done += position
        bar.update(task, completed=done)


def _tell(bar: Progress, task: TaskID, before: int, position: int) -> None:
    bar.update(task, completed=before + position)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=err
    )


def _days(milliseconds: str) -> str:
    if not milliseconds.lstrip("-").isdigit():
        return milliseconds
    return "for ever" if milliseconds == "-1" else f"{int(milliseconds) / 86_400_000:g} days"
