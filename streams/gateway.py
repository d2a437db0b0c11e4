"""The way in for callers: carries a command to the owner of its partition and brings the answer back.

An owner in this process gets it directly; see `streams.elsewhere` for the others. Nothing is answered before its events are committed.
"""

import asyncio
import logging
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from domain.commands import ActivateJobs, AnyCommand, CreateInstance, UpdateJob
from domain.keys import FIRST_PARTITION
from domain.results import Rejected
from streams.clock import Clock
from streams.elsewhere import Elsewhere
from streams.jobs_available import JobsAvailable, Waiter
from streams.jobs_elsewhere import RECHECK_SECONDS as RECHECK_ELSEWHERE_SECONDS
from streams.jobs_elsewhere import JobsElsewhere
from streams.processor import PartitionProcessor
from streams.tasks import end
from streams.work import NoAnswer, Overloaded, Reply, Unavailable, Work, target

ANSWER_SECONDS_MAX = 10.0
"""A caller who is not answered by then is told so; the command may still act."""
RECHECK_SECONDS = 5.0
"""A long poll asks again at least so often, whatever wakes were missed."""
RELEASES_MAX = 100
"""Activations of callers who went away that may be undone at the same time."""

log = logging.getLogger(__name__)


class Gateway:
    """One per process."""

    def __init__(
        self,
        partitions: int,
        processors: Mapping[int, PartitionProcessor],
        elsewhere: Elsewhere,
        clock: Clock,
        available: JobsAvailable,
        jobs_elsewhere: JobsElsewhere,
    ) -> None:
        self._partitions = partitions
        self._processors = processors
        self._elsewhere = elsewhere
        self._clock = clock
        self._available = available
        self._jobs_elsewhere = jobs_elsewhere
        self._turn = 0
        self._releasing: set[asyncio.Task[None]] = set()

    async def submit(self, command: AnyCommand, timeout: float = ANSWER_SECONDS_MAX) -> Reply:
        """Return once the command's events are committed.

        Raise `Overloaded` if it was not taken, `Unavailable` if its owner went away, `NoAnswer` after `timeout` seconds.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._send(command)
        except TimeoutError:
            raise NoAnswer(
                f"expected an answer within {timeout:g} s, but none came; the command may still act"
            ) from None

    async def submit_and_await_completion(self, command: CreateInstance, timeout: float) -> Reply:
        """Return once the instance has ended, with its `variables` in the result. Raise as `submit` does."""
        assert command.await_completion, "the command says that its caller waits for the end"
        return await self.submit(command, timeout)

    async def _send(self, command: AnyCommand) -> Reply:
        partition = target(command, self._partitions)
        if isinstance(partition, Rejected):
            return Reply(FIRST_PARTITION, 0, partition)
        processor = self._processors.get(partition)
        if processor is not None:
            future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
            processor.submit(Work(command, future))
            return await future
        return await self._elsewhere.submit(partition, command)

    # --- jobs ----------------------------------------------------------------------------------------------------------

    async def fetch_jobs(
        self,
        job_type: str,
        worker: str,
        timeout: int,
        jobs_max: int,
        fetch_variables: Sequence[str],
        request_timeout: float,
    ) -> list[dict[str, Any]]:
        """Lease jobs for `timeout` milliseconds; wait up to `request_timeout` seconds for the first. Safe to cancel."""
        loop = asyncio.get_running_loop()
        until = loop.time() + request_timeout
        waiter = self._available.enter(job_type)
        try:
            while True:
                jobs = await self._activate(waiter, worker, timeout, jobs_max, tuple(fetch_variables), until)
                left = until - loop.time()
                if jobs or left <= 0 or self._available.closed:
                    return jobs
                await self._wait(waiter, left)
        finally:
            self._available.leave(waiter)

    async def _wait(self, waiter: Waiter, seconds: float) -> None:
        """Return when asking again may be worth it."""
        now = self._clock.now()
        times = [at for each in self._processors.values() if (at := each.offers.next_at(waiter.job_type)) is not None]
        if times:
            seconds = min(seconds, max((min(times) - now).total_seconds(), 0.05))
        elsewhere = len(self._processors) < self._partitions
        await waiter.wait(min(seconds, RECHECK_ELSEWHERE_SECONDS if elsewhere else RECHECK_SECONDS))

    async def _activate(
        self, waiter: Waiter, worker: str, timeout: int, jobs_max: int, fetch_variables: tuple[str, ...], until: float
    ) -> list[dict[str, Any]]:
        """Ask one partition after the other, another one first each time, for as many jobs as are still wanted."""
        jobs: list[dict[str, Any]] = []
        refused: list[Overloaded | Unavailable] = []
        self._turn += 1
        untried = [FIRST_PARTITION + (self._turn + step) % self._partitions for step in range(self._partitions)]
        name = f"~{uuid.uuid4().hex}"
        loop = asyncio.get_running_loop()
        while len(jobs) < jobs_max:
            # Whoever has jobs, or hears of some, does not look for others where there are hardly any.
            hurried = bool(jobs) or (waiter.woken and loop.time() < until)
            partition = self._next(untried, waiter.job_type, hurried)
            if partition is None:
                break
            untried.remove(partition)
            command = ActivateJobs(
                id=f"{name}-{partition}",
                issued_at=self._clock.now(),
                partition=partition,
                job_type=waiter.job_type,
                worker=worker,
                timeout=timeout,
                jobs_max=jobs_max - len(jobs),
                fetch_variables=fetch_variables,
            )
            try:
                jobs += await self._lease(command, jobs)
            except Overloaded as error:
                refused.append(error)
            except (Unavailable, NoAnswer) as error:
                refused.append(Unavailable(str(error)))
        if len(refused) == self._partitions:
            raise refused[-1]
        return jobs

    def _next(self, untried: Sequence[int], job_type: str, hurried: bool) -> int | None:
        """Return the first partition that is likely to have jobs; if there is none, the first that may, unless in a hurry."""
        likely = next((each for each in untried if self._likely(each, job_type)), None)
        if likely is not None or hurried:
            return likely
        elsewhere = (each for each in untried if each not in self._processors)
        return next((each for each in elsewhere if self._jobs_elsewhere.worth_asking(each, job_type)), None)

    def _likely(self, partition: int, job_type: str) -> bool:
        processor = self._processors.get(partition)
        if processor is not None:
            return processor.offers.hint(job_type, self._clock.now())
        return self._jobs_elsewhere.likely(partition, job_type)

    async def _ask(self, command: ActivateJobs) -> Reply:
        if command.partition in self._processors:
            return await self.submit(command)
        self._jobs_elsewhere.asked(command.partition, command.job_type)
        reply = await self.submit(command)
        got = 0 if isinstance(reply.result, Rejected) else len(reply.result["jobs"])
        self._jobs_elsewhere.answered(command.partition, command.job_type, command.jobs_max, got)
        return reply

    async def _lease(self, command: ActivateJobs, leased: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Carry out one activation. A caller who goes away meanwhile gives back what it was leased."""
        sending = asyncio.ensure_future(self._ask(command))
        try:
            reply = await asyncio.shield(sending)
        except asyncio.CancelledError:
            self._release(sending, [int(job["jobKey"]) for job in leased])
            raise
        return [] if isinstance(reply.result, Rejected) else reply.result["jobs"]

    def _release(self, sending: "asyncio.Future[Reply]", keys: list[int]) -> None:
        if len(self._releasing) >= RELEASES_MAX:
            sending.cancel()
            return
        task = asyncio.create_task(self._give_back(sending, keys), name="release jobs")
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)

    async def _give_back(self, sending: "asyncio.Future[Reply]", keys: list[int]) -> None:
        try:
            reply = await sending
            if isinstance(reply.result, dict):
                keys = [*keys, *(int(job["jobKey"]) for job in reply.result["jobs"])]
            for key in keys:
                await self.submit(UpdateJob(id=f"~{uuid.uuid4().hex}", issued_at=self._clock.now(), key=key, timeout=0))
        except (Overloaded, Unavailable, NoAnswer) as error:
            log.warning("jobs of a caller who went away stay leased until their deadline: %s", error)

    async def stop(self) -> None:
        """End what goes on beside the callers."""
        await end(self._releasing)
