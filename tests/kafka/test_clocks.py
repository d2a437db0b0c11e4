"""Engines on machines whose clocks differ: what `docs/how-to/survive-failures-with-kafka.md` tells of partitions that move between them."""

from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from domain.keys import partition_of
from infra.clock import SystemClock
from infra.distributed import DistributedEngine
from infra.settings import Settings
from streams.topics import Cluster, Topics, delete
from tests.kafka.test_distributed import PARTITIONS, Process, process, topic_equals_table, until

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka"), pytest.mark.timeout(300)]

AHEAD = timedelta(hours=1)


class FastClock(SystemClock):
    """An hour ahead."""

    def now(self) -> datetime:
        return super().now() + AHEAD

    async def wait_until(self, due: datetime | None) -> None:
        await super().wait_until(due and due - AHEAD)


class FastEngine(DistributedEngine):
    """On a machine whose clock is an hour ahead."""

    def __init__(self, settings: Settings, dsn: str, cluster: Cluster) -> None:
        super().__init__(settings, dsn, cluster)
        self.clock = FastClock()


async def rows(database_url: str, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(database_url)
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()


async def create_everywhere(engine: Process) -> int:
    """Create instances until every partition has a new one; return how many there are."""
    made: list[int] = []
    while len(set(made)) < PARTITIONS:
        instance = await engine.post("/process-instances", {"processDefinitionId": "p"})
        made.append(partition_of(int(instance["processInstanceKey"])))
    return len(made)


async def activate(engine: Process, count: int) -> list[dict[str, Any]]:
    """Lease so many jobs, in as many requests as that takes."""
    jobs: list[dict[str, Any]] = []

    async def enough() -> bool:
        asked = {"type": "pack", "worker": "w", "timeout": 60_000, "maxJobsToActivate": count - len(jobs)}
        jobs.extend((await engine.post("/jobs/activation", asked))["jobs"])
        return len(jobs) == count

    await until(enough)
    return jobs


async def test_time_never_goes_back_when_a_partition_moves_to_a_slower_clock(
    database_url: str, cluster: Cluster, topics: Topics, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as slow_stays:
        async with process(database_url, cluster, topics, FastEngine) as fast:
            await fast.deploy("o start -> pack -> O end")
            created = await create_everywhere(fast)
            slow = await slow_stays.enter_async_context(process(database_url, cluster, topics))

            async def shared() -> bool:
                halves = {len(each.engine.processors) for each in (fast, slow)} == {PARTITIONS // 2}
                return halves and fast.engine.ready and slow.engine.ready

            await until(shared)
            created += await create_everywhere(slow) + await create_everywhere(fast)

        async def alone() -> bool:
            return len(slow.engine.processors) == PARTITIONS and slow.engine.ready

        await until(alone)
        created += await create_everywhere(slow)
        for job in await activate(slow, created):
            await slow.post(f"/jobs/{job['jobKey']}/completion", {})
        assert len(await slow.search("process-instances", state="COMPLETED")) == created

    times: dict[int, list[datetime]] = {}
    for row in await rows(database_url, "SELECT partition, time FROM events ORDER BY partition, position"):
        times.setdefault(row["partition"], []).append(row["time"])
    for each in times.values():
        assert each == sorted(each)
        assert each[-1] > datetime.now(UTC) + AHEAD / 2, "it stays at the last time until the clock is there"
    assert caplog.text.count("s ahead of this machine's") >= PARTITIONS
    await topic_equals_table(database_url, cluster, topics)
    await delete(cluster, topics)


async def test_timers_and_leases_end_by_the_clock_of_the_owner(
    database_url: str, cluster: Cluster, topics: Topics
) -> None:
    async def timers(count: int) -> list[datetime]:
        """Return when timers are due, once there are so many."""
        found: list[datetime] = []

        async def there() -> bool:
            found[:] = [row["due"] for row in await rows(database_url, "SELECT due FROM agenda")]
            return len(found) == count

        await until(there)
        return found

    async with process(database_url, cluster, topics) as slow:
        await slow.deploy("o start -> timer wait PT50M -> pack -> O end")
        created = await create_everywhere(slow)
        await timers(created)

    async with process(database_url, cluster, topics, FastEngine) as fast:
        leased = await activate(fast, created)  # fifty minutes early
        waiting = await create_everywhere(fast)

    async with process(database_url, cluster, topics) as slow:
        waiting += await create_everywhere(slow)
        late = datetime.now(UTC) + AHEAD
        assert min(await timers(waiting)) > late, "of those, too, that the slower clock set"
        asked = {"type": "pack", "worker": "w", "timeout": 60_000, "maxJobsToActivate": created, "requestTimeout": 1}
        assert (await slow.post("/jobs/activation", asked))["jobs"] == [], "leases of the faster clock hold"
        for job in leased:
            await slow.post(f"/jobs/{job['jobKey']}/completion", {})
    await topic_equals_table(database_url, cluster, topics)
    await delete(cluster, topics)
