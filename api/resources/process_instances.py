"""Process instances: create, await, get, search, cancel, suspend, resume, delete, and what they did."""

from typing import Final

from api.operations import Answer, Call, Operation, json
from api.problems import invalid, not_found
from api.requests import CreateProcessInstance, Nothing, Search
from api.searching import get, request_of, search
from api.submitting import DEFAULT_TENANT, accepted, addressed, check_tenant, owned, position, stamp, submit
from api.waiting import current
from domain import commands as c
from projections import queries

TAG: Final = "process instances"
WHAT: Final = "a process instance"
AWAIT_MILLISECONDS_DEFAULT: Final = 10_000
"""How long the creation with result waits, if the request does not say."""


async def create(call: Call, body: CreateProcessInstance) -> Answer:
    """Create an instance, and with `awaitCompletion` answer once it has ended, with its variables."""
    command = _creation(call, body)
    gateway = call.api.engine.gateway
    if command.await_completion:
        timeout = (
            body.request_timeout if body.request_timeout and body.request_timeout > 0 else AWAIT_MILLISECONDS_DEFAULT
        )
        reply = await gateway.submit_and_await_completion(command, timeout / 1000)
    else:
        reply = await gateway.submit(command)
    created = accepted(call, reply, "processInstanceKey")
    return json({"variables": {}, **created, "tenantId": DEFAULT_TENANT}, position(reply))


def _creation(call: Call, body: CreateProcessInstance) -> c.CreateInstance:
    check_tenant(body.tenant_id)
    if (body.process_definition_id is None) == (body.process_definition_key is None):
        found = "neither" if body.process_definition_id is None else "both"
        raise invalid(f"expected either processDefinitionId or processDefinitionKey, but found {found}")
    if body.runtime_instructions:
        raise invalid("expected no runtimeInstructions, which are not supported yet, but found some")
    version = body.process_definition_version
    return c.CreateInstance(
        definition_key=None
        if body.process_definition_key is None
        else owned(call, body.process_definition_key, "a process definition"),
        process_id=body.process_definition_id,
        version=None if version is None or version < 0 or body.process_definition_id is None else version,
        variables=body.variables or {},
        start_elements=tuple(start.element_id for start in body.start_instructions or ()),
        business_id=body.business_id,
        tags=tuple(body.tags or ()),
        await_completion=bool(body.await_completion),
        fetch_variables=tuple(body.fetch_variables or ()),
        **stamp(call),
    )


async def search_instances(call: Call, body: Search) -> Answer:
    """Search process instances."""
    return await search(call, queries.PROCESS_INSTANCES, body)


async def get_instance(call: Call) -> Answer:
    """Get a process instance."""
    return await get(call, queries.PROCESS_INSTANCES, WHAT)


async def cancel(call: Call, body: Nothing) -> Answer:
    """End a root instance with all that runs in it."""
    return await submit(call, c.CancelInstance(key=addressed(call, WHAT), **stamp(call)))


async def suspend(call: Call, body: Nothing) -> Answer:
    """Let nothing move in the instance until it is resumed."""
    return await submit(call, c.SuspendInstance(key=addressed(call, WHAT), **stamp(call)))


async def resume(call: Call, body: Nothing) -> Answer:
    """Let the instance move again."""
    return await submit(call, c.ResumeInstance(key=addressed(call, WHAT), **stamp(call)))


async def delete(call: Call, body: Nothing) -> Answer:
    """Take an ended instance out of what reads show."""
    return await submit(call, c.DeleteInstance(key=addressed(call, WHAT), **stamp(call)))


async def sequence_flows(call: Call) -> Answer:
    """List the sequence flows that the instance took."""
    await current(call, addressed(call, WHAT))
    return json({"items": await queries.sequence_flows(call.api.engine.pool, call.key)})


async def element_statistics(call: Call) -> Answer:
    """Count active, completed, canceled element instances and those with incidents, per element."""
    await current(call, addressed(call, WHAT))
    return json({"items": await queries.instance_element_statistics(call.api.engine.pool, call.key)})


async def wait_state_statistics(call: Call) -> Answer:
    """Count, per element, what the instance waits for."""
    await current(call, addressed(call, WHAT))
    return json({"items": await queries.instance_wait_state_statistics(call.api.engine.pool, call.key)})


async def call_hierarchy(call: Call) -> Answer:
    """List the instances that led to this one, from the root down to itself."""
    addressed(call, WHAT)
    await current(call)
    entries = await queries.call_hierarchy(call.api.engine.pool, call.key)
    if entries is None:
        raise not_found(WHAT, call.key)
    return json(entries)


async def search_incidents(call: Call, body: Search) -> Answer:
    """Search the incidents of the instance and of those it called."""
    addressed(call, WHAT)
    await current(call)
    page = await queries.incidents_of_instance(call.api.engine.pool, call.key, request_of(body))
    if page is None:
        raise not_found(WHAT, call.key)
    return json(page)


PATH: Final = "/process-instances/{processInstanceKey}"
COMMAND_ERRORS: Final = (404, 409, 503, 504)

OPERATIONS = (
    Operation(
        "POST",
        "/process-instances",
        create,
        TAG,
        answer="CreateProcessInstanceResult",
        body=CreateProcessInstance,
        errors=(404, 409, 503, 504),
    ),
    Operation(
        "POST",
        "/process-instances/search",
        search_instances,
        TAG,
        answer="page of ProcessInstanceResult",
        body=Search,
        optional=True,
        search=queries.PROCESS_INSTANCES,
        reads=True,
    ),
    Operation("GET", PATH, get_instance, TAG, answer="ProcessInstanceResult", reads=True, errors=(404,)),
    Operation("POST", f"{PATH}/cancellation", cancel, TAG, body=Nothing, optional=True, errors=COMMAND_ERRORS),
    Operation("POST", f"{PATH}/suspension", suspend, TAG, body=Nothing, optional=True, errors=COMMAND_ERRORS),
    Operation("POST", f"{PATH}/resumption", resume, TAG, body=Nothing, optional=True, errors=COMMAND_ERRORS),
    Operation("POST", f"{PATH}/deletion", delete, TAG, body=Nothing, optional=True, errors=COMMAND_ERRORS),
    Operation("GET", f"{PATH}/sequence-flows", sequence_flows, TAG, answer="SequenceFlows", reads=True, errors=(404,)),
    Operation(
        "GET",
        f"{PATH}/statistics/element-instances",
        element_statistics,
        TAG,
        answer="ProcessElementStatistics",
        reads=True,
        errors=(404,),
    ),
    Operation(
        "GET",
        f"{PATH}/statistics/wait-states",
        wait_state_statistics,
        TAG,
        answer="WaitStateStatistics",
        reads=True,
        errors=(404,),
    ),
    Operation(
        "GET",
        f"{PATH}/call-hierarchy",
        call_hierarchy,
        TAG,
        answer="list of CallHierarchyEntry",
        reads=True,
        errors=(404,),
    ),
    Operation(
        "POST",
        f"{PATH}/incidents/search",
        search_incidents,
        TAG,
        answer="page of IncidentResult",
        body=Search,
        optional=True,
        search=queries.INCIDENTS,
        reads=True,
        errors=(404,),
    ),
)
