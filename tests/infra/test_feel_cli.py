"""`procession feel` evaluates as the engine does, and says what is wrong in one sentence."""

import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-c", "from infra.cli import main; main()", "feel"]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=200)


def test_an_expression_is_evaluated_with_the_variables_of_a_file(tmp_path: Path) -> None:
    context = tmp_path / "context.json"
    context.write_text('{"price": 0.1, "items": [1, 2]}')

    done = _run('= {total: price * 3, when: duration("PT90M"), count: count(items)}', "--context", str(context))

    assert done.returncode == 0
    assert done.stdout == '{"total":0.3,"when":"PT1H30M","count":2}\n'


def test_null_comes_with_its_reason() -> None:
    done = _run("missing + 1")

    assert done.stdout == "null\n"
    assert "missing" in done.stderr


def test_a_syntax_error_names_its_place() -> None:
    done = _run("1 +")

    assert done.returncode == 1
    assert "line 1, column" in done.stderr
