"""Settings are listed, explained, and refused with a sentence."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra import cli
from infra.scripts import generate_docs
from infra.settings import BadSettings, describe, load, unknown


def test_the_command_line_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCESSION_PORT", "9000")
    monkeypatch.setenv("PROCESSION_HOST", "0.0.0.0")  # noqa: S104  # only read

    settings = load({"port": 9001, "host": None})

    assert (settings.port, settings.host) == (9001, "0.0.0.0")  # noqa: S104  # as above


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCESSION_CORS_ORIGINS", "https://a.example, https://b.example,")

    assert load().cors_origins == ("https://a.example", "https://b.example")


def test_a_wrong_value_is_named_with_what_was_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCESSION_CLOCK", "sundial")
    monkeypatch.setenv("PROCESSION_PARTITIONS", "0")

    with pytest.raises(BadSettings) as raised:
        load()

    assert re.search("PROCESSION_PARTITIONS: .* greater than or equal to 1, but it is '0'", str(raised.value))
    assert "PROCESSION_CLOCK: Input should be 'system' or 'controlled', but it is 'sundial'" in str(raised.value)


def test_a_misspelt_variable_is_found() -> None:
    assert unknown({"PROCESSION_PROT": "1", "PROCESSION_PORT": "1", "OTHER": "1"}) == ["PROCESSION_PROT"]


def test_config_lists_every_setting_and_hides_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCESSION_DATABASE_URL", "postgresql://me:hidden@db/procession")

    answer = CliRunner().invoke(cli.app, ["config"])

    assert answer.exit_code == 0
    assert all(setting.variable in answer.stdout for setting in describe(load()))
    assert "hidden" not in answer.stdout


def test_the_page_of_settings_is_current() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"

    assert page.read_text() == generate_docs.settings(), "run infra/scripts/generate_docs.py settings"
