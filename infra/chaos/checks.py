"""Holds the log against what clients were told: promises kept, nothing done twice, nothing missing, tables true.

Every finding is a sentence: what was expected, and what was found.
"""

from collections.abc import Sequence
from typing import Final

import asyncpg

from domain.keys import block_of
from eventstore.postgres import PostgresEventStore
from infra.chaos.ledger import Ledger, Order, Told, creation_of
from infra.chaos.story import Story
from projections.connections import Connection
from projections.verify import verify

FINDINGS_MAX: Final = 50
"""Of one kind; past it more of them say nothing new."""
READ_RECORDS: Final = 5_000

_PROMISED = """
SELECT e.type, e.stream, e.command_id
FROM unnest($1::smallint[], $2::bigint[]) WITH ORDINALITY AS w (partition, position, number)
LEFT JOIN events e ON e.partition = w.partition AND e.position = w.position ORDER BY w.number
"""

_HOLES = """
SELECT p.partition, p.position, count(e.position) AS events, coalesce(max(e.position), 0) AS last
FROM partitions p LEFT JOIN events e USING (partition) GROUP BY p.partition, p.position ORDER BY p.partition
"""

_BORN = "SELECT count(DISTINCT command_id) FROM events WHERE type = 'instance-created' AND command_id = ANY($1::text[])"


async def promises(connection: Connection, told: Sequence[Told]) -> list[str]:
    """Return which answers the log does not bear out at the position that they named."""
    rows = await connection.fetch(_PROMISED, [each.place[0] for each in told], [each.place[1] for each in told])
    return [finding for each, row in zip(told, rows, strict=True) if (finding := _broken(each, row))][:FINDINGS_MAX]


def _broken(told: Told, row: asyncpg.Record) -> str | None:
    kind, stream, command_id = row
    what = f"{told.wanted} of {told.subject}, answered with position {told.place[0]}-{told.place[1]}"
    if kind is None:
        return f"expected {what} to be in the log, but nothing is there"
    if command_id != told.key if told.key is not None else not command_id.startswith("~"):
        return f"expected {what} to stand under its id {told.key or 'from the edge'}, but found {command_id} there"
    if told.refused:
        return (
            None if kind == "command-rejected" else f"expected the refusal of {what} to be a record, but found {kind}"
        )
    own = "message/" if told.wanted == "publish-message" else f"instance/{block_of(int(told.subject))}"
    return None if stream.startswith(own) else f"expected {what} on stream {own}, but found {stream}"


async def holes(connection: Connection) -> list[str]:
    """Return which partitions do not have all positions from 1 to their own."""
    return [
        f"expected partition {row['partition']} to have positions 1 to {row['position']}, "
        f"but it has {row['events']} events up to {row['last']}"
        for row in await connection.fetch(_HOLES)
        if not row["position"] == row["events"] == row["last"]
    ]


async def open_instances(connection: Connection) -> int:
    """Return how many instances the query tables show as not ended."""
    found: int = await connection.fetchval("SELECT count(*) FROM process_instances WHERE ended_at IS NULL")
    return found


async def unborn(connection: Connection, ledger: Ledger) -> int:
    """Return how many orders that a broker has acknowledged are no instances yet."""
    wanted = [creation_of(order.name) for order in ledger.orders.values() if order.by_topic]
    found: int = await connection.fetchval(_BORN, wanted)
    return len(wanted) - found


async def everything(dsn: str, ledger: Ledger, ids_begin: str) -> tuple[Story, list[str]]:
    """Read the whole log, once all is over; return its story and what is wrong with it, the query tables included."""
    async with asyncpg.create_pool(dsn, min_size=1, max_size=4) as pool:
        store = PostgresEventStore(pool, dsn)
        async with pool.acquire() as connection:
            found = [*await holes(connection), *await promises(connection, ledger.told)]
        story = Story()
        for partition in sorted(await store.positions()):
            position = 0
            while records := await store.read(partition, position, READ_RECORDS):
                story.read(records)
                position = records[-1].position
        found += story.judge(ids_begin)
        found += _orders(story, ledger)
        found += _effects(story, ledger)
        found += [
            f"expected the table {each.table} at {each.key} to have {each.expected} in {each.column}, but found {each.found}"
            for each in await verify(pool, store)
        ]
    return story, [*ledger.surprises, *found]


def _orders(story: Story, ledger: Ledger) -> list[str]:
    found: list[str] = []
    for order in ledger.orders.values():
        if (finding := _instances(order, story.instances[order.name])) is not None:
            found.append(finding)
        messages = story.messages[order.name]
        most = 1 if order.published_once else order.publications
        if not 1 <= messages <= most:
            found.append(f"expected 1 to {most} messages for {order.name}, but found {messages}")
    strangers = story.instances.keys() - ledger.orders.keys()
    if strangers:
        found.append(f"expected no instances of orders that nobody sent, but found {sorted(strangers)[:5]}")
    return found[:FINDINGS_MAX]


def _instances(order: Order, instances: set[str]) -> str | None:
    if not order.instances <= instances:
        return f"expected the acknowledged instances {order.instances} of {order.name}, but the log has {instances}"
    least, most = (1, 1) if order.keyed else (len(order.instances), order.creations)
    if not least <= len(instances) <= most:
        return f"expected {least} to {most} instances of {order.name}, but found {len(instances)}: {instances}"
    return None


def _effects(story: Story, ledger: Ledger) -> list[str]:
    found = [
        f"expected an event of {each.wanted} for {each.subject}, which was acknowledged, but the log has none"
        for each in ledger.told
        if not each.refused and (each.wanted, each.subject) not in story.effects
    ]
    lost = ledger.handed_out - story.leased
    if lost:
        found.append(f"expected every job that a worker was given to be leased in the log, but these are not: {lost}")
    return found[:FINDINGS_MAX]
