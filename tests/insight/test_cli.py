"""`procession insight` where something is missing: one sentence that says what."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from infra.insight import cli
from infra.insight.run import run
from infra.settings import load


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_: Any) -> None:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", nothing)

    with pytest.raises(cli.InsightNotInstalled, match=r"pip install 'procession\[insight\]'"):
        cli.insight()


def test_without_a_broker_it_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(cli.InsightCannotRun, match="procession up --kafka"):
        run(load({"data_dir": tmp_path}))


def test_a_bad_file_of_limits_is_named(tmp_path: Path) -> None:
    path = tmp_path / "sla.json"
    with pytest.raises(cli.InsightCannotRun, match=r"sla.json: No such file"):
        run(load({"insight_sla_file": path}))
    path.write_text('[{"process": "order", "limit": "soon"}]')
    with pytest.raises(cli.InsightCannotRun, match=r"sla.json: expected the limit of process 'order'.*'soon'"):
        run(load({"insight_sla_file": path}))
