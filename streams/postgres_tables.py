"""What the moving parts ask the query tables, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime

from eventstore.postgres import Pool
from streams.tables import Due, OpenJob, OpenJobs

_OPEN = """
SELECT key, instance_key, priority FROM jobs
WHERE partition = $1 AND job_type = $2 AND activatable AND available_at <= $3
ORDER BY priority DESC, key LIMIT $4
"""

_NEXT = """
SELECT min(available_at) FROM jobs WHERE partition = $1 AND job_type = $2 AND activatable AND available_at > $3
"""

_DUE = """
SELECT due, key, kind, name, correlation_key FROM agenda
WHERE partition = $1 AND due <= $2 AND NOT suspended AND quarantine_key IS NULL ORDER BY due, key LIMIT $3
"""


class PostgresJobsTable:
    """All of `streams.tables.JobsTable`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def open(self, partition: int, job_type: str, now: datetime, limit: int) -> OpenJobs:
        """See the port."""
        rows = await self._pool.fetch(_OPEN, partition, job_type, now, limit)
        next_at = await self._pool.fetchval(_NEXT, partition, job_type, now)
        return OpenJobs([OpenJob(row[0], row[1], row[2]) for row in rows], next_at)

    async def deadlines(self, partition: int, keys: Sequence[int], now: datetime) -> dict[int, datetime]:
        """See the port."""
        rows = await self._pool.fetch(
            "SELECT key, deadline FROM jobs WHERE key = ANY($1::bigint[]) AND partition = $2 AND ended_at IS NULL "
            "AND deadline > $3",
            list(keys),
            partition,
            now,
        )
        return {row[0]: row[1] for row in rows}


class PostgresAgendaTable:
    """All of `streams.tables.AgendaTable`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def due(self, partition: int, now: datetime, limit: int) -> Sequence[Due]:
        """See the port."""
        rows = await self._pool.fetch(_DUE, partition, now, limit)
        return [Due(row[0], row[1], row[2], row[3], row[4]) for row in rows]

    async def next_due(self, partition: int) -> datetime | None:
        """See the port."""
        due: datetime | None = await self._pool.fetchval(
            "SELECT min(due) FROM agenda WHERE partition = $1 AND NOT suspended AND quarantine_key IS NULL", partition
        )
        return due
