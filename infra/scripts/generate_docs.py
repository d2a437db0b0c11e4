"""Writes the pages of `docs/reference/` that follow from the code: `python infra/scripts/generate_docs.py [page …]`."""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import typer.main
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from domain.elements import REGISTER
from infra import cli as command_line
from infra.insight.metrics import SETTLE_MS, families
from infra.scripts.http_page import http_page
from infra.scripts.struct_pages import commands_page, events_page
from infra.settings import Settings, describe
from streams.command_lag import lag_gauge
from streams.insight.limits import Limits, Rule
from streams.insight.partition import Insight
from streams.insight.rules import Open
from streams.insight.windows import MINUTE_MS, Key, Observation
from streams.job_topics import JobTopicMetrics
from streams.kafka_log import dead_letters
from streams.metrics import Metrics, PartitionMetrics
from streams.relay import RelayMetrics

FOLDER: Final = Path(__file__).parents[2] / "docs" / "reference"


def note(source: str) -> str:
    """The sentence by which a reader sees that editing the page is no use."""
    return f"*Generated from `{source}` by `infra/scripts/generate_docs.py`; do not edit.*"


def settings() -> str:
    """The page of settings. It shows defaults only, never this machine's values."""
    rows = [
        f"| `{setting.name}` | `{setting.variable}` | {f'`{setting.default}`' if setting.default else ''} | {' '.join(setting.meaning.split())} |"
        for setting in describe(Settings.model_construct())
    ]
    return "\n".join(
        [
            "# Settings",
            "",
            note("infra/settings.py"),
            "",
            "Each setting is an environment variable. `procession config` shows the values of the place where it is run.",
            "Options of a command (`--host`, `--port`, `--data-dir`) go before the environment.",
            "",
            "| setting | variable | default | meaning |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def commands() -> str:
    """The page of commands."""
    return commands_page(note("domain/commands.py"))


def events() -> str:
    """The page of events."""
    return events_page(note("domain/events/"))


def http() -> str:
    """The page of the HTTP API."""
    return http_page(note("api/"))


def metrics() -> str:
    """The page of metrics."""
    registry = CollectorRegistry()
    # Children without which a labelled metric has no sample, and so does not say its labels.
    PartitionMetrics(Metrics(registry), 1)
    relay = RelayMetrics(registry)
    for labelled in (lag_gauge(registry), relay.lag, relay.position, dead_letters(registry)):
        labelled.labels("1")
    JobTopicMetrics(registry).delivered.labels("charge-card")
    return "\n".join(
        [
            "# Metrics",
            "",
            note("streams/"),
            "",
            "`GET /metrics` answers in Prometheus' text format. The usual metrics of a Python process (`process_…`, `python_…`)",
            "are there as well. [How to run in production](../how-to/run-in-production.md#what-to-watch) says which to watch.",
            "",
            *_table_of(registry.collect()),
            "",
            "## Insight",
            "",
            "`procession insight` serves a page of its own. [How to watch live](../how-to/watch-live.md) says what its figures mean.",
            "",
            *_table_of(_insight()),
            "",
        ]
    )


def _table_of(families: Iterable[Metric]) -> list[str]:
    rows: list[str] = []
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        rows.append(f"| `{name}` | {family.type} | {', '.join(labels)} | {family.documentation} |")
    return ["| metric | kind | labels | meaning |", "|---|---|---|---|", *rows]


def _insight() -> Iterable[Metric]:
    """The families of insight's page, each with a sample."""
    about = Key("p", 1)
    insight = Insight(1, Limits([Rule("p", "PT1H")]))
    insight.memory.remember(1, Open(about, 0))
    insight.panes.observe(Observation(0, about, "completed", 1))
    return families([insight], MINUTE_MS + SETTLE_MS)


def elements() -> str:
    """The page of BPMN elements: what the register has."""
    by_tag: dict[str, list[str]] = {}
    for tag, definition, _ in REGISTER:
        by_tag.setdefault(tag, []).append(definition.removesuffix("EventDefinition") or "none")
    rows = [
        f"| `{tag}` | {', '.join(kinds) if tag.endswith('Event') or kinds != ['none'] else ''} |"
        for tag, kinds in by_tag.items()
    ]
    return "\n".join(
        [
            "# BPMN elements",
            "",
            note("domain/elements/"),
            "",
            "What a model may contain. Anything else is refused at deployment, with element, line and the words *is not supported yet*.",
            "Activities may be multi-instance, parallel or sequential. A `subProcess` may be triggered by an event: only there may a start",
            "event be one of error or escalation.",
            "",
            "| element | kinds of event |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def cli() -> str:
    """The page of the command line."""
    root = typer.main.get_command(command_line.app)
    return "\n".join(
        [
            "# Command line",
            "",
            note("infra/cli.py"),
            "",
            "From a checkout, `./procession` makes the environment it needs and then runs the same commands in it; `./procession test`",
            "exists only there. Every setting is also an environment variable: see [settings](settings.md). A mistake of the user ends",
            "as one sentence and exit code 1; wrong arguments end with exit code 2.",
            "",
            *_described(root, "procession"),
        ]
    )


def _described(command: Any, path: str) -> Iterator[str]:
    """One command, or all that a group holds. typer keeps its own classes private, hence `Any`."""
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from _described(inner, f"{path} {name}")
        return
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    usage = " ".join(f"[{one.name}{'…' if one.nargs == -1 else ''}]" for one in arguments)
    yield from (f"## {path}", "", f"    {path} [options] {usage}".rstrip(), "", command.help, "")
    rows = [(f"`{' '.join(one.opts)}`" if one not in arguments else f"`{one.name}`", one) for one in command.params]
    if rows:
        yield from ("| option | default | meaning |", "|---|---|---|")
        for shown, one in rows:
            default = "required" if one.required else "" if one.default in (None, False) else f"`{one.default}`"
            yield f"| {shown} | {default} | {one.help} |"
        yield ""


PAGES: Final[dict[str, Callable[[], str]]] = {
    "settings": settings,
    "commands": commands,
    "events": events,
    "http": http,
    "elements": elements,
    "metrics": metrics,
    "cli": cli,
}


def main(names: list[str]) -> None:
    """Write the named pages, or all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names or PAGES:
        (FOLDER / f"{name}.md").write_text(PAGES[name]())
        print(f"wrote {FOLDER / name}.md")


if __name__ == "__main__":
    main(sys.argv[1:])
