"""`procession insight`. It loads faust only when it is run, and says what to install where it is missing."""

import importlib.util
from pathlib import Path
from typing import Annotated, Final

import typer

from infra import logs
from infra.settings import load


class InsightNotInstalled(Exception):  # noqa: N818 - it names what was found
    """The extra is missing."""


class InsightCannotRun(Exception):  # noqa: N818 - as above
    """Something that it needs is missing or wrong; the sentence says what."""


INSIGHT_FAILURES: Final = (InsightNotInstalled, InsightCannotRun)
"""What ends as one sentence."""

DataDir = Annotated[
    Path | None, typer.Option(help="Folder of the Kafka that comes with the engine.", show_default=False)
]


def insight(data_dir: DataDir = None) -> None:
    """Follow the events topic and tell throughput, durations, incidents and breached limits, until Ctrl-C or SIGTERM.

    They go to the topic `procession.insight` and to a page for Prometheus.
    """
    settings = load({"data_dir": data_dir})
    logs.configure(settings)
    if importlib.util.find_spec("faust") is None:
        raise InsightNotInstalled("insight needs the extra insight: pip install 'procession[insight]'")
    from infra.insight.run import run  # noqa: PLC0415  # much to load, and an extra

    run(settings)
