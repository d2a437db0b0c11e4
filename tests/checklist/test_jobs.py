"""The checklist of engine semantics: jobs (ZC-303 to ZC-314). Who gets which job, and until when, is tested in tests/streams/test_jobs.py."""

import pytest

from domain import commands as c
from domain.results import Rejected
from tests.checklist.edits import refused
from tests.support.given import Run, given

PACK = "o start -> pack -> after -> O end"


def begun() -> tuple[Run, int]:
    run = given(PACK).create()
    return run, run.job("pack")


def test_completing_an_unknown_or_completed_job_is_not_found_and_a_failed_one_invalid() -> None:
    """ZC-306"""
    run, job = begun()
    refused(run.when(c.CompleteJob, key=job + 999), "NOT_FOUND")
    run.when(c.FailJob, key=job, retries=0)
    refused(run.when(c.CompleteJob, key=job), "INVALID_STATE")

    done, job = begun()
    done.when(c.CompleteJob, key=job)
    refused(done.when(c.CompleteJob, key=job), "NOT_FOUND")


def test_a_job_can_be_completed_or_failed_without_having_been_activated() -> None:
    """ZC-307, ZC-309"""
    run, job = begun()
    run.when(c.FailJob, key=job, retries=1).then("job-failed")

    run.when(c.CompleteJob, key=job).active("after")


def test_a_failed_job_with_retries_is_open_at_once_or_after_its_back_off() -> None:
    """ZC-308"""
    run, job = begun()
    run.when(c.FailJob, key=job, retries=1)
    run.when(c.FailJob, key=job, retries=1, back_off=10_000)
    refused(run.when(c.CompleteJob, key=job), "INVALID_STATE")

    run.advance(10)
    run.when(c.CompleteJob, key=job).active("after")


def test_variables_of_a_failure_are_local() -> None:
    """ZC-310"""
    run, job = begun()
    run.when(c.FailJob, key=job, retries=1, variables={"reason": "no box"})

    pack = run.instance.jobs[job].element_key
    assert run.instance.elements[pack].variables == {"reason": "no box"}
    assert run.variables() == {}


def test_failing_a_failed_job_is_invalid_and_an_unknown_or_completed_one_not_found() -> None:
    """ZC-311"""
    run, job = begun()
    run.when(c.FailJob, key=job, retries=0)
    refused(run.when(c.FailJob, key=job, retries=1), "INVALID_STATE")
    refused(run.when(c.FailJob, key=job + 999, retries=1), "NOT_FOUND")

    thrown, job = begun()
    thrown.when(c.ThrowJobError, key=job, code="BAD")
    refused(thrown.when(c.FailJob, key=job, retries=1), "INVALID_STATE")
    done, job = begun()
    done.when(c.CompleteJob, key=job)
    refused(done.when(c.FailJob, key=job, retries=1), "NOT_FOUND")


def test_retries_are_raised_for_open_and_failed_jobs_and_stay_above_zero() -> None:
    """ZC-313"""
    run, job = begun()
    run.when(c.UpdateJob, key=job, retries=5).then("job-retries-updated")
    run.when(c.FailJob, key=job, retries=0)
    run.when(c.UpdateJob, key=job, retries=5).then("job-retries-updated")
    assert run.instance.jobs[job].retries == 5
    for retries in (0, -1):
        refused(run.when(c.UpdateJob, key=job, retries=retries), "INVALID_ARGUMENT")
    refused(run.when(c.UpdateJob, key=job + 999, retries=1), "NOT_FOUND")


@pytest.mark.parametrize("timeout", [0, 1, 60_000])
def test_a_job_without_deadline_has_none_to_change(timeout: int) -> None:
    """ZC-314"""
    run, job = begun()

    refused(run.when(c.UpdateJob, key=job, timeout=timeout), "INVALID_STATE")
    assert isinstance(run.answer, Rejected)
