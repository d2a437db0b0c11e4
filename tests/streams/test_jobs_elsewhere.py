from typing import cast

import pytest

from domain import commands as c
from infra.clock import ControlledClock
from streams import jobs_elsewhere
from streams.elsewhere import Elsewhere
from streams.gateway import Gateway
from streams.jobs_available import JobsAvailable
from streams.jobs_elsewhere import JobsElsewhere, JobsHere
from streams.unit import Given, Unit
from streams.work import Reply
from tests.streams.harness import START


class Two:
    """An owner of partition 1, and a process that asks it for jobs."""

    def __init__(self) -> None:
        self.woken: list[tuple[str, int]] = []
        self.said: list[str] = []
        self.asker = JobsElsewhere("asker", lambda job_type, count: self.woken.append((job_type, count)))
        self.owner = JobsHere("owner", 1, self._send)

    def _send(self, payload: str) -> None:
        self.said.append(payload)
        self.asker.heard(payload)

    def batch(self, jobs: dict[str, int], unmet: tuple[str, ...] = ()) -> None:
        unit = Unit(1, 0, START, Given(0, 0, {}))
        unit.jobs.update(jobs)
        unit.unmet.update(unmet)
        self.owner.notice(unit)

    def ask(self, wanted: int, got: int, job_type: str = "pack") -> None:
        self.asker.asked(1, job_type)
        self.asker.answered(1, job_type, wanted, got)

    def worth(self, job_type: str = "pack") -> bool:
        return self.asker.worth_asking(1, job_type)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Two:
    monkeypatch.setattr(jobs_elsewhere, "RECHECK_SECONDS", 3600.0)
    return Two()


def test_a_partition_of_which_nothing_is_known_is_asked(two: Two) -> None:
    assert two.worth()


def test_a_partition_that_had_too_few_is_asked_again_once_its_owner_says_so(two: Two) -> None:
    two.ask(wanted=10, got=3)
    assert not two.worth()
    two.batch({"pack": 2})
    assert two.worth()
    assert two.woken == [("pack", 2)]


def test_a_partition_that_had_as_many_as_were_wanted_is_asked_on_and_another_waiter_is_woken(two: Two) -> None:
    two.ask(wanted=10, got=10)
    assert two.worth()
    assert two.woken == [("pack", 1)]
    two.ask(wanted=1_000, got=jobs_elsewhere.PLENTY)
    assert two.worth(), "an answer may end before all is handed out"


def test_what_is_told_while_a_question_is_on_its_way_is_not_lost(two: Two) -> None:
    two.asker.asked(1, "pack")
    two.batch({"pack": 1})
    two.asker.answered(1, "pack", 10, 0)
    assert two.worth()


def test_an_owner_says_once_that_it_has_jobs_until_somebody_gets_too_few(two: Two) -> None:
    two.batch({"pack": 1})
    two.batch({"pack": 1, "load": 4})
    assert two.said == ["owner/1/1/pack", "owner/1/4/load"]
    two.batch({}, unmet=("pack",))
    two.batch({"pack": 5})
    assert two.said[2:] == ["owner/1/5/pack"]


def test_jobs_of_a_batch_in_which_somebody_got_too_few_are_told_of_again(two: Two) -> None:
    two.batch({"pack": 1}, unmet=("pack",))
    two.batch({"pack": 1})
    assert two.said == ["owner/1/1/pack", "owner/1/1/pack"]


def test_a_partition_is_asked_after_a_while_whatever_was_heard(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    two.ask(wanted=10, got=0)
    assert not two.worth()
    monkeypatch.setattr(jobs_elsewhere, "RECHECK_SECONDS", 0.0)
    assert two.worth()


def test_everything_is_asked_again_when_something_may_have_been_missed(two: Two) -> None:
    two.ask(wanted=10, got=0)
    two.asker.heard(None)
    assert two.worth()


def test_a_process_does_not_hear_itself(two: Two) -> None:
    two.asker.heard("asker/1/3/pack")
    assert two.woken == []


def test_a_type_may_have_any_name(two: Two) -> None:
    two.ask(wanted=1, got=0, job_type="a/b c")
    two.batch({"a/b c": 1})
    assert two.worth("a/b c")
    two.batch({"x" * (jobs_elsewhere.TYPE_CHARACTERS_MAX + 1): 1})
    assert len(two.said) == 1, "too long for a notification: it is found by asking"


def test_what_is_remembered_is_bounded(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_elsewhere, "PLACES_MAX", 3)
    for number in range(10):
        two.ask(wanted=1, got=0, job_type=f"type-{number}")
        two.batch({f"type-{number}": 1})
    assert len(two.asker._places) <= 3
    assert len(two.owner._told) <= 3


class Owners:
    """Owners of four partitions elsewhere, of which one has jobs."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.available = JobsAvailable()
        self.asker = JobsElsewhere("asker", self.available.notify)
        self.gateway = Gateway(4, {}, cast("Elsewhere", self), ControlledClock(), self.available, self.asker)

    async def submit(self, partition: int, command: c.ActivateJobs) -> Reply:
        self.asked.append(partition)
        jobs = [{"jobKey": "7"}] if partition == 3 else []
        return Reply(partition, 0, {"jobs": jobs})

    async def poll(self) -> list[int]:
        self.asked.clear()
        await self.gateway.fetch_jobs("pack", "w", 60_000, 10, (), 0)
        return self.asked


@pytest.fixture
async def owners(monkeypatch: pytest.MonkeyPatch) -> Owners:
    monkeypatch.setattr(jobs_elsewhere, "RECHECK_SECONDS", 0.0)
    monkeypatch.setattr(jobs_elsewhere, "OVERDUE_SECONDS", 3600.0)
    owners = Owners()
    assert sorted(await owners.poll()) == [1, 2, 3, 4]
    return owners


async def test_a_partition_that_has_jobs_is_asked_before_those_that_may_and_instead_of_them(owners: Owners) -> None:
    owners.asker.heard("owner/3/1/pack")
    assert await owners.poll() == [3]


async def test_those_that_may_have_jobs_are_asked_where_none_is_known_to(owners: Owners) -> None:
    owners.asker.heard("owner/2/1/pack")
    assert (await owners.poll())[0] == 2
    assert set(await owners.poll()) >= {3}


async def test_a_partition_is_not_passed_over_for_ever_for_others_that_have_jobs(
    owners: Owners, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_elsewhere, "OVERDUE_SECONDS", 0.0)
    owners.asker.heard("owner/3/1/pack")
    assert sorted(await owners.poll()) == [1, 2, 3, 4]


async def test_a_poll_that_is_looking_about_goes_where_it_hears_of_jobs(owners: Owners) -> None:
    submit = owners.submit

    async def tell_meanwhile(partition: int, command: c.ActivateJobs) -> Reply:
        if len(owners.asked) == 0:
            owners.asker.heard("owner/3/1/pack")
        return await submit(partition, command)

    owners.submit = tell_meanwhile  # type: ignore[method-assign]
    owners.gateway._turn = 3  # it begins with the first
    assert await owners.poll() == [1, 3]
