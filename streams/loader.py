"""Brings the streams that a batch works on into memory: the cache, else snapshot and events, in one query per round.

It knows what a stream's name says, and no event.
"""

import logging
from collections import OrderedDict
from collections.abc import Iterable

from domain.commands import AnyCommand, CreateChild, CreateInstance, CreateStarted
from domain.decide import State, Stateless, fold, initial
from domain.keys import block_of, number_of
from domain.streams import instance_stream
from eventstore.codec import UnknownEvent, decode_state
from eventstore.store import EventStore, Stored
from streams.cache import Entry, StreamCache
from streams.unit import Unit

STREAM_BYTES_MAX = 2_000
"""A longer name does not fit into an index of the events table."""
BLOCKS_MAX = 100_000
"""Further key blocks whose instance is remembered."""
EMPTY_WEIGHT = 500
"""Bytes that a state counts for before its first event."""

log = logging.getLogger(__name__)


def storable(stream: str) -> bool:
    """Say whether a stream of this name can be stored."""
    if "\0" in stream:
        return False
    try:
        return len(stream) <= STREAM_BYTES_MAX // 4 or len(stream.encode()) <= STREAM_BYTES_MAX
    except UnicodeEncodeError:
        return False


class Loader:
    """One per partition."""

    def __init__(self, partition: int, store: EventStore, cache: StreamCache) -> None:
        self._partition = partition
        self._store = store
        self._cache = cache
        self._blocks: OrderedDict[int, int] = OrderedDict()

    def reset(self) -> None:
        """Forget everything."""
        self._cache.clear()
        self._blocks.clear()

    def block_taken(self, block: int, instance_key: int) -> None:
        """Remember that a key block belongs to an instance."""
        self._blocks[block] = instance_key
        if len(self._blocks) > BLOCKS_MAX:
            self._blocks.popitem(last=False)

    def resolve(self, stream: str, command: AnyCommand) -> str:
        """Return the stream of the instance if `stream` names a further block of it that is known."""
        if self._blocks and stream.startswith("instance/"):
            owner = self._blocks.get(block_of(getattr(command, "key", 0) or 0))
            if owner is not None:
                return instance_stream(owner)
        return stream

    def fresh(self, unit: Unit, stream: str, command: AnyCommand) -> bool:
        """Make the entry of a stream that cannot have events, because its key was first given in this batch; else False."""
        match command:
            case CreateInstance() | CreateStarted(key=None):
                new = True
            case CreateChild(key=int(key)) | CreateStarted(key=int(key)):
                new = number_of(key) > unit.first_number and stream not in self._cache
            case _:
                new = False
        if new:
            self._put(unit, stream, initial(stream))
        return new

    def _put(self, unit: Unit, stream: str, state: State) -> Entry:
        entry = Entry(state, weight=EMPTY_WEIGHT)
        entry.unit = unit.number
        self._cache.put(stream, entry)
        return entry

    async def load(self, unit: Unit, streams: Iterable[str]) -> set[str]:
        """Load those of the streams that are not here; return those that have no events at all."""
        missing: list[str] = []
        for stream in dict.fromkeys(streams):
            if stream in self._cache:
                self._cache.touch(stream, unit.number)
            elif isinstance(initial(stream), Stateless):
                self._put(unit, stream, Stateless())
            else:
                missing.append(stream)
        if not missing:
            return set()
        empty: set[str] = set()
        for stream, stored in (await self._store.load(self._partition, missing)).items():
            if stored.snapshot is None and not stored.records:
                empty.add(stream)
            try:
                self._restore(unit, stream, stored)
            except UnknownEvent:
                raise
            except Exception:
                # The entry stays away: each command to the stream fails by itself, see `streams.decider`.
                log.exception("stream %r of partition %d cannot be loaded", stream, self._partition)
                self._cache.drop(stream)
        return empty

    def _restore(self, unit: Unit, stream: str, stored: Stored) -> None:
        state = initial(stream)
        if stored.snapshot is not None:
            state = decode_state(stored.snapshot, type(state))
        entry = self._put(unit, stream, state)
        for _ in fold(state, (record.event for record in stored.records)):
            pass
        entry.position = stored.records[-1].position if stored.records else stored.snapshot_position
        entry.since_snapshot = len(stored.records)
        entry.snapshot_size = len(stored.snapshot or b"")
        # Bodies are gone here; 300 bytes is what an event takes on average.
        self._cache.grow(entry, entry.snapshot_size + 300 * len(stored.records))

    async def owners(self, blocks: Iterable[int]) -> bool:
        """Ask which instances further blocks belong to; say whether any was found."""
        found = await self._store.owners(self._partition, list(blocks))
        for block, instance_key in found.items():
            self.block_taken(block, instance_key)
        return bool(found)

    async def reload(self, unit: Unit, stream: str) -> State | None:
        """Make a stream's state anew from what is committed and what the batch already holds; None if that fails.

        To be called when nothing of an earlier batch is on its way.
        """
        self._cache.drop(stream)
        await self.load(unit, [stream])
        entry = self._cache.get(stream)
        if entry is None:
            return None
        try:
            for _ in fold(entry.state, (record.event for record in unit.records if record.stream == stream)):
                pass
        except Exception:
            log.exception("stream %r of partition %d cannot be folded again", stream, self._partition)
            self._cache.drop(stream)
            return None
        return entry.state
