"""Sees to it that what is due happens: timers of instances, timers of start events, deadlines of messages.

It works from the projected agenda, in order of due time, a bounded number at once, and looks again only when the tables show
what the last ones led to. Nothing here is durable: after a crash the agenda still says what is due.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime

from domain.commands import AnyCommand, ExpireMessage, TriggerTimer
from streams.clock import Clock
from streams.processor import TIMERS_BATCH_MAX, PartitionProcessor
from streams.projector import Projector
from streams.tables import AgendaTable, Due
from streams.unit import Unit
from streams.work import Work

ANSWER_SECONDS_MAX = 10.0
"""Commands that are not answered by then are looked up again."""
REFUSED_SECONDS = 0.5
"""Pause after a round in which nothing could be done: the agenda and the instances do not agree yet."""
RETRY_SECONDS = 0.5

log = logging.getLogger(__name__)


class Timers:
    """One per partition."""

    def __init__(self, processor: PartitionProcessor, projector: Projector, agenda: AgendaTable, clock: Clock) -> None:
        self._partition = processor.partition
        self._processor = processor
        self._projector = projector
        self._agenda = agenda
        self._clock = clock
        self._next: datetime | None = None
        self._noticed: datetime | None = None
        self._looking = True
        self._changed = asyncio.Event()

    def notice(self, unit: Unit) -> None:
        """Take from a committed batch what begins to wait for a time."""
        if unit.due is None:
            return
        self._noticed = _earlier(self._noticed, unit.due)
        if self._next is None or unit.due < self._next:
            self._changed.set()

    @property
    def idle(self) -> bool:
        """Whether nothing is due."""
        next_due = _earlier(self._next, self._noticed)
        return not self._looking and (next_due is None or next_due > self._clock.now())

    async def run(self) -> None:
        """Work for ever; come back after errors."""
        self._next = self._clock.now()
        while True:
            try:
                await self._wait()
                await self._look()
            except Exception:
                log.exception("the agenda of partition %d cannot be read; trying again", self._partition)
                await asyncio.sleep(RETRY_SECONDS)

    async def _wait(self) -> None:
        """Return when something is due."""
        while True:
            self._changed.clear()
            self._next, self._noticed = _earlier(self._next, self._noticed), None
            if self._next is not None and self._next <= self._clock.now():
                self._looking = True
                return
            self._looking = False
            clock = asyncio.ensure_future(self._clock.wait_until(self._next))
            changed = asyncio.ensure_future(self._changed.wait())
            try:
                await asyncio.wait((clock, changed), return_when=asyncio.FIRST_COMPLETED)
            finally:
                clock.cancel()
                changed.cancel()

    async def _look(self) -> None:
        """Do what is due, as far as the tables show it, and find out what comes next."""
        self._looking = True
        await self._projector.reached(self._processor.position)
        now = self._clock.now()
        due = await self._agenda.due(self._partition, now, TIMERS_BATCH_MAX)
        if due:
            self._next = now
            await self._carry_out(due, now)
        else:
            self._next = await self._agenda.next_due(self._partition)

    async def _carry_out(self, due: Sequence[Due], now: datetime) -> None:
        loop = asyncio.get_running_loop()
        works = [Work(_command(each, now), loop.create_future()) for each in due]
        self._processor.submit_due(works)
        futures = [work.future for work in works if work.future is not None]
        done, late = await asyncio.wait(futures, timeout=ANSWER_SECONDS_MAX)
        for future in late:
            future.cancel()
        replies = [future.result() for future in done if not future.cancelled() and future.exception() is None]
        acted = [reply for reply in replies if isinstance(reply.result, dict)]
        if acted:
            await self._projector.reached(max(reply.position for reply in acted))
        else:
            await asyncio.sleep(REFUSED_SECONDS)


def _command(due: Due, now: datetime) -> AnyCommand:
    command_id = f"~{due.kind}-{due.key}-{int(due.due.timestamp() * 1000)}"
    if due.kind == "message":
        return ExpireMessage(
            id=command_id, issued_at=now, name=due.name, correlation_key=due.correlation_key, message_key=due.key
        )
    return TriggerTimer(id=command_id, issued_at=now, key=due.key)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return min(one, other)
