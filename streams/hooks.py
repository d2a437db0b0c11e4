"""What committed facts mean to the moving parts: jobs to offer, times to wait for, further key blocks, callers who wait for an end.

Called for each fact right after its command was decided; which facts concern whom can be read from one table.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from domain import events as e
from domain.decide import State
from domain.instance import Instance, Job
from streams.job_offers import JobOffers
from streams.unit import Unit


class Hooked(Protocol):
    """What a hook may change."""

    offers: JobOffers

    def block_taken(self, unit: Unit, block: int, instance_key: int) -> None:
        """The instance continues in a further key block."""

    def instance_ended(self, unit: Unit, state: Instance, position: int) -> None:
        """Whoever waits for the instance's end may be answered."""


Hook = Callable[[Hooked, Unit, State, Any, int, datetime], None]


def _offer(hooked: Hooked, unit: Unit, instance_key: int, key: int, job: Job, position: int, now: datetime) -> None:
    if job.retries <= 0:
        return
    if job.retry_at is not None and job.retry_at > now:
        hooked.offers.offer_at(job.retry_at, job.job_type, job.priority, key, instance_key)
        return
    hooked.offers.offer(job.job_type, job.priority, key, instance_key, position)
    unit.jobs[job.job_type] = unit.jobs.get(job.job_type, 0) + 1


def _job_created(hooked: Hooked, unit: Unit, state: State, fact: e.JobCreated, position: int, now: datetime) -> None:
    assert isinstance(state, Instance), f"job {fact.key} belongs to an instance"
    if fact.retries > 0:
        hooked.offers.offer(fact.job_type, fact.priority, fact.key, state.key, position)
        unit.jobs[fact.job_type] = unit.jobs.get(fact.job_type, 0) + 1


def _job_open(
    hooked: Hooked,
    unit: Unit,
    state: State,
    fact: e.JobFailed | e.JobRetriesUpdated | e.JobReopened,
    position: int,
    now: datetime,
) -> None:
    assert isinstance(state, Instance), f"job {fact.key} belongs to an instance"
    if not isinstance(fact, e.JobRetriesUpdated):
        hooked.offers.release(fact.key)
    job = state.jobs.get(fact.key)
    if job is not None:
        _offer(hooked, unit, state.key, fact.key, job, position, now)


def _job_ended(
    hooked: Hooked,
    unit: Unit,
    state: State,
    fact: e.JobCompleted | e.JobCanceled | e.JobErrorThrown,
    position: int,
    now: datetime,
) -> None:
    hooked.offers.ended(fact.key)


def _lease_extended(
    hooked: Hooked, unit: Unit, state: State, fact: e.JobLeaseExtended, position: int, now: datetime
) -> None:
    assert isinstance(state, Instance), f"job {fact.key} belongs to an instance"
    job = state.jobs.get(fact.key)
    if job is None:
        return
    if fact.deadline > now:
        hooked.offers.lease(job.job_type, [(-job.priority, fact.key, state.key)], fact.deadline, position)
        return
    hooked.offers.release(fact.key)
    _offer(hooked, unit, state.key, fact.key, job, position, now)


def _moves_again(
    hooked: Hooked,
    unit: Unit,
    state: State,
    fact: e.InstanceResumed | e.IncidentResolved,
    position: int,
    now: datetime,
) -> None:
    assert isinstance(state, Instance), f"{fact} belongs to an instance"
    if state.suspended or state.quarantined is not None:
        return
    for key, job in state.jobs.items():
        _offer(hooked, unit, state.key, key, job, position, now)
    for timer in state.timers.values():
        unit.wait_for(timer.due)


def _timer_set(
    hooked: Hooked, unit: Unit, state: State, fact: e.TimerSet | e.StartTimerSet, position: int, now: datetime
) -> None:
    unit.wait_for(fact.due)


def _message_published(
    hooked: Hooked, unit: Unit, state: State, fact: e.MessagePublished, position: int, now: datetime
) -> None:
    if fact.deadline > now:
        unit.wait_for(fact.deadline)


def _block_taken(hooked: Hooked, unit: Unit, state: State, fact: e.KeyBlockTaken, position: int, now: datetime) -> None:
    hooked.block_taken(unit, fact.block, fact.key)


def _instance_ended(
    hooked: Hooked,
    unit: Unit,
    state: State,
    fact: e.InstanceCompleted | e.InstanceTerminated,
    position: int,
    now: datetime,
) -> None:
    assert isinstance(state, Instance), f"{fact} belongs to an instance"
    hooked.instance_ended(unit, state, position)


HOOKS: dict[type[e.Event], Hook] = {
    e.JobCreated: _job_created,
    e.JobFailed: _job_open,
    e.JobRetriesUpdated: _job_open,
    e.JobReopened: _job_open,
    e.JobCompleted: _job_ended,
    e.JobCanceled: _job_ended,
    e.JobErrorThrown: _job_ended,
    e.JobLeaseExtended: _lease_extended,
    e.InstanceResumed: _moves_again,
    e.IncidentResolved: _moves_again,
    e.TimerSet: _timer_set,
    e.StartTimerSet: _timer_set,
    e.MessagePublished: _message_published,
    e.KeyBlockTaken: _block_taken,
    e.InstanceCompleted: _instance_ended,
    e.InstanceTerminated: _instance_ended,
}
"""The facts that concern the moving parts. All others do not."""
