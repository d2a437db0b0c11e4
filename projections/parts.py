"""The monthly parts of the history of element instances: made when the first row needs one, dropped by retention."""

from collections.abc import Iterable
from datetime import UTC, datetime

from projections.connections import Connection

_PARTS_LOCK = 0x70617274
"""Advisory lock: several partitions may need the same new month at the same moment."""


def month_of(time: datetime) -> datetime:
    """Return the first moment of the month, UTC."""
    time = time.astimezone(UTC)
    return datetime(time.year, time.month, 1, tzinfo=UTC)


def next_month(month: datetime) -> datetime:
    """Return the first moment of the month after."""
    return datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)


def part_name(month: datetime) -> str:
    """Return the name of a month's part."""
    return f"element_instances_{month.year:04}_{month.month:02}"


async def ensure_months(connection: Connection, known: set[datetime], times: Iterable[datetime]) -> None:
    """Make the parts for the times that have none. `known` are the months known to be there, and grows."""
    for month in {month_of(time) for time in set(times)} - known:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _PARTS_LOCK)
            await connection.execute(
                f"CREATE TABLE IF NOT EXISTS {part_name(month)} PARTITION OF element_instances"
                f" FOR VALUES FROM ('{month.isoformat()}') TO ('{next_month(month).isoformat()}')"
            )
        known.add(month)
