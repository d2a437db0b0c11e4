"""The schema moves up and down by plain files, under a lock, and says what went wrong."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from infra import migrate


def write(folder: Path, name: str, depends: str, apply: str, rollback: str) -> None:
    (folder / f"{name}.sql").write_text(
        f"-- About {name}\n-- depends: {depends}\n\n-- migrate: apply\n{apply}\n-- migrate: rollback\n{rollback}\n"
    )


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write(
        tmp_path,
        "9001_a",
        "",
        "create table a (x int);\n-- a comment; with a semicolon\ncreate index on a (x);",
        "drop table a;",
    )
    write(tmp_path, "9002_b", "9001_a", "create table b (x int);", "drop table b;")
    return tmp_path


@pytest.fixture
async def connection(empty_database_url: str) -> list[asyncpg.Connection]:
    """Two connections to one database."""
    return [await asyncpg.connect(empty_database_url) for _ in range(2)]


async def tables(connection: asyncpg.Connection) -> set[str]:
    rows = await connection.fetch(
        "select tablename from pg_tables where schemaname = 'public' and tablename in ('a', 'b')"
    )
    return {row["tablename"] for row in rows}


async def test_up_applies_what_is_missing_in_order_and_only_once(
    connection: list[asyncpg.Connection], files: Path
) -> None:
    first, _ = connection

    assert await migrate.up(first, files) == ["9001_a", "9002_b"]
    assert await migrate.up(first, files) == []
    assert await tables(first) == {"a", "b"}


async def test_down_takes_back_the_newest(connection: list[asyncpg.Connection], files: Path) -> None:
    first, _ = connection
    await migrate.up(first, files)

    assert await migrate.down(first, files) == ["9002_b"]
    assert [step.applied for step in await migrate.status(first, files)] == [True, False]
    assert await tables(first) == {"a"}
    assert await migrate.down(first, files, count=10) == ["9001_a"]
    assert await migrate.down(first, files) == []


async def test_two_at_once_apply_each_file_once(connection: list[asyncpg.Connection], files: Path) -> None:
    first, second = connection

    done = await asyncio.gather(migrate.up(first, files), migrate.up(second, files))

    assert sorted(done) == [[], ["9001_a", "9002_b"]]


async def test_a_file_that_fails_is_named_and_leaves_nothing_of_itself(
    connection: list[asyncpg.Connection], files: Path
) -> None:
    first, second = connection
    write(files, "9003_c", "9002_b", "create table c (x int); insert into nowhere values (1);", "drop table c;")

    with pytest.raises(migrate.MigrationFailed, match=r"9003_c failed on its way up.*nowhere"):
        await migrate.up(first, files)

    assert await first.fetchval("select to_regclass('c')") is None
    assert [step.applied for step in await migrate.status(first, files)] == [True, True, False]
    assert await second.fetchval("select pg_try_advisory_lock($1)", migrate.LOCK_KEY), "the lock outlived the failure"


async def test_a_database_from_a_newer_version_is_refused(
    connection: list[asyncpg.Connection], files: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first, _ = connection
    await migrate.up(first, files)
    older = tmp_path_factory.mktemp("older")
    write(older, "9001_a", "", "select 1;", "select 1;")

    with pytest.raises(migrate.MigrationFailed, match="does not know: 9002_b"):
        await migrate.up(first, older)


async def test_no_files_is_no_error(connection: list[asyncpg.Connection], tmp_path: Path) -> None:
    first, _ = connection

    assert await migrate.up(first, tmp_path) == []
    assert await migrate.status(first, tmp_path) == []


async def test_the_released_schema_goes_down_and_up_again(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    names = [step.name for step in await migrate.status(connection)]

    assert await migrate.down(connection, count=1000) == names[::-1]
    left = await connection.fetch(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')"
    )
    assert {row["relname"] for row in left} <= {"_pogo_migration", "_pogo_version"}
    assert await migrate.up(connection) == names
