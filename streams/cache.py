"""The states of streams that a partition works on, in memory, within bounds.

A state may be ahead of the store while its facts are being committed; such a one stays until they are.
"""

from collections import OrderedDict
from collections.abc import Iterator

from domain.decide import State

STREAMS_MAX = 20_000
"""Streams kept per partition."""
BYTES_MAX = 64 * 1024 * 1024
"""Encoded bytes of the events and snapshots behind the kept states, per partition: a measure of their size."""


class Entry:
    """A stream in memory."""

    __slots__ = ("position", "since_snapshot", "snapshot_size", "state", "unit", "weight")

    def __init__(self, state: State, position: int = 0, weight: int = 0) -> None:
        self.state = state
        self.position = position
        """Of its last event."""
        self.weight = weight
        """Encoded bytes behind it."""
        self.unit = 0
        """The last batch that touched it."""
        self.since_snapshot = 0
        """Events after the newest snapshot."""
        self.snapshot_size = 0
        """Bytes of the newest snapshot."""


class StreamCache:
    """Least recently used goes first."""

    def __init__(self, streams_max: int = STREAMS_MAX, bytes_max: int = BYTES_MAX) -> None:
        self._streams_max = streams_max
        self._bytes_max = bytes_max
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, stream: str) -> bool:
        return stream in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def get(self, stream: str) -> Entry | None:
        """Return a stream's entry, if it is here."""
        return self._entries.get(stream)

    def touch(self, stream: str, unit: int) -> Entry:
        """Return the entry of a stream that is here, as the most recently used."""
        entry = self._entries[stream]
        self._entries.move_to_end(stream)
        entry.unit = unit
        return entry

    def put(self, stream: str, entry: Entry) -> None:
        """Keep a stream."""
        self.drop(stream)
        self._entries[stream] = entry
        self._bytes += entry.weight

    def grow(self, entry: Entry, size: int) -> None:
        """Count further bytes of an entry that is here."""
        entry.weight += size
        self._bytes += size

    def drop(self, stream: str) -> None:
        """Forget a stream, if it is here."""
        entry = self._entries.pop(stream, None)
        if entry is not None:
            self._bytes -= entry.weight

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._bytes = 0

    def shrink(self, committed: int) -> None:
        """Go back within the bounds; only streams that no batch after `committed` has touched may leave."""
        while len(self._entries) > self._streams_max or self._bytes > self._bytes_max:
            stream, entry = next(iter(self._entries.items()))
            if entry.unit > committed:
                return
            self.drop(stream)
