"""`procession chaos`: kills at random instants under load, and a report of what survived. The work is done beside it."""

import asyncio
import logging
import secrets
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

if TYPE_CHECKING:
    from infra.chaos.distributed import DistributedSite
    from infra.chaos.run import Outcome, Round
    from infra.chaos.site import Site

out = Console(soft_wrap=True, highlight=False)

DataDir = Annotated[
    Path | None,
    typer.Option(help="A folder that is new or empty; else one that is removed if all is well.", show_default=False),
]
Brokers = Annotated[
    Literal["1", "3"], typer.Option(help="With --kafka: one that is killed alone, or three that lose one of them.")
]
OnKafka = Annotated[bool, typer.Option("--kafka", help="Two engines that share a PostgreSQL and a Kafka.")]


def chaos(
    rounds: Annotated[int, typer.Option(min=1, help="Kills; about 3 s each.")] = 20,
    seed: Annotated[int | None, typer.Option(help="Chooses victims, instants and orders.", show_default=False)] = None,
    data_dir: DataDir = None,
    *,
    kafka: OnKafka = False,
    brokers: Brokers = "1",
) -> None:
    """Kill the engine and its PostgreSQL with -9 at random instants under load, and check that nothing is lost or done twice.

    Runs an engine of its own; with --kafka two of them and a broker, and brokers die as well, engines stand still past their
    session and wake up, a third engine comes and goes. A failure says what was expected and what was found (exit code 1), and keeps the data folder.
    """
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    folder = _folder(data_dir)
    out.print(f"seed {seed}, {rounds} rounds, in {folder}")
    findings = _run(folder, rounds, seed, int(brokers) if kafka else 0)
    if findings:
        out.print(
            f"\n[red]{len(findings)} findings[/red] with seed {seed}; the data and the engine's log stay in {folder}"
        )
        for finding in findings:
            out.print(f"  {finding}", markup=False)
        raise typer.Exit(1)
    if data_dir is None:
        shutil.rmtree(folder)


def _folder(data_dir: Path | None) -> Path:
    if data_dir is None:
        return Path(tempfile.mkdtemp(prefix="procession-chaos-"))
    data_dir.mkdir(parents=True, exist_ok=True)
    if any(data_dir.iterdir()):
        raise typer.BadParameter(f"expected a folder that is new or empty, but {data_dir} is neither")
    return data_dir.absolute()


def _run(folder: Path, rounds: int, seed: int, brokers: int) -> list[str]:
    # Much to load for `procession config`.
    from infra.chaos.distributed import DistributedSite  # noqa: PLC0415
    from infra.chaos.embedded import EmbeddedSite  # noqa: PLC0415
    from infra.chaos.engine_process import EngineFailed  # noqa: PLC0415
    from infra.chaos.run import Chaos  # noqa: PLC0415

    # Its brokers die on purpose: each refused connection is a line.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    began = time.monotonic()
    distributed = DistributedSite(folder, brokers=brokers) if brokers else None
    site: Site = distributed or EmbeddedSite(folder)
    try:
        outcome = asyncio.run(Chaos(site, seed).run(rounds, _say))
    except EngineFailed as error:
        return [str(error)]
    _conclude(outcome, time.monotonic() - began, distributed)
    return outcome.findings


def _say(seen: "Round") -> None:
    out.print(
        f"round {seen.number:>3}  {seen.answered:>5} answered  {seen.in_doubt:>4} in doubt  "
        f"struck after {seen.instant_seconds:4.2f} s, back after {seen.recovery_seconds:5.2f} s: {seen.victim}"
    )


def _conclude(outcome: "Outcome", seconds: float, distributed: "DistributedSite | None") -> None:
    ledger, story = outcome.ledger, outcome.story
    out.print(
        f"\n{len(ledger.orders)} orders, {len(ledger.told)} answers with a position "
        f"({ledger.refused.total()} of them refusals), {ledger.in_doubt.total()} requests in doubt; "
        f"{story.events} events; drained in {outcome.drain_seconds:.1f} s, all in {seconds:.0f} s"
    )
    if distributed is not None:
        out.print(
            f"{distributed.records_acknowledged} commands written to the topic by others; "
            f"{distributed.repeated} records of the events topic came twice"
        )
    if outcome.findings:
        return
    out.print(
        "every answer is in the log, nothing was done twice, every instance has ended, and the query tables are what "
        "the log says"
    )
    if distributed is not None:
        out.print("the events topic is gapless, in order and equal to the table")
