"""The demo: an order process, a worker for its jobs and some instances, through the REST API as any client would.

It knows the engine only by its address.
"""

import asyncio
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

INSTANCES: Final = 60
"""How many orders come in."""

LARGE_EVERY: Final = 6
"""Every so many-th order is large, so that a person has to approve it."""

JOB_TYPES: Final = ("reserve-stock", "pack-parcel", "send-invoice", "remind-approver")

SECONDS_MAX: Final = 120.0
"""If the orders have not moved by then, the demo says so instead of waiting for ever."""


def order_model() -> Path:
    """Return the example process: beside the source in a checkout, inside the package when installed."""
    beside = Path(__file__).parents[1] / "examples" / "order.bpmn"
    return beside if beside.exists() else Path(str(files("infra") / "examples" / "order.bpmn"))


async def play(address: str, out: Console, token: str | None = None, instances: int = INSTANCES) -> None:
    """Deploy, start and work until every small order is through; then say what to try. The worker goes on until cancelled."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"{address}/v2", timeout=30, headers=headers) as client:
        await _deploy(client)
        done: Counter[str] = Counter()
        workers = [asyncio.create_task(_work(client, job_type, done)) for job_type in JOB_TYPES]
        try:
            last = await _orders(client, out, instances, done)
            await _say_what_to_try(client, address, out, last)
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)


async def _deploy(client: httpx.AsyncClient) -> None:
    model = order_model()
    answer = await client.post("/deployments", files={"resources": (model.name, model.read_bytes(), "text/xml")})
    answer.raise_for_status()


async def _orders(client: httpx.AsyncClient, out: Console, instances: int, done: Counter[str]) -> str:
    """Start the orders and show their jobs being done; return the key of the last instance."""
    small = instances - instances // LARGE_EVERY
    with Progress(
        TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=out
    ) as progress:
        started = progress.add_task("orders received", total=instances)
        bars = {
            "reserve-stock": progress.add_task("stock reserved", total=instances),
            "pack-parcel": progress.add_task("parcels packed", total=small),
            "send-invoice": progress.add_task("invoices sent", total=small),
        }
        last = ""
        for number in range(1, instances + 1):
            last = await _create(client, number)
            progress.update(started, completed=number)
            _show(progress, bars, done)
        async with asyncio.timeout(SECONDS_MAX):
            while any(done[job_type] < _total(progress, bar) for job_type, bar in bars.items()):
                await asyncio.sleep(0.05)
                _show(progress, bars, done)
    return last


def _total(progress: Progress, bar: TaskID) -> float:
    return progress.tasks[bar].total or 0


def _show(progress: Progress, bars: dict[str, TaskID], done: Counter[str]) -> None:
    for job_type, bar in bars.items():
        progress.update(bar, completed=min(done[job_type], _total(progress, bar)))


async def _create(client: httpx.AsyncClient, number: int) -> str:
    amount = 2_500 if number % LARGE_EVERY == 0 else 10 * number
    answer = await client.post(
        "/process-instances",
        json={
            "processDefinitionId": "order",
            "variables": {"orderId": f"order-{number}", "amount": amount, "items": ["tea", "cups"][: 1 + number % 2]},
        },
    )
    answer.raise_for_status()
    return str(answer.json()["processInstanceKey"])


async def _work(client: httpx.AsyncClient, job_type: str, done: Counter[str]) -> None:
    """A worker: takes jobs of one type by long polling and completes them, for ever."""
    wanted: dict[str, Any] = {
        "type": job_type,
        "worker": "demo",
        "timeout": 60_000,
        "maxJobsToActivate": 32,
        "requestTimeout": 10_000,
    }
    while True:
        answer = await client.post("/jobs/activation", json=wanted)
        answer.raise_for_status()
        for job in answer.json()["jobs"]:
            result = await client.post(f"/jobs/{job['jobKey']}/completion", json={"variables": {"by": "demo"}})
            result.raise_for_status()
            done[job_type] += 1


async def _say_what_to_try(client: httpx.AsyncClient, address: str, out: Console, instance: str) -> None:
    search = {"filter": {"state": "CREATED"}, "page": {"limit": 1}}
    found = (await client.post("/user-tasks/search", json=search)).json()
    tasks, total = found["items"], found["page"]["totalItems"]
    out.print(f"\n[bold]Procession[/bold] serves on {address}   its documentation: {address}/docs", soft_wrap=True)
    out.print(f"{total} large orders wait for approval. Three things to try:\n")
    out.print(f"  curl -s {address}/v2/process-instances/{instance}", highlight=False, soft_wrap=True)
    out.print(
        f"  curl -s {address}/v2/user-tasks/search -H 'content-type: application/json' -d '{{}}'",
        highlight=False,
        soft_wrap=True,
    )
    if tasks:
        key = tasks[0]["userTaskKey"]
        out.print(
            f"  curl -s -X POST {address}/v2/user-tasks/{key}/completion -H 'content-type: application/json'"
            ' -d \'{"variables": {"approved": true}}\'',
            highlight=False,
            soft_wrap=True,
        )
    out.print("\nKill it with -9, start it again: nothing is lost. Ctrl-C ends it.")
