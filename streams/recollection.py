"""What the events of a partition say about all else that was truth beside them, for a database that was lost.

Outcomes of commands, further key blocks and the last number follow from the events of the partition itself; how far it took the
reactions of another partition follows from the causes of its events. A reaction that left no event leaves none when it comes
again: it was refused because what it speaks to was gone, and no key is given twice. It reads and writes nothing.
"""

import re
from collections.abc import Mapping
from typing import Final, cast

from domain import events as e
from domain.answers import answer_again
from domain.commands import Reaction
from domain.keys import number_of, partition_of
from domain.reactions import reactions
from domain.results import Rejected, RejectionCode
from domain.streams import route
from eventstore.codec import CODEC
from eventstore.store import Outcome, Ownership
from streams.decider import INDEX_MAX, client_chose
from streams.rows import EventRow
from streams.work import encode_result

NUMBERS_PASSED_OVER: Final = 1_000_000
"""Numbers for keys that are never given: those of events that were lost with the database may be known to somebody."""
_REACTION: Final = re.compile(r"~(\d+)-(\d+)-(\d+)")
"""The id of a reaction: partition, position and index. See `domain.reactions`."""
_GIVEN: Final = ("key", "block", "instance_key", "child_key")
"""Fields of events that hold a key which was given by the partition of the event, or long before."""
_NOTHING: Final = (0, 0)

Place = tuple[int, int]
"""Position and index of a reaction."""


class Recollection:
    """One partition. `take` every event in order, then `end`."""

    def __init__(self, partition: int, partitions: int) -> None:
        self.partition = partition
        self.position = 0
        self.outcomes: list[Outcome] = []
        """What became of commands. Whoever has stored them may empty the list."""
        self.blocks: dict[int, int] = {}
        """Further key blocks -> instance keys. May be emptied, too."""
        self.marks: dict[int, Place] = {}
        """Per source partition, the last reaction that left an event here."""
        self._partitions = partitions
        self._last_number = 0
        self._asked: dict[int, tuple[Place, Place]] = {}
        """Per partition, the first and the last reaction that events from here want of it."""
        self._rows: list[tuple[EventRow, e.Event]] = []
        """The events of the command that is being taken."""

    def take(self, row: EventRow) -> None:
        """Take the next event. Raise `UnknownEvent` if this version does not know it."""
        event = CODEC.decode(row.type, row.schema, row.body)
        self.position = row.position
        self._note_keys(event)
        self._note_reactions(row, event)
        if self._rows:
            last, refused = self._rows[-1][0], isinstance(event, e.CommandRejected)
            same = (last.command_id, last.stream) == (row.command_id, row.stream)
            if refused or not same or isinstance(self._rows[-1][1], e.CommandRejected):
                self.end()
        self._rows.append((row, event))

    def end(self) -> None:
        """Say that no further event belongs to the command that was taken last."""
        rows, self._rows = self._rows, []
        if not rows:
            return
        row, facts = rows[-1][0], [event for _, event in rows]
        cause = _REACTION.fullmatch(row.command_id)
        if cause is not None:
            source, position, index = map(int, cause.groups())
            self.marks[source] = max(self.marks.get(source, _NOTHING), (position, index))
        elif client_chose(row.command_id):
            self._remember(row, facts)

    def _remember(self, row: EventRow, facts: list[e.Event]) -> None:
        match facts[0]:
            case e.InstanceQuarantined() | e.CommandRejected(code="PROCESSING_ERROR"):
                return  # it could not be carried out, and may be tried again
            case e.CommandRejected() as refused:
                answer = encode_result(Rejected(cast("RejectionCode", refused.code), refused.reason))
            case _:
                answer = encode_result(answer_again(facts, row.time))
        self.outcomes.append(Outcome(row.command_id, row.stream, row.position, answer))

    def _note_keys(self, event: e.Event) -> None:
        match event:
            case e.CommandRejected():
                return  # its key is whatever somebody wrote
            case e.KeyBlockTaken():
                self.blocks[event.block] = event.key
            case e.SignalBroadcast():
                for start in event.starts:
                    self._note_key(start.instance_key)
            case _:
                pass
        for name in _GIVEN:
            key = getattr(event, name, None)
            if key is not None:
                self._note_key(key)

    def _note_key(self, key: int) -> None:
        if partition_of(key) == self.partition:
            self._last_number = max(self._last_number, number_of(key))

    def _note_reactions(self, row: EventRow, event: e.Event) -> None:
        for reaction in reactions(event, self.partition, row.position, row.time):
            assert isinstance(reaction, Reaction), f"{reaction!r} is no reaction"
            target, place = route(reaction, self._partitions), (row.position, reaction.index)
            first, _ = self._asked.get(target, (place, place))
            self._asked[target] = (first, place)

    def row(self, marks: Mapping[int, Mapping[int, Place]], command_offset: int) -> Ownership:
        """Return the partition's row. `marks` are those of every partition, by partition."""
        # What nobody is known to have taken is asked for again. Twice is once.
        published = self.position
        for target in self._asked:
            if target != self.partition:
                published = min(published, self._taken(target, marks[target].get(self.partition, _NOTHING))[0])
        own = self._taken(self.partition, self.marks.get(self.partition, _NOTHING))
        return Ownership(
            partition=self.partition,
            epoch=1,
            position=self.position,
            command_offset=command_offset,
            last_number=self._last_number + NUMBERS_PASSED_OVER,
            marks={**self.marks, self.partition: own},
            reactions_published=published,
        )

    def _taken(self, target: int, mark: Place) -> Place:
        """Return up to where a partition is known to have taken what it was asked for, if it left events up to `mark`."""
        asked = self._asked.get(target)
        if asked is None or asked[1] <= mark:
            return (self.position, INDEX_MAX)
        first = asked[0]
        if mark < first:
            return (first[0] - 1, INDEX_MAX)
        return mark if target == self.partition else (mark[0] - 1, INDEX_MAX)
