"""Which database a command works on: the one that is named, the one of a running engine, or ours for as long as it takes."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from infra import embedded_postgres
from infra.embedded_postgres import DataFolderHeld, EmbeddedPostgres
from infra.settings import Settings


@asynccontextmanager
async def database(settings: Settings) -> AsyncGenerator[str]:
    """The address of the settings' database. An embedded server that no engine runs is started, and stopped again."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    try:
        server = await EmbeddedPostgres.start(settings.data_dir)
    except DataFolderHeld:
        dsn = embedded_postgres.running_dsn(settings.data_dir)
        if dsn is None:
            raise
        yield dsn
        return
    try:
        yield server.dsn
    finally:
        await server.stop()
