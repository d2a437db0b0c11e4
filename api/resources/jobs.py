"""Jobs: activation by long polling, completion, failure, error, update, search."""

import asyncio
from typing import Any, Final

from api.operations import Answer, Call, Operation, json
from api.problems import invalid
from api.requests import ActivateJobs, CompleteJob, FailJob, Search, ThrowJobError, UpdateJob
from api.searching import search
from api.submitting import DEFAULT_TENANT, addressed, check_tenant, stamp, submit
from domain import commands as c
from projections import queries

TAG: Final = "jobs"
WHAT: Final = "a job"
POLL_MILLISECONDS_DEFAULT: Final = 30_000
"""How long an activation waits for the first job, if the request does not say."""


async def activate(call: Call, body: ActivateJobs) -> Answer:
    """Lease jobs of a type to a worker. Waits up to `requestTimeout` for the first (negative: not at all)."""
    for tenant in body.tenant_ids or ():
        check_tenant(tenant)
    wait = POLL_MILLISECONDS_DEFAULT if not body.request_timeout else max(body.request_timeout, 0)
    jobs = await _while_connected(
        call,
        call.api.engine.gateway.fetch_jobs(
            body.type,
            body.worker or "",
            body.timeout,
            body.max_jobs_to_activate,
            tuple(body.fetch_variable or ()),
            wait / 1000,
        ),
    )
    for job in jobs:
        job.update(ALIKE)
    return json({"jobs": jobs})


ALIKE: Final = {
    "tenantId": DEFAULT_TENANT,
    "physicalTenantId": DEFAULT_TENANT,
    "leaseToken": None,
    "userTask": None,
}
"""Fields of a job that the engine leaves out, because they are the same in each."""


async def _while_connected(call: Call, fetching: Any) -> list[dict[str, Any]]:
    """Return what is fetched; a caller that goes away meanwhile cancels it, so that nothing is leased to nobody."""
    fetch: asyncio.Task[list[dict[str, Any]]] = asyncio.ensure_future(fetching)
    await asyncio.sleep(0)
    gone = asyncio.ensure_future(_disconnected(call))
    try:
        await asyncio.wait((fetch, gone), return_when=asyncio.FIRST_COMPLETED)
        if not fetch.done():
            return []
        jobs = fetch.result()
        if gone.done():
            await _give_back(call, jobs)
        return jobs
    finally:
        gone.cancel()
        fetch.cancel()


async def _give_back(call: Call, jobs: list[dict[str, Any]]) -> None:
    """End the leases of jobs whose caller went away while they were fetched."""
    for job in jobs:
        await call.api.engine.gateway.submit(c.UpdateJob(key=int(job["jobKey"]), timeout=0, **stamp(call)))


async def _disconnected(call: Call) -> None:
    while (await call.receive())["type"] != "http.disconnect":
        pass


async def complete(call: Call, body: CompleteJob) -> Answer:
    """Tell that the work is done; the variables go to the process."""
    result = body.result
    if result is not None and (result.denied or result.corrections is not None):
        raise invalid("expected a result without denial and corrections: task listeners are not supported yet")
    return await submit(call, c.CompleteJob(key=addressed(call, WHAT), variables=body.variables or {}, **stamp(call)))


async def fail(call: Call, body: FailJob) -> Answer:
    """Tell that the work could not be done; without retries left an incident is raised."""
    command = c.FailJob(
        key=addressed(call, WHAT),
        retries=body.retries,
        message=body.error_message or "",
        back_off=body.retry_back_off or 0,
        variables=body.variables or {},
        **stamp(call),
    )
    return await submit(call, command)


async def throw_error(call: Call, body: ThrowJobError) -> Answer:
    """Tell that the work ended in a BPMN error, which the process may catch."""
    command = c.ThrowJobError(
        key=addressed(call, WHAT),
        code=body.error_code,
        message=body.error_message or "",
        variables=body.variables or {},
        **stamp(call),
    )
    return await submit(call, command)


async def update(call: Call, body: UpdateJob) -> Answer:
    """Set the remaining retries, the lease, or both."""
    changes = body.changeset
    if changes.retries is None and changes.timeout is None:
        raise invalid("expected changeset to have retries, timeout or both, but found neither")
    key = addressed(call, WHAT)
    return await submit(call, c.UpdateJob(key=key, retries=changes.retries, timeout=changes.timeout, **stamp(call)))


async def search_jobs(call: Call, body: Search) -> Answer:
    """Search jobs."""
    return await search(call, queries.JOBS, body)


COMMAND_ERRORS: Final = (404, 409, 503, 504)

OPERATIONS = (
    Operation(
        "POST", "/jobs/activation", activate, TAG, answer="JobActivationResult", body=ActivateJobs, errors=(503,)
    ),
    Operation(
        "POST", "/jobs/{jobKey}/completion", complete, TAG, body=CompleteJob, optional=True, errors=COMMAND_ERRORS
    ),
    Operation("POST", "/jobs/{jobKey}/failure", fail, TAG, body=FailJob, optional=True, errors=COMMAND_ERRORS),
    Operation("POST", "/jobs/{jobKey}/error", throw_error, TAG, body=ThrowJobError, errors=COMMAND_ERRORS),
    Operation("PATCH", "/jobs/{jobKey}", update, TAG, body=UpdateJob, errors=COMMAND_ERRORS),
    Operation(
        "POST",
        "/jobs/search",
        search_jobs,
        TAG,
        answer="page of JobSearchResult",
        body=Search,
        optional=True,
        search=queries.JOBS,
        reads=True,
    ),
)
