"""`procession projections rebuild`, `verify` and `history prune`, on a log that is really stored."""

import asyncio

import asyncpg
import pytest
from typer.testing import CliRunner

from eventstore.codec import CODEC
from eventstore.postgres import PostgresEventStore
from eventstore.store import Batch
from infra.cli import app
from tests.projections.histories import History, project, with_a_job


@pytest.fixture
def stored(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with an instance in its log and its tables, named by the settings."""
    monkeypatch.setenv("PROCESSION_DATABASE_URL", database_url)
    asyncio.run(store(database_url))
    return database_url


async def store(url: str) -> None:
    _, _, _, facts = with_a_job(1)
    history = History().instance(1, *facts)
    async with asyncpg.create_pool(url, min_size=1, max_size=2) as pool:
        events = PostgresEventStore(pool, url)
        epoch = (await events.acquire(1, "test")).epoch
        await events.commit(
            Batch(
                partition=1,
                epoch=epoch,
                after=0,
                records=history.records[1],
                bodies=[CODEC.encode(record.event) for record in history.records[1]],
                command_offset=0,
                last_number=1,
                marks={},
                reactions_published=0,
            )
        )
        await events.close()
        await project(pool, history)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    return result.exit_code, result.output


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


def test_verify_says_where_the_tables_differ_and_rebuild_mends_them(stored: str) -> None:
    assert run("verify")[0] == 0
    asyncio.run(execute(stored, "UPDATE jobs SET worker = 'nobody'"))

    code, said = run("verify")
    assert code == 1
    assert "worker" in said
    assert "nobody" in said

    code, said = run("projections", "rebuild", "jobs")
    assert (code, "rebuilt jobs" in said) == (0, True)
    assert run("verify")[0] == 0


@pytest.mark.usefixtures("stored")
def test_what_cannot_be_done_is_said() -> None:
    code, said = run("projections", "rebuild", "nonsense")
    assert code == 1
    assert "found nonsense" in said
    code, said = run("history", "prune", "--older-than", "a while")
    assert code == 2
    assert "expected a duration such as P90D" in said


@pytest.mark.usefixtures("stored")
def test_history_is_pruned_by_age() -> None:
    code, said = run("history", "prune", "--older-than", "P1D")

    assert code == 0
    assert "took away 0 process instances" in said
    assert run("verify")[0] == 0
