"""The command `procession` on a database of its own and on one that is there."""

import subprocess
import sys
from pathlib import Path

PROCESSION = str(Path(sys.executable).with_name("procession"))


def procession(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROCESSION, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"COLUMNS": "200", **environment},
        timeout=200,
    )


def test_migrate_moves_an_embedded_database_that_no_engine_runs(tmp_path: Path) -> None:
    where = ("--data-dir", str(tmp_path / "data"))

    first, again = procession("migrate", "up", *where), procession("migrate", "up", *where)

    assert first.returncode == 0, first.stderr
    assert "applied 0001_log" in first.stdout
    assert "the schema is at its newest version" in again.stdout
    assert procession("migrate", "down", "1000", *where).stdout.splitlines()[-1] == "took back 0001_log"
    assert procession("migrate", "status", *where).stdout.count(" no ") >= 1


def test_migrate_moves_a_database_that_is_there(empty_database_url: str) -> None:
    assert "applied 0001_log" in procession("migrate", "up", PROCESSION_DATABASE_URL=empty_database_url).stdout


def test_psql_reaches_the_database(empty_database_url: str) -> None:
    answer = procession("psql", "-Atc", "select 6 * 7", PROCESSION_DATABASE_URL=empty_database_url)

    assert (answer.stdout, answer.stderr) == ("42\n", "")


def test_psql_without_a_server_says_how_to_start_one(tmp_path: Path) -> None:
    answer = procession("psql", "--data-dir", str(tmp_path))

    assert answer.returncode == 1
    assert "start the engine with `procession up`" in answer.stderr
