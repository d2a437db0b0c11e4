"""The owner of a partition: takes commands, decides them in batches, commits each batch and only then tells anybody.

While one batch is being committed the next is taken and decided. If a commit fails, all that is in memory is dropped and the
partition is taken anew; a writer that lost its partition stops.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.commands import Reaction
from domain.keys import FIRST_PARTITION
from domain.reactions import reactions
from domain.streams import route
from eventstore.codec import UnknownEvent
from eventstore.store import Batch, EventStore, Fenced, Ownership
from streams.clock import Clock
from streams.decider import UNIT_EVENTS_MAX, Decider
from streams.definitions_view import DefinitionsView
from streams.job_offers import JobOffers
from streams.log import BATCH_RECORDS_MAX, CommandRecord, Log
from streams.metrics import Metrics, PartitionMetrics
from streams.outbox import Outbox
from streams.tables import JobsTable
from streams.tasks import end
from streams.unit import Unit
from streams.work import Answered, Overloaded, Reply, Unavailable, Work, owner_changed

WAITING_MAX = 10_000
"""Commands of callers in this process that wait; past it they are turned away."""
LOGGED_MAX = 2 * BATCH_RECORDS_MAX
"""Commands read ahead from the Log."""
TIMERS_BATCH_MAX = 100
"""Timers in one batch, so that a million due at once leave room for commands."""
GATHER_SECONDS = 0.006
"""From the commit of a batch of several commands to the next: they come faster than one by one, which costs as much as twenty."""
GATHER_COMMANDS = 20
"""So many waiting commands end the pause."""
CLOCKS_APART_SECONDS_MAX = 1.0
"""Past it, the log tells that the owner before had a faster clock."""
RETRY_SECONDS_MIN = 0.01
"""Before the partition is taken anew after an error; twice as long after each further one without a commit in between."""
RETRY_SECONDS_MAX = 2.0
"""Between two tries to take the partition anew."""
FORGET_COMMANDS = 1_000
"""The Log lets go of commands after so many, or when there is nothing else to do."""
READ_RECORDS = 1_000

log = logging.getLogger(__name__)


class Replies(Protocol):
    """Takes answers to callers that the Log knows."""

    def send(self, replies: Sequence[Answered]) -> None:
        """Have the answers delivered, soon."""


@dataclass(frozen=True)
class Parts:
    """What the processors of one engine share."""

    partitions: int
    owner: str
    """Names this process in the partition's row."""
    store: EventStore
    log: Log
    replies: Replies
    definitions: DefinitionsView
    clock: Clock
    jobs: JobsTable
    metrics: Metrics


class PartitionProcessor:
    """One per partition that this process owns."""

    def __init__(self, partition: int, parts: Parts, projected: Callable[[], int] = lambda: 0) -> None:
        self.partition = partition
        self.position = 0
        """Last committed position."""
        self.command_offset = 0
        """Last committed offset of the Log."""
        self.ready = False
        """Whether commands are taken."""
        self.sinks: list[Callable[[Unit], None]] = []
        """Told of each batch right after its commit, in order, before anybody is answered."""
        self.on_owned: list[Callable[[], None]] = []
        """Told when the partition was taken: until then somebody else may have committed."""
        self.offers = JobOffers(partition, parts.jobs, projected)
        self._parts = parts
        self._decider = Decider(partition, parts.partitions, parts.store, parts.definitions, self.offers, self._settle)
        self._outbox = Outbox(parts.log)
        self._metrics = PartitionMetrics(parts.metrics, partition)
        self._epoch = 0
        self._units = 0
        self._local: deque[Work] = deque()
        self._logged: deque[Work] = deque()
        self._timers: deque[Work] = deque()
        self._left: deque[Work] = deque()
        self._taken: list[Work] = []
        self._closed = True
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._unit: Unit | None = None
        self._doubtful: Unit | None = None
        self._committing: asyncio.Task[None] | None = None
        self._gathering: asyncio.TimerHandle | None = None
        self._stopping = False
        self._snapshots: dict[str, tuple[int, bytes]] = {}
        self._forgotten = 0
        self._chores = asyncio.Event()

    # --- for callers -------------------------------------------------------------------------------------------------

    def submit(self, work: Work) -> None:
        """Take a command of a caller in this process. Raise `Overloaded` or `Unavailable`."""
        if self._closed or self._stopping:
            raise Unavailable(f"partition {self.partition} takes no commands here just now; try again")
        if len(self._local) >= WAITING_MAX:
            raise Overloaded(f"expected at most {WAITING_MAX} waiting commands on partition {self.partition}")
        self._local.append(work)
        self._wake.set()

    def submit_due(self, works: Sequence[Work]) -> None:
        """Take commands of timers. They may get lost; whoever sent them looks again."""
        self._timers.extend(works)
        self._wake.set()

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting, being decided, committed or published. Commands still in the Log do not count."""
        waiting = self._local or self._logged or self._timers or self._left
        return not (
            waiting
            or self._unit is not None
            or self._committing is not None
            or self._decider.reactions_waiting
            or len(self._outbox)
        )

    async def still_owns(self) -> bool:
        """Return whether nobody else has taken the partition."""
        return await self._parts.store.holder(self.partition) == (self._epoch, self._parts.owner)

    def stop(self) -> None:
        """Finish what is being decided, then return from `run`."""
        self._stopping = True
        self._wake.set()

    # --- life --------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Own the partition until `stop`. Raise `Fenced` if it was taken over, `UnknownEvent` if it cannot be read."""
        pause = RETRY_SECONDS_MIN
        try:
            while not self._stopping:
                stood = self.position, self.command_offset
                try:
                    await self._own()
                    await self._process()
                except (Fenced, UnknownEvent):
                    raise
                except Exception:
                    # Being its owner proves nothing: a database whose disk is full lets it be taken, and takes no commit.
                    if (self.position, self.command_offset) != stood:
                        pause = RETRY_SECONDS_MIN
                    self._metrics.failures.inc()
                    log.exception("partition %d is taken anew in %.2f s", self.partition, pause)
                finally:
                    await self._let_go()
                if not self._stopping:
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, RETRY_SECONDS_MAX)
        finally:
            self._turn_away()

    async def _own(self) -> None:
        """Take the partition, find out what became of the last batch, and derive what was not yet carried out or published."""
        if self._epoch:
            # An error may have been all that we noticed of another owner: what we lost is not ours to take back.
            epoch, owner = await self._parts.store.holder(self.partition)
            if owner != self._parts.owner:
                raise Fenced(
                    f"expected epoch {self._epoch} of partition {self.partition}, but {owner} has it with {epoch}"
                )
        owned = await self._parts.store.acquire(self.partition, self._parts.owner)
        self._closed = False  # it is ours: commands wait from here on, instead of being turned away
        if self.partition == FIRST_PARTITION:
            # The owner before may have committed a deployment a moment ago, and told nobody.
            await self._parts.definitions.hide()
        self._clear_up(owned)
        last = await self._parts.store.read(self.partition, owned.position - 1, 1) if owned.position else ()
        self._decider.reset(owned, last[-1].time if last else None)
        if last and (ahead := (last[-1].time - self._parts.clock.now()).total_seconds()) > CLOCKS_APART_SECONDS_MAX:
            log.warning(
                "partition %d was written by a clock that is %.0f s ahead of this machine's: until it is there, too, events "
                "bear that clock's last time, and timers and leases are late",
                self.partition,
                ahead,
            )
        self._epoch, self.position, self.command_offset = owned.epoch, owned.position, owned.command_offset
        self._forgotten = 0
        self._outbox.clear()
        await self._derive(owned)
        if self.partition == FIRST_PARTITION:
            await self._parts.definitions.own()
        for tell in self.on_owned:
            tell()
        self.ready = True
        log.info("partition %d owned at position %d, epoch %d", self.partition, owned.position, owned.epoch)

    def _clear_up(self, owned: Ownership) -> None:
        """Answer the batch whose commit was in doubt, or put it and all that came after it back into the queue."""
        doubtful, self._doubtful = self._doubtful, None
        done = self._unit.works if self._unit is not None else []
        decided = set(map(id, done))
        again: list[Work] = [*done, *(work for work in self._taken if id(work) not in decided), *self._left]
        self._unit = None
        self._taken = []
        self._left.clear()
        if doubtful is not None:
            untouched = owned.epoch == self._epoch + 1
            if untouched and owned.position == doubtful.last and owned.command_offset == doubtful.command_offset:
                self._tell(doubtful)
            elif untouched:
                again = [*doubtful.works, *again]
            else:
                _refuse(doubtful.works, self.partition)
        _refuse(self._decider.take_awaiting(), self.partition)
        # Commands from the Log are read again, timers are looked up again, reactions are derived again.
        self._local.extendleft(reversed([work for work in again if work.future is not None and not work.given_up]))
        self._logged.clear()
        _refuse(list(self._timers), self.partition)
        self._timers.clear()

    async def _derive(self, owned: Ownership) -> None:
        own = self._decider.own_mark[0]
        after = min(owned.reactions_published, max(own - 1, 0))
        while after < owned.position:
            records = await self._parts.store.read(self.partition, after, READ_RECORDS)
            for record in records:
                for reaction in reactions(record.event, self.partition, record.position, record.time):
                    assert isinstance(reaction, Reaction), f"{reaction!r} is no reaction"
                    target = route(reaction, self._parts.partitions)
                    if target == self.partition:
                        self._decider.react_again(reaction)
                    elif record.position > owned.reactions_published:
                        self._outbox.add([CommandRecord(target, reaction)])
            after = records[-1].position

    async def _process(self) -> None:
        helpers = [
            asyncio.create_task(self._read_log(), name=f"read log {self.partition}"),
            asyncio.create_task(self._outbox.run(), name=f"outbox {self.partition}"),
            asyncio.create_task(self._do_chores(), name=f"chores {self.partition}"),
        ]
        try:
            while not self._stopping:
                await self._outbox.room()
                unit = await self._fill()
                await self._settle()
                if unit is not None:
                    self._decider.finish(unit)
                    self._doubtful = unit
                    self._committing = asyncio.create_task(self._commit(unit), name=f"commit {self.partition}")
                    self._committing.add_done_callback(lambda _: self._wake.set())
                    if len(unit.works) > 1:
                        self._gather()
                    self._unit = None
                    await asyncio.sleep(0)  # the commit begins before anything else is decided
            await self._settle()
        finally:
            await end(helpers)

    async def _let_go(self) -> None:
        self.ready = False
        if self.partition == FIRST_PARTITION:
            self._parts.definitions.disown()
        if self._committing is not None:
            await asyncio.gather(self._committing, return_exceptions=True)
            self._committing = None

    def _turn_away(self) -> None:
        self._closed = True
        waiting = [*self._local, *self._timers, *self._taken, *self._left, *self._decider.take_awaiting()]
        for unit in (self._unit, self._doubtful):
            waiting += unit.works if unit is not None else []
        _refuse(waiting, self.partition)
        self._local.clear()
        self._left.clear()
        self._logged.clear()
        self._timers.clear()
        self._unit = self._doubtful = None

    # --- batches ------------------------------------------------------------------------------------------------------

    async def _fill(self) -> Unit | None:
        """Take and decide commands for as long as the batch before is being committed; None if we are to stop."""
        self._units += 1
        unit = self._unit = self._decider.begin(self._units, self._expected(), self._parts.clock.now())
        while not self._stopping:
            self._wake.clear()
            if self._gathers:
                await self._wake.wait()
                continue
            works = self._collect()
            if works or self._decider.reactions_waiting:
                unit.now = self._parts.clock.now()
                self._taken = works
                self._left.extend(await self._decider.decide(unit, works))
                self._taken = []
                self._metrics.waiting.set(len(self._local))
            in_flight = self._committing is not None and not self._committing.done()
            if unit.works:
                if not in_flight or len(unit.works) >= BATCH_RECORDS_MAX or len(unit.records) >= UNIT_EVENTS_MAX:
                    return unit
            elif not in_flight:
                await self._settle()
            if not (self._left or self._decider.reactions_waiting):
                if not unit.works and not self._waiting:
                    self._unit = None  # nothing of it exists: this is rest
                await self._wake.wait()
                self._unit = unit
            else:
                await asyncio.sleep(0)  # the others' turn, however much there is to do
        return unit if unit.works else None

    @property
    def _waiting(self) -> int:
        return len(self._local) + len(self._logged) + len(self._timers)

    @property
    def _gathers(self) -> bool:
        """Whether to wait for further commands before any is decided."""
        begun = self._left or self._decider.reactions_waiting
        return self._gathering is not None and not begun and self._waiting < GATHER_COMMANDS

    def _expected(self) -> int:
        """Position after the batch that is being committed."""
        return self._doubtful.last if self._doubtful is not None else self.position

    def _collect(self) -> list[Work]:
        if self._left:
            works = list(self._left)
            self._left.clear()
            return works
        works = [self._timers.popleft() for _ in range(min(len(self._timers), TIMERS_BATCH_MAX))]
        room = BATCH_RECORDS_MAX - len(works)
        logged = min(len(self._logged), max(room // 2, room - len(self._local)))
        works += [self._logged.popleft() for _ in range(logged)]
        works += [self._local.popleft() for _ in range(min(len(self._local), BATCH_RECORDS_MAX - len(works)))]
        if len(self._logged) < LOGGED_MAX:
            self._room.set()
        return works

    async def _settle(self) -> None:
        """Return when no batch is being committed. Raise what went wrong with it."""
        if self._committing is not None:
            task = self._committing
            try:
                # A cancelled wait must not cancel the commit.
                await asyncio.shield(task)
            finally:
                if task.done():
                    self._committing = None

    async def _commit(self, unit: Unit) -> None:
        if unit.forward:
            await self._parts.log.publish(unit.forward)
        if unit.records or unit.command_offset != self.command_offset:
            definitions = self._parts.definitions
            started, looked = time.perf_counter(), definitions.now()
            position = await self._parts.store.commit(
                Batch(
                    partition=self.partition,
                    epoch=self._epoch,
                    after=unit.after,
                    records=unit.records,
                    bodies=unit.bodies,
                    command_offset=unit.command_offset,
                    last_number=unit.last_number,
                    marks=unit.marks,
                    reactions_published=self._outbox.published(unit.after if unit.outbox else unit.last),
                    outcomes=unit.outcomes,
                    blocks=unit.blocks,
                    definitions=definitions.follows,
                )
            )
            if position is not None:
                definitions.saw(position, looked)
            self._metrics.commit_seconds.observe(time.perf_counter() - started)
            if self.partition == FIRST_PARTITION:
                await definitions.hide_deployed(unit.records)
        self._doubtful = None
        self.position, self.command_offset = unit.last, unit.command_offset
        self._tell(unit)
        self._decider.forget(unit)

    def _gather(self) -> None:
        if self._gathering is not None:
            self._gathering.cancel()
        self._gathering = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._gathered)

    def _gathered(self) -> None:
        self._gathering = None
        self._wake.set()

    def _tell(self, unit: Unit) -> None:
        """The batch is committed: everybody who waits for it may know."""
        self._outbox.add(unit.outbox)
        if self.partition == FIRST_PARTITION:
            self._parts.definitions.feed(unit.records)
        for sink in self.sinks:
            sink(unit)
        elsewhere: list[Answered] = []
        for work, reply in unit.replies:
            if work.future is None:
                elsewhere.append((work, reply))
            elif not work.future.done():
                work.future.set_result(reply)
        if elsewhere:
            self._parts.replies.send(elsewhere)
        for stream, position, body in unit.snapshots:
            self._snapshots[stream] = (position, body)
        if self._snapshots or unit.command_offset - self._forgotten >= FORGET_COMMANDS:
            self._chores.set()
        self._count(unit)

    def _count(self, unit: Unit) -> None:
        metrics = self._metrics
        metrics.commands.inc(unit.commands)
        metrics.position.set(unit.last)
        metrics.streams.set(len(self._decider.cache))
        if unit.rejections:
            metrics.rejections.inc(unit.rejections)
        if unit.failures:
            metrics.quarantines.inc(unit.failures)
        if unit.records:
            metrics.events.inc(len(unit.records))
            metrics.batch_events.observe(len(unit.records))

    # --- beside the batches --------------------------------------------------------------------------------------------

    async def _read_log(self) -> None:
        """Read the Log ahead, from where the partition stands, and come back after errors."""
        offset = self.command_offset
        while True:
            try:
                async with contextlib.aclosing(self._parts.log.read(self.partition, offset)) as batches:
                    async for batch in batches:
                        for record in batch:
                            offset = record.offset
                            self._logged.append(Work(record.command, None, record.reply_to, record.offset))
                        self._wake.set()
                        while len(self._logged) >= LOGGED_MAX:
                            self._room.clear()
                            await self._room.wait()
            except Exception:
                log.exception("the command log of partition %d cannot be read; trying again", self.partition)
                await asyncio.sleep(RETRY_SECONDS_MAX)

    async def _do_chores(self) -> None:
        """Save snapshots and forget commands. Failing costs time later, nothing else."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._chores.wait()
            self._chores.clear()
            try:
                if self._snapshots:
                    snapshots, self._snapshots = self._snapshots, {}
                    await self._parts.store.save_snapshots(
                        self.partition, [(stream, position, body) for stream, (position, body) in snapshots.items()]
                    )
                if self.command_offset > self._forgotten:
                    upto = self.command_offset
                    await self._parts.log.forget(self.partition, upto)
                    self._forgotten = upto
            except Exception:
                log.exception("snapshots of partition %d could not be saved", self.partition)


def _refuse(works: Sequence[Work], partition: int) -> None:
    for work in works:
        if work.future is not None and not work.future.done():
            work.future.set_exception(owner_changed(partition))


__all__ = ["PartitionProcessor", "Parts", "Replies", "Reply"]
