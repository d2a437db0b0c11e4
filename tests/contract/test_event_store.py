from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
import pytest

from domain import events as e
from domain.streams import DEFINITIONS_STREAM
from eventstore.codec import CODEC
from eventstore.postgres import CONNECTION_ERRORS, PostgresEventStore
from eventstore.records import EventRecord
from eventstore.store import Batch, EventStore, Fenced, Outcome, Ownership, VersionConflict

NOW = datetime(2026, 1, 31, 8, 0, 0, 123000, tzinfo=UTC)


def batch(owned: Ownership, *facts: tuple[str, e.AnyEvent], after: int | None = None, **changes: Any) -> Batch:
    position = owned.position if after is None else after
    records = [
        EventRecord(owned.partition, position + number, stream, NOW, f"c{number}", "ada", event)
        for number, (stream, event) in enumerate(facts, start=1)
    ]
    plain = Batch(
        partition=owned.partition,
        epoch=owned.epoch,
        after=position,
        records=records,
        bodies=[CODEC.encode(record.event) for record in records],
        command_offset=owned.command_offset,
        last_number=owned.last_number,
        marks=owned.marks,
        reactions_published=owned.reactions_published,
    )
    return msgspec.structs.replace(plain, **changes)


def flow(name: str) -> e.FlowTaken:
    return e.FlowTaken(flow=name, scope=7)


async def test_a_new_partition_is_empty(store: EventStore) -> None:
    owned = await store.acquire(2, "me")

    assert owned == Ownership(2, 1, 0, 0, 0, {}, 0)
    assert await store.read(2, 0, 10) == []


async def test_a_partition_names_its_owner(store: EventStore) -> None:
    before = await store.holder(2)
    await store.acquire(2, "me")
    await store.acquire(2, "you")

    assert (before, await store.holder(2)) == ((0, ""), (2, "you"))


async def test_what_was_committed_is_read_in_order_and_equal(store: EventStore) -> None:
    owned = await store.acquire(1, "me")
    event = e.VariablesSet(
        scope=7, variables={"a": Decimal("0.10"), "b": [1, None, {"ä": "\u2028"}], "c": True, "d": 12345678901234567}
    )
    committed = batch(owned, ("instance/7", event), ("instance/8", flow("f")), ("instance/7", flow("g")))
    await store.commit(committed)

    assert await store.read(1, 0, 10) == committed.records
    assert await store.read(1, 1, 1) == committed.records[1:2]
    assert await store.read_stream(1, "instance/7") == [committed.records[0], committed.records[2]]
    assert await store.read_stream(1, "instance/7", after=1) == [committed.records[2]]
    assert await store.positions() == {1: 3}


async def test_the_next_owner_finds_what_the_last_one_committed(store: EventStore) -> None:
    first = await store.acquire(1, "first")
    await store.commit(
        batch(
            first,
            ("s", flow("f")),
            command_offset=9,
            last_number=4,
            marks={3: (17, 2), 1: (1, 0)},
            reactions_published=1,
        )
    )
    second = await store.acquire(1, "second")

    assert second == Ownership(1, 2, 1, 9, 4, {3: (17, 2), 1: (1, 0)}, 1)


async def test_a_commit_tells_how_far_the_definitions_were_when_it_began(store: EventStore) -> None:
    first, second = await store.acquire(1, "me"), await store.acquire(2, "me")
    told = [await store.commit(batch(second, ("s", flow("f")), definitions=True))]
    await store.commit(batch(first, ("s", flow("f")), (DEFINITIONS_STREAM, flow("g")), ("t", flow("h"))))
    told.append(await store.commit(batch(second, ("s", flow("f")), after=1, definitions=True)))
    told.append(await store.commit(batch(second, after=2, definitions=True)))
    told.append(await store.commit(batch(second, ("s", flow("f")), after=2)))

    assert told == [0, 2, 2, None]


async def test_a_former_owner_commits_nothing(store: EventStore) -> None:
    zombie = await store.acquire(1, "zombie")
    owner = await store.acquire(1, "owner")

    with pytest.raises(Fenced, match="expected epoch 1 of partition 1, but it is 2"):
        await store.commit(batch(zombie, ("s", flow("of a zombie"))))
    await store.commit(batch(owner, ("s", flow("of the owner"))))
    with pytest.raises(Fenced):
        await store.commit(batch(zombie, ("s", flow("of a zombie"))))

    assert [record.event for record in await store.read(1, 0, 10)] == [flow("of the owner")]


async def test_a_batch_for_another_position_is_refused_whole(store: EventStore) -> None:
    owned = await store.acquire(1, "me")
    await store.commit(batch(owned, ("s", flow("f"))))

    with pytest.raises(VersionConflict, match="expected partition 1 at position 5, but it is at 1"):
        await store.commit(batch(owned, ("s", flow("g")), after=5, command_offset=99))

    assert (await store.acquire(1, "me")).command_offset == 0


async def test_streams_load_with_their_newest_snapshot_and_what_follows_it(store: EventStore) -> None:
    owned = await store.acquire(1, "me")
    facts = [("a", flow("1")), ("b", flow("2")), ("a", flow("3")), ("a", flow("4"))]
    await store.commit(batch(owned, *facts))
    await store.save_snapshots(1, [("a", 3, b"newer"), ("b", 2, b"all")])
    await store.save_snapshots(1, [("a", 1, b"older")])
    loaded = await store.load(1, ["a", "b", "none"])

    assert (loaded["a"].snapshot, loaded["a"].snapshot_position) == (b"newer", 3)
    assert [record.event for record in loaded["a"].records] == [flow("4")]
    assert (loaded["b"].snapshot, list(loaded["b"].records)) == (b"all", [])
    assert (loaded["none"].snapshot, loaded["none"].snapshot_position, list(loaded["none"].records)) == (None, 0, [])


async def test_outcomes_and_key_blocks_are_committed_with_the_events(store: EventStore) -> None:
    owned = await store.acquire(1, "me")
    outcome = Outcome("mine", "s", 1, b'{"a":1}')
    await store.commit(batch(owned, ("s", flow("f")), outcomes=[outcome], blocks={32: 16, 48: 16}))

    assert await store.outcomes(1, ["mine", "other"]) == {"mine": outcome}
    assert await store.outcomes(2, ["mine"]) == {}
    assert await store.owners(1, [32, 64]) == {32: 16}


async def test_partitions_are_independent(store: EventStore) -> None:
    one, two = await store.acquire(1, "me"), await store.acquire(2, "me")
    await store.commit(batch(one, ("s", flow("one"))))
    await store.commit(batch(two, ("s", flow("two"))))

    assert [record.event for record in await store.read(2, 0, 10)] == [flow("two")]
    assert [record.event for record in (await store.load(1, ["s"]))["s"].records] == [flow("one")]


async def test_an_owner_that_stands_still_in_the_middle_of_a_commit_does_not_keep_its_partition(
    pool: "asyncpg.Pool[asyncpg.Record]", database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventstore.postgres.BLOCKED_SECONDS_MAX", 0.1)
    frozen, heir = PostgresEventStore(pool, database_url), PostgresEventStore(pool, database_url)
    first = await frozen.acquire(1, "a")
    await frozen._writers[1].execute("BEGIN; UPDATE partitions SET position = 7 WHERE partition = 1")

    second = await heir.acquire(1, "b")

    assert (second.epoch, second.position) == (first.epoch + 1, 0)
    with pytest.raises(CONNECTION_ERRORS):
        await frozen._writers[1].execute("COMMIT")
    await frozen.close()
    await heir.close()
