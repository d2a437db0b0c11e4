"""Process definitions: search, get, XML, start form, statistics."""

from typing import Final

from api.operations import Answer, Call, Operation, json
from api.requests import FilterOnly, Search
from api.searching import get, must_exist, request_of, search, xml_of
from api.submitting import addressed
from api.waiting import current
from projections import queries

TAG: Final = "process definitions"
WHAT: Final = "a process definition"


async def search_definitions(call: Call, body: Search) -> Answer:
    """Search process definitions."""
    return await search(call, queries.PROCESS_DEFINITIONS, body)


async def get_definition(call: Call) -> Answer:
    """Get a process definition."""
    return await get(call, queries.PROCESS_DEFINITIONS, WHAT)


async def get_xml(call: Call) -> Answer:
    """Get the BPMN XML as it was deployed."""
    return await xml_of(call, WHAT, queries.process_definition_xml)


async def get_start_form(call: Call) -> Answer:
    """Get the form of the start event; 204 if it has none."""
    await must_exist(call, queries.PROCESS_DEFINITIONS, WHAT)
    form = await queries.start_form(call.api.engine.pool, call.key)
    return Answer(204) if form is None else json(form)


async def definition_statistics(call: Call, body: FilterOnly) -> Answer:
    """Count active, completed, canceled element instances and those with incidents, per element, over all instances."""
    addressed(call, WHAT)
    await current(call)
    items = await queries.definition_element_statistics(call.api.engine.pool, call.key, request_of(body))
    return json({"items": items})


OPERATIONS = (
    Operation(
        "POST",
        "/process-definitions/search",
        search_definitions,
        TAG,
        answer="page of ProcessDefinitionResult",
        body=Search,
        optional=True,
        search=queries.PROCESS_DEFINITIONS,
        reads=True,
    ),
    Operation(
        "GET",
        "/process-definitions/{processDefinitionKey}",
        get_definition,
        TAG,
        answer="ProcessDefinitionResult",
        reads=True,
        errors=(404,),
    ),
    Operation(
        "GET",
        "/process-definitions/{processDefinitionKey}/xml",
        get_xml,
        TAG,
        answer="text/xml",
        reads=True,
        errors=(404,),
    ),
    Operation(
        "GET",
        "/process-definitions/{processDefinitionKey}/form",
        get_start_form,
        TAG,
        answer="FormResult",
        may_be_empty=True,
        reads=True,
        errors=(404,),
    ),
    Operation(
        "POST",
        "/process-definitions/{processDefinitionKey}/statistics/element-instances",
        definition_statistics,
        TAG,
        answer="ProcessElementStatistics",
        body=FilterOnly,
        optional=True,
        search=queries.PROCESS_INSTANCES,
        reads=True,
        errors=(404,),
    ),
)
