"""Element instances, variables and incidents: what an instance is made of."""

from typing import Final

from api.operations import TRUNCATE, Answer, Call, Operation, json
from api.problems import not_found
from api.requests import Nothing, Search, SetVariables
from api.searching import get, get_derived, request_of, search
from api.submitting import addressed, stamp, submit
from api.waiting import current
from domain import commands as c
from projections import queries

ELEMENTS: Final = "element instances"
VARIABLES: Final = "variables"
INCIDENTS: Final = "incidents"
WHAT: Final = "an element instance"


async def search_elements(call: Call, body: Search) -> Answer:
    """Search element instances: the history of all instances."""
    return await search(call, queries.ELEMENT_INSTANCES, body)


async def get_element(call: Call) -> Answer:
    """Get an element instance."""
    return await get(call, queries.ELEMENT_INSTANCES, WHAT)


async def set_variables(call: Call, body: SetVariables) -> Answer:
    """Set variables of an element instance or process instance: merged upwards, or all in its own scope (`local`)."""
    key = addressed(call, WHAT)
    return await submit(call, c.SetVariables(key=key, variables=body.variables, local=bool(body.local), **stamp(call)))


async def search_element_incidents(call: Call, body: Search) -> Answer:
    """Search the incidents of an element instance, and of what it called."""
    addressed(call, WHAT)
    await current(call)
    page = await queries.incidents_of_element(call.api.engine.pool, call.key, request_of(body))
    if page is None:
        raise not_found(WHAT, call.key)
    return json(page)


async def search_variables(call: Call, body: Search) -> Answer:
    """Search variables; `value` is JSON text, cut if it is long, unless `truncateValues=false`."""
    truncate = call.query_flag("truncateValues", default=True)
    return await search(call, queries.VARIABLES, body, truncate_values=truncate)


async def get_variable(call: Call) -> Answer:
    """Get a variable; `value` is JSON text and never cut."""
    return await get_derived(call, queries.VARIABLES, "a variable")


async def search_incidents(call: Call, body: Search) -> Answer:
    """Search incidents."""
    return await search(call, queries.INCIDENTS, body)


async def get_incident(call: Call) -> Answer:
    """Get an incident."""
    return await get(call, queries.INCIDENTS, "an incident")


async def resolve_incident(call: Call, body: Nothing) -> Answer:
    """Try again what failed."""
    return await submit(call, c.ResolveIncident(key=addressed(call, "an incident"), **stamp(call)))


OPERATIONS = (
    Operation(
        "POST",
        "/element-instances/search",
        search_elements,
        ELEMENTS,
        answer="page of ElementInstanceResult",
        body=Search,
        optional=True,
        search=queries.ELEMENT_INSTANCES,
        reads=True,
    ),
    Operation(
        "GET",
        "/element-instances/{elementInstanceKey}",
        get_element,
        ELEMENTS,
        answer="ElementInstanceResult",
        reads=True,
        errors=(404,),
    ),
    Operation(
        "PUT",
        "/element-instances/{elementInstanceKey}/variables",
        set_variables,
        ELEMENTS,
        body=SetVariables,
        errors=(404, 409, 503, 504),
    ),
    Operation(
        "POST",
        "/element-instances/{elementInstanceKey}/incidents/search",
        search_element_incidents,
        ELEMENTS,
        answer="page of IncidentResult",
        body=Search,
        optional=True,
        search=queries.INCIDENTS,
        reads=True,
        errors=(404,),
    ),
    Operation(
        "POST",
        "/variables/search",
        search_variables,
        VARIABLES,
        answer="page of VariableSearchResult",
        body=Search,
        optional=True,
        search=queries.VARIABLES,
        reads=True,
        query=(TRUNCATE,),
    ),
    Operation(
        "GET", "/variables/{variableKey}", get_variable, VARIABLES, answer="VariableResult", reads=True, errors=(404,)
    ),
    Operation(
        "POST",
        "/incidents/search",
        search_incidents,
        INCIDENTS,
        answer="page of IncidentResult",
        body=Search,
        optional=True,
        search=queries.INCIDENTS,
        reads=True,
    ),
    Operation(
        "GET", "/incidents/{incidentKey}", get_incident, INCIDENTS, answer="IncidentResult", reads=True, errors=(404,)
    ),
    Operation(
        "POST",
        "/incidents/{incidentKey}/resolution",
        resolve_incident,
        INCIDENTS,
        body=Nothing,
        optional=True,
        errors=(404, 409, 503, 504),
    ),
)
