"""One batch of a partition while it is decided and committed: all that it leads to, and nothing that was already done."""

from datetime import datetime

import msgspec

from domain.commands import AnyCommand
from domain.results import Rejected
from eventstore.records import EventRecord
from eventstore.store import Outcome
from streams.log import CommandRecord
from streams.work import Answered, Reply, Work


class Given(msgspec.Struct):
    """What a partition's row will say once the batch is committed."""

    command_offset: int
    last_number: int
    marks: dict[int, tuple[int, int]]


class Unit:
    """A batch. It is built by one task and not touched once it is being committed."""

    def __init__(self, number: int, after: int, now: datetime, given: Given) -> None:
        self.number = number
        self.after = after
        self.now = now
        """The engine's time when the batch began."""
        self.first_number = given.last_number
        """Last number given to a key before the batch."""
        self.command_offset = given.command_offset
        self.last_number = given.last_number
        self.marks = given.marks
        self.records: list[EventRecord] = []
        self.bodies: list[bytes] = []
        self.outcomes: list[Outcome] = []
        self.blocks: dict[int, int] = {}
        self.replies: list[Answered] = []
        self.works: list[Work] = []
        """Taken for it, for another try if it is not committed."""
        self.outbox: list[CommandRecord] = []
        """Reactions for other partitions."""
        self.forward: list[CommandRecord] = []
        """Commands that came to the wrong partition."""
        self.jobs: dict[str, int] = {}
        """Job type -> how many jobs it made available."""
        self.unmet: set[str] = set()
        """Job types of which callers in other processes got fewer than they wanted."""
        self.due: datetime | None = None
        """The earliest time that it made something wait for."""
        self.ended: list[str] = []
        """Streams that need not stay in memory."""
        self.snapshots: list[tuple[str, int, bytes]] = []
        self.commands = 0
        self.rejections = 0
        self.failures = 0
        """Commands that could not be processed."""
        self.reactions_published = 0

    @property
    def last(self) -> int:
        """Position of its last event, or of the last one before it."""
        return self.after + len(self.records)

    def reply(self, work: Work, partition: int, position: int, result: "dict[str, object] | Rejected") -> None:
        """Note an answer, to be given after the commit."""
        if work.future is not None or work.reply_to:
            self.replies.append((work, Reply(partition, position, result)))

    def wait_for(self, due: datetime) -> None:
        """Note that something waits for a time."""
        if self.due is None or due < self.due:
            self.due = due

    def send(self, partition: int, command: AnyCommand) -> None:
        """Note a reaction for another partition."""
        self.outbox.append(CommandRecord(partition, command))
