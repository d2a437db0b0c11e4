"""Carries out the commands of a partition against states in memory, ahead of the store by what is being committed.

It decides and records; it commits, answers and publishes nothing.
"""

import logging
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from domain import commands as c
from domain import events as e
from domain.answers import activated_job, answer
from domain.bounds import check_sizes
from domain.decide import decide, ended, fold, quarantine
from domain.deployed import Deployed
from domain.instance import Instance
from domain.keys import block_of
from domain.reactions import reactions
from domain.results import Context, Rejected
from domain.streams import instance_stream, jobs_stream, route, stream_of
from eventstore.codec import CODEC, encode_state
from eventstore.records import EventRecord
from eventstore.store import EventStore, Outcome, Ownership
from streams.cache import Entry, StreamCache
from streams.definitions_view import DefinitionsView
from streams.hooks import HOOKS
from streams.job_offers import Candidate, JobOffers, activatable
from streams.jobs_elsewhere import enough
from streams.loader import Loader, storable
from streams.log import CommandRecord
from streams.unit import Given, Unit
from streams.work import UNSTORABLE, Work, decode_result, encode_result, misused, target

REACTIONS_ROUND_MAX = 200
"""Reactions of the own partition that are carried out together."""
REACTIONS_BATCH_MAX = 2_000
"""Reactions of the own partition in one batch; the others wait for the next."""
UNIT_EVENTS_MAX = 10_000
"""A batch with as many events takes no further command."""
DECIDE_SECONDS_MAX = 0.025
"""After so long the event loop gets its turn."""
SNAPSHOT_EVENTS = 100
"""Events of a stream after which its state is saved."""
SNAPSHOT_BYTES_PER_EVENT = 100
"""Large states are saved less often: after one event per so many bytes, so that the cost per event stays bounded."""
JOBS_PER_ACTIVATION_MAX = 1_000
JOBS_ROUND_MAX = 100
"""Jobs taken before their size is looked at."""
JOBS_PER_ACTIVATION_BYTES_MAX = 8 * 1024 * 1024
"""An activation ends once the instances of its jobs count for so much: their variables travel with them."""
COMMAND_ID_CHARACTERS_MAX = 500
"""Of a command's id, and of the name of who wants it: both stand beside every event that it leads to."""
AWAITING_MAX = 10_000
"""Callers who wait for the end of an instance."""
INDEX_MAX = 2**31 - 1
"""Above every index of a reaction: all reactions of a position were carried out."""
EDGE_MADE = "~"
"""Ids that begin so were made by us and come once; the others are the clients', and are remembered."""
REASON_CHARACTERS_MAX = 1_000
REFUSAL_CHARACTERS_MAX = 20_000
"""Longer reasons are cut in the record of a refusal: they may quote what somebody sent."""

log = logging.getLogger(__name__)

_Plan = list[tuple[Work, str]]
_LEASES = (c.ActivateJobs, c.UpdateJob)
_encode = CODEC.encode


def client_chose(command_id: str) -> bool:
    """Say whether an id is a client's, and has to act once for ever."""
    return not command_id.startswith(EDGE_MADE)


def stampable(command: c.AnyCommand) -> bool:
    """Say whether a command's id and who wants it can be stored beside events."""
    return all(len(text) <= COMMAND_ID_CHARACTERS_MAX and "\0" not in text for text in (command.id, command.by))


class Decider:
    """One per partition. All of its state is optimistic: `reset` goes back to what is committed."""

    def __init__(
        self,
        partition: int,
        partitions: int,
        store: EventStore,
        definitions: DefinitionsView,
        offers: JobOffers,
        settled: Callable[[], Awaitable[None]],
    ) -> None:
        self.partition = partition
        self.partitions = partitions
        self.cache = StreamCache()
        self.offers = offers
        self._store = store
        self._definitions = definitions
        self._loader = Loader(partition, store, self.cache)
        self._settled = settled
        """Returns when nothing of an earlier batch is on its way to the store."""
        self._last_number = 0
        self._command_offset = 0
        self._last_time = datetime.min.replace(tzinfo=UTC)
        self._marks: dict[int, tuple[int, int]] = {}
        self._reactions: deque[Work] = deque()
        self._known: OrderedDict[str, tuple[int, Outcome]] = OrderedDict()
        self._awaiting: OrderedDict[int, tuple[Work, dict[str, Any]]] = OrderedDict()
        self._leases: Mapping[int, datetime] = {}

    # --- from batch to batch -----------------------------------------------------------------------------------------

    def reset(self, owned: Ownership, last_time: datetime | None) -> None:
        """Begin again from what is committed."""
        self._loader.reset()
        self.offers.reset(owned.position)
        self._last_number = owned.last_number
        self._command_offset = owned.command_offset
        self._last_time = last_time or datetime.min.replace(tzinfo=UTC)
        self._marks = dict(owned.marks)
        self._reactions.clear()
        self._known.clear()

    def take_awaiting(self) -> list[Work]:
        """Return, and forget, the callers who wait for the end of an instance."""
        waiting = [work for work, _ in self._awaiting.values()]
        self._awaiting.clear()
        return waiting

    @property
    def own_mark(self) -> tuple[int, int]:
        """Position and index of the last reaction that this partition took from itself."""
        return self._marks.get(self.partition, (0, 0))

    @property
    def reactions_waiting(self) -> bool:
        """Whether reactions were left for a further batch."""
        return bool(self._reactions)

    def react_again(self, command: c.Reaction) -> None:
        """Take a reaction of this partition that was found in its events, if it was not carried out yet."""
        if (command.source[1], command.index) > self.own_mark:
            self._reactions.append(Work(_any(command)))

    def begin(self, number: int, after: int, now: datetime) -> Unit:
        """Return a new batch."""
        # What an earlier batch decided is in the store by the time a third one asks for it.
        while self._known and next(iter(self._known.values()))[0] < number - 2:
            self._known.popitem(last=False)
        return Unit(number, after, now, Given(self._command_offset, self._last_number, self._marks))

    def finish(self, unit: Unit) -> None:
        """Say in the batch how far everything is. Nothing is added to it from here on."""
        if not self._reactions:
            self._marks[self.partition] = (unit.last, INDEX_MAX)
        unit.marks = dict(self._marks)
        unit.last_number = self._last_number
        unit.command_offset = self._command_offset

    def forget(self, unit: Unit) -> None:
        """Let go of what need not stay in memory, now that the batch is committed."""
        for stream in unit.ended:
            entry = self.cache.get(stream)
            if entry is not None and entry.unit <= unit.number and ended(entry.state):
                self.cache.drop(stream)
        self.cache.shrink(unit.number)

    async def decide(self, unit: Unit, works: list[Work]) -> list[Work]:
        """Carry out the works and the reactions of this partition that follow; return the works that did not fit in."""
        if self._reactions or any(not isinstance(work.command, _LEASES) for work in works):
            # Nearly every command may reach a call activity or a decision, whose latest version counts.
            await self._definitions.refresh()
        # After a faster clock, its time goes on: what is available since then would be hidden until ours is there.
        unit.now = max(unit.now, self._last_time)
        carried = 0
        carried += await self._react(unit, REACTIONS_ROUND_MAX)
        left = await self._round(unit, works)
        while self._reactions and carried < REACTIONS_BATCH_MAX and len(unit.records) < UNIT_EVENTS_MAX:
            done = await self._react(unit, REACTIONS_ROUND_MAX)
            carried += done
            if not done:
                break
        return left

    async def _react(self, unit: Unit, count: int) -> int:
        works = [self._reactions.popleft() for _ in range(min(count, len(self._reactions)))]
        left = await self._round(unit, works)
        self._reactions.extendleft(reversed(left))
        return len(works) - len(left)

    # --- a round: plan, load, carry out --------------------------------------------------------------------------------

    async def _round(self, unit: Unit, works: list[Work]) -> list[Work]:
        if not works:
            return []
        plan = self._plan(unit, works)
        await self._prepare(unit, plan)
        until = time.monotonic() + DECIDE_SECONDS_MAX
        for at, (work, stream) in enumerate(plan):
            if len(unit.records) >= UNIT_EVENTS_MAX or (at and time.monotonic() >= until):
                return [left for left, _ in plan[at:]]
            unit.works.append(work)
            if stream:
                await self._carry_out(unit, work, stream)
            if work.offset:
                self._command_offset = work.offset
        return []

    def _plan(self, unit: Unit, works: Sequence[Work]) -> _Plan:
        """Find the stream of each work; none ("") if there is nothing to carry out here."""
        return [(work, self._stream(unit, work)) for work in works]

    def _stream(self, unit: Unit, work: Work) -> str:
        command = work.command
        if work.given_up:
            return ""
        if work.offset:
            # Callers in this process and reactions were routed by us; the Log may hold anything.
            owner = target(command, self.partitions)
            if isinstance(owner, Rejected):
                unit.reply(work, self.partition, unit.last, owner)
                return ""
            if owner != self.partition:
                unit.forward.append(CommandRecord(owner, command, work.reply_to))
                return ""
        stream = self._loader.resolve(stream_of(command, self.partition, self._next_number), command)
        if storable(stream) and stampable(command):
            return stream
        unit.reply(work, self.partition, unit.last, UNSTORABLE)
        return ""

    async def _prepare(self, unit: Unit, plan: _Plan) -> None:
        """Bring all into memory that carrying out needs. What is already here costs no query."""
        wanted: list[str] = []
        ids: list[str] = []
        leases: list[int] = []
        for work, stream in plan:
            command = work.command
            if not stream:
                continue
            if not isinstance(command, c.Reaction) and client_chose(command.id) and command.id not in self._known:
                ids.append(command.id)
            if isinstance(command, c.UpdateJob) and command.timeout is not None:
                leases.append(command.key)
            if not isinstance(command, c.ActivateJobs) and not self._loader.fresh(unit, stream, command):
                wanted.append(stream)
        if wanted:
            await self._load(unit, plan, wanted)
        if ids:
            for command_id, outcome in (await self._store.outcomes(self.partition, ids)).items():
                self._known[command_id] = (unit.number, outcome)
        self._leases = await self.offers.deadlines(leases, unit.now) if leases else {}

    async def _load(self, unit: Unit, plan: _Plan, wanted: list[str]) -> None:
        empty = await self._loader.load(unit, wanted)
        if not empty:
            return
        # A key whose block has no stream of its own may be in a further block of some instance.
        blocks = {
            block_of(key)
            for work, stream in plan
            if stream in empty and stream.startswith("instance/") and (key := key_of(work.command))
        }
        if blocks and await self._loader.owners(blocks):
            for at, (work, stream) in enumerate(plan):
                if stream in empty:
                    plan[at] = (work, self._loader.resolve(stream, work.command))
            await self._loader.load(unit, [stream for _, stream in plan if stream and stream not in empty])

    def _next_number(self) -> int:
        self._last_number += 1
        return self._last_number

    # --- one command ---------------------------------------------------------------------------------------------------

    async def _carry_out(self, unit: Unit, work: Work, stream: str) -> None:
        unit.commands += 1
        if isinstance(work.command, c.ActivateJobs):
            await self._activate(unit, work, work.command)
            return
        try:
            self._decide(unit, work, stream)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one command or instance stays with it
            await self._fail(unit, work, stream, error)

    def _decide(self, unit: Unit, work: Work, stream: str) -> None:
        command = work.command
        if isinstance(command, c.Reaction):
            if not self._first_time(command):
                return
        elif (known := self._known.get(command.id)) is not None:
            self._repeat(unit, work, stream, known[1])
            return
        if self.cache.get(stream) is None:
            raise LookupError(f"stream {stream!r} cannot be loaded")
        entry = self.cache.touch(stream, unit.number)
        state = entry.state
        now = self._now(unit, command)
        context = Context(
            now, self.partition, self.partitions, self._next_number, self._definitions.deployed, self._leases
        )
        decided = decide(state, command, context)
        if isinstance(decided, Rejected):
            self._reject(unit, work, stream, now, decided)
        else:
            facts = list(fold(state, decided))
            bodies = [_encode(fact) for fact in facts]
            check_sizes(facts, bodies)
            self._accept(unit, work, stream, entry, now, facts, bodies)
        if ended(state):
            unit.ended.append(stream)

    def _repeat(self, unit: Unit, work: Work, stream: str, outcome: Outcome) -> None:
        """Answer a command that came before as it was answered then, and refuse another one with its id."""
        refused = misused(outcome.answer, work.command)
        if refused is None:
            unit.reply(work, self.partition, outcome.position, decode_result(outcome.answer))
        else:
            self._record_rejection(unit, work.command, stream, self._now(unit, work.command), refused)
            unit.reply(work, self.partition, unit.last, refused)
        unit.ended.append(stream)

    def _first_time(self, command: c.Reaction) -> bool:
        """Say whether a reaction was not taken yet, and note that it is now. Those of timers have no source."""
        source, position = command.source
        if not position:
            return True
        taken = (position, command.index)
        if taken <= self._marks.get(source, (0, 0)):
            return False
        self._marks[source] = taken
        return True

    def _now(self, unit: Unit, command: c.AnyCommand) -> datetime:
        """Return the time of a command: when it was issued, but not in the future, nor before what already happened.

        A lease counts from now: that of a command which had to wait would else be over before its worker has the job.
        """
        issued = command.issued_at
        leases = isinstance(command, _LEASES)
        now = unit.now if leases or issued.tzinfo is None or issued > unit.now else issued
        if now.microsecond % 1000:
            now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        self._last_time = now = max(now, self._last_time)
        return now

    def _accept(
        self,
        unit: Unit,
        work: Work,
        stream: str,
        entry: Entry,
        now: datetime,
        facts: Sequence[e.Event],
        bodies: Sequence[bytes],
    ) -> None:
        command = work.command
        awaiting = False
        result: dict[str, Any] = {}
        if not isinstance(command, c.Reaction):
            result = answer(command, facts)
            awaiting = isinstance(command, c.CreateInstance) and command.await_completion
            if awaiting:
                assert isinstance(entry.state, Instance), "creating makes an instance"
                self._await_end(entry.state.key, work, result)
        self._record(unit, command, stream, entry, now, facts, bodies)
        if not isinstance(command, c.Reaction):
            self._remember(unit, command, stream, result)
        if not awaiting:
            unit.reply(work, self.partition, unit.last, result)

    def _record(
        self,
        unit: Unit,
        command: c.AnyCommand,
        stream: str,
        entry: Entry,
        now: datetime,
        facts: Sequence[e.Event],
        bodies: Sequence[bytes],
    ) -> None:
        partition = self.partition
        position = unit.last
        command_id, by = command.id, command.by
        records: list[EventRecord] = []
        derived: list[c.AnyCommand] = []
        for fact in facts:
            position += 1
            records.append(EventRecord(partition, position, stream, now, command_id, by, _event(fact)))
            derived.extend(reactions(fact, partition, position, now))
        routes = [route(reaction, self.partitions) for reaction in derived]
        # Up to here nothing was written: whatever went wrong left the batch as it was.
        unit.records.extend(records)
        unit.bodies.extend(bodies)
        entry.position = position
        self.cache.grow(entry, sum(map(len, bodies)))
        for owner, reaction in zip(routes, derived, strict=True):
            if owner == partition:
                self._reactions.append(Work(reaction))
            else:
                unit.send(owner, reaction)
        for record in records:
            hook = HOOKS.get(type(record.event))
            if hook is not None:
                hook(self, unit, entry.state, record.event, record.position, now)
        entry.since_snapshot += len(facts)
        if entry.since_snapshot >= SNAPSHOT_EVENTS:
            self._snapshot(unit, stream, entry)

    def _snapshot(self, unit: Unit, stream: str, entry: Entry) -> None:
        if entry.since_snapshot < entry.snapshot_size // SNAPSHOT_BYTES_PER_EVENT:
            return
        # Models are compiled from the definitions' events anyway; an ended instance is hardly ever loaded again.
        if isinstance(entry.state, Deployed) or (isinstance(entry.state, Instance) and ended(entry.state)):
            return
        body = encode_state(entry.state)
        unit.snapshots.append((stream, entry.position, body))
        entry.since_snapshot = 0
        entry.snapshot_size = len(body)

    def _remember(self, unit: Unit, command: c.AnyCommand, stream: str, result: "dict[str, Any] | Rejected") -> None:
        if client_chose(command.id):
            outcome = Outcome(command.id, stream, unit.last, encode_result(result, command))
            self._known[command.id] = (unit.number, outcome)
            unit.outcomes.append(outcome)

    def _reject(self, unit: Unit, work: Work, stream: str, now: datetime, rejected: Rejected) -> None:
        """A refusal of what somebody wanted is a record; a refused reaction is the normal end of a race."""
        command = work.command
        if not isinstance(command, c.Reaction):
            self._record_rejection(unit, command, stream, now, rejected)
            self._remember(unit, command, stream, rejected)
        unit.reply(work, self.partition, unit.last, rejected)

    def _record_rejection(
        self, unit: Unit, command: c.AnyCommand, stream: str, now: datetime, rejected: Rejected
    ) -> None:
        unit.rejections += 1
        tag = str(type(command).__struct_config__.tag)
        reason = rejected.reason[:REFUSAL_CHARACTERS_MAX]
        fact = e.CommandRejected(command=tag, code=rejected.code, reason=reason, key=key_of(command) or None)
        unit.bodies.append(_encode(fact))
        unit.records.append(EventRecord(self.partition, unit.last + 1, stream, now, command.id, command.by, fact))

    async def _fail(self, unit: Unit, work: Work, stream: str, error: Exception) -> None:
        """One bad command, or one bad instance, never stops the partition: hold the instance, or refuse the command."""
        command = work.command
        tag = str(type(command).__struct_config__.tag)
        log.error("%s could not be carried out on %s: %s", tag, stream, error, exc_info=error)
        unit.failures += 1
        await self._settled()
        state = await self._loader.reload(unit, stream)
        reason = f"{type(error).__name__}: {error}".replace("\0", "\\0")[:REASON_CHARACTERS_MAX]
        reason = reason.encode(errors="replace").decode()
        now = self._now(unit, command)
        if isinstance(state, Instance) and state.running and state.quarantined is None:
            entry = self.cache.touch(stream, unit.number)
            facts = list(fold(state, quarantine(state, command, reason)))
            self._record(unit, command, stream, entry, now, facts, [_encode(fact) for fact in facts])
        else:
            self._record_rejection(unit, command, stream, now, Rejected("PROCESSING_ERROR", reason))
        unit.reply(work, self.partition, unit.last, Rejected("PROCESSING_ERROR", reason))
        unit.ended.append(stream)

    # --- jobs ----------------------------------------------------------------------------------------------------------

    async def _activate(self, unit: Unit, work: Work, command: c.ActivateJobs) -> None:
        known = self._known.get(command.id)
        if known is not None:
            unit.reply(work, self.partition, known[1].position, decode_result(known[1].answer))
            return
        now = self._now(unit, command)
        deadline = now + timedelta(milliseconds=command.timeout)
        taken: list[Candidate] = []
        jobs: list[dict[str, Any]] = []
        size = 0
        wanted = min(command.jobs_max, JOBS_PER_ACTIVATION_MAX)
        while len(taken) < wanted and size < JOBS_PER_ACTIVATION_BYTES_MAX:
            count = min(wanted - len(taken), JOBS_ROUND_MAX)
            candidates = await self.offers.take(command.job_type, count, unit.now)
            if not candidates:
                break
            await self._loader.load(unit, [instance_stream(instance) for _, _, instance in candidates])
            for candidate in candidates:
                job = self._activated(unit, candidate, command, now, deadline)
                if job is not None:
                    taken.append(candidate)
                    jobs.append(job)
                    size += self.cache.touch(instance_stream(candidate[2]), unit.number).weight
        if taken:
            fact = e.JobsLeased(command.job_type, command.worker, deadline, tuple(key for _, key, _ in taken))
            unit.bodies.append(_encode(fact))
            unit.records.append(
                EventRecord(
                    self.partition, unit.last + 1, jobs_stream(command.job_type), now, command.id, command.by, fact
                )
            )
            self.offers.lease(command.job_type, taken, deadline, unit.last)
            self._remember(unit, command, jobs_stream(command.job_type), {"jobs": jobs})
        self.offers.taken()
        if work.elsewhere and not enough(command.jobs_max, len(jobs)):
            unit.unmet.add(command.job_type)
        unit.reply(work, self.partition, unit.last, {"jobs": jobs})

    def _activated(
        self, unit: Unit, candidate: Candidate, command: c.ActivateJobs, now: datetime, deadline: datetime
    ) -> dict[str, Any] | None:
        """Return a job for its worker; None if it may not be leased after all."""
        stream = instance_stream(candidate[2])
        entry = self.cache.get(stream)
        if entry is None or not isinstance(entry.state, Instance):
            return None
        if ended(entry.state):
            unit.ended.append(stream)
        try:
            if activatable(entry.state, candidate[1], now):
                return activated_job(entry.state, candidate[1], command.worker, deadline, command.fetch_variables)
        except Exception:
            log.exception("job %d cannot be handed out", candidate[1])
        return None

    # --- what hooks change ---------------------------------------------------------------------------------------------

    def block_taken(self, unit: Unit, block: int, instance_key: int) -> None:
        """See `streams.hooks.Hooked`."""
        unit.blocks[block] = instance_key
        self._loader.block_taken(block, instance_key)

    def _await_end(self, key: int, work: Work, result: dict[str, Any]) -> None:
        self._awaiting[key] = (work, result)
        if work.future is not None:
            work.future.add_done_callback(lambda _: self._awaiting.pop(key, None))
        if len(self._awaiting) > AWAITING_MAX:
            self._awaiting.popitem(last=False)

    def instance_ended(self, unit: Unit, state: Instance, position: int) -> None:
        """See `streams.hooks.Hooked`."""
        waiting = self._awaiting.pop(state.key, None)
        if waiting is None:
            return
        work, result = waiting
        if state.status == "completed":
            wanted = getattr(work.command, "fetch_variables", ())
            found = {name: state.result[name] for name in wanted if name in state.result} if wanted else state.result
            unit.reply(work, self.partition, position, {**result, "variables": found})
        else:
            reason = f"expected instance {state.key} to complete, but it was terminated"
            unit.reply(work, self.partition, position, Rejected("INVALID_STATE", reason))


def key_of(command: c.AnyCommand) -> int:
    """Return the key that a command addresses; 0 if it names none."""
    key: int | None = getattr(command, "key", None)
    return key or 0


def _any(command: c.Reaction) -> c.AnyCommand:
    # The register of commands is a union; every reaction is in it.
    return command  # type: ignore[return-value]


def _event(fact: e.Event) -> e.AnyEvent:
    # The same holds for events.
    return fact  # type: ignore[return-value]
