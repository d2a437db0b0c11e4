"""`procession projections rebuild`, `procession verify` and `procession history prune`. The work is done in `projections`."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import isodate
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from infra.settings import Settings, load

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from eventstore.postgres import PostgresEventStore
    from projections.retention import Pruned
    from projections.shadow import Progress as Report
    from projections.verify import Difference

DIFFERENCES_SHOWN_MAX = 50

DataDir = Annotated[
    Path | None, typer.Option(help="Folder of the PostgreSQL that comes with the engine.", show_default=False)
]

out = Console()
err = Console(stderr=True)

projections_cli = typer.Typer(help="The query tables, which follow from the log.", no_args_is_help=True)
history_cli = typer.Typer(help="What has ended.", no_args_is_help=True)


@projections_cli.command()
def rebuild(
    names: Annotated[list[str] | None, typer.Argument(help="Query tables, as jobs or variables; none: all.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Build query tables anew from the log, beside the live ones, and switch at once. The engine may run meanwhile."""
    from projections.rebuild import ProjectedMeanwhile  # noqa: PLC0415 - much to load for `procession config`

    try:
        done = asyncio.run(_rebuild(load({"data_dir": data_dir}), names or None))
    except (LookupError, TimeoutError, ProjectedMeanwhile) as error:
        err.print(f"[red]{error}[/red]", highlight=False)
        raise typer.Exit(1) from None
    out.print(f"rebuilt {', '.join(done)}", highlight=False)


def verify(data_dir: DataDir = None) -> None:
    """Fold the log again, compare the query tables with it row by row, and say where they differ (exit code 1)."""
    differences = asyncio.run(_verify(load({"data_dir": data_dir})))
    if not differences:
        out.print("the query tables are what the log says")
        return
    table = Table("table", "key", "column", "the log says", "the table has")
    for difference in differences[:DIFFERENCES_SHOWN_MAX]:
        table.add_row(
            difference.table, difference.key, difference.column, difference.expected or "–", difference.found or "–"
        )
    out.print(table)
    out.print(f"{len(differences)} differences; `procession projections rebuild` mends them")
    raise typer.Exit(1)


@history_cli.command()
def prune(
    older_than: Annotated[str, typer.Option(help="Age since the end, as ISO 8601: P90D, P1Y.")],
    data_dir: DataDir = None,
) -> None:
    """Take ended process instances of that age out of the query tables. The log keeps them."""
    now = datetime.now(UTC)
    try:
        age: Any = isodate.parse_duration(older_than)
        before: datetime = now - age
    except (isodate.ISO8601Error, OverflowError, ValueError):
        raise typer.BadParameter(f"expected a duration such as P90D, but found '{older_than}'") from None
    if before >= now:
        raise typer.BadParameter(f"expected a duration longer than nothing, but found '{older_than}'")
    pruned = asyncio.run(_prune(load({"data_dir": data_dir}), before))
    parts = f" and dropped {', '.join(pruned.parts)}" if pruned.parts else ""
    out.print(f"took away {pruned.instances} process instances{parts}", highlight=False)


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncGenerator[tuple["asyncpg.Pool", "PostgresEventStore"]]:
    import asyncpg  # noqa: PLC0415  # much to load for `procession config`

    from eventstore.postgres import PostgresEventStore  # noqa: PLC0415  # as above
    from infra.database import database  # noqa: PLC0415  # as above

    async with database(settings) as dsn, asyncpg.create_pool(dsn, min_size=1, max_size=4) as pool:
        yield pool, PostgresEventStore(pool, dsn)


async def _rebuild(settings: Settings, names: "Sequence[str] | None") -> "Sequence[str]":
    from projections.rebuild import rebuild as run  # noqa: PLC0415  # as above

    async with _opened(settings) as (pool, store):
        with _bar("rebuilding") as report:
            return await run(pool, store, names, report)


async def _verify(settings: Settings) -> "Sequence[Difference]":
    from projections.verify import verify as run  # noqa: PLC0415  # as above

    async with _opened(settings) as (pool, store):
        with _bar("verifying") as report:
            return await run(pool, store, report)


async def _prune(settings: Settings, before: datetime) -> "Pruned":
    from projections.retention import prune as run  # noqa: PLC0415  # as above

    async with _opened(settings) as (pool, _):
        return await run(pool, before)


class _bar:  # noqa: N801 - used as a function
    """A progress bar that counts events."""

    def __init__(self, title: str) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("events"),
            TimeRemainingColumn(),
            console=err,
        )
        self._task = self._progress.add_task(title, total=None)

    def __enter__(self) -> "Report":
        self._progress.start()
        return lambda done, total: self._progress.update(self._task, completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
