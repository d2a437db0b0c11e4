"""Searching, paging and getting, in the API's words."""

from base64 import b64decode
from datetime import timedelta
from random import Random
from typing import Any

import asyncpg
import pytest

from domain import events as e
from domain.keys import make_key
from projections import queries as q
from projections.queries.filters import _OPERATORS, like_pattern
from projections.queries.pages import TOTAL_MAX
from tests.projections.histories import History, created, project, with_a_job

SHAPES = [shape for name in q.__all__ if isinstance(shape := getattr(q, name), q.Shape)]
DEFINITION = 7

MODEL = b"""<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0">
  <bpmn:process id="order" name="An order" isExecutable="true">
    <bpmn:startEvent id="start"><bpmn:extensionElements><zeebe:formDefinition formId="ask"/></bpmn:extensionElements></bpmn:startEvent>
    <bpmn:serviceTask id="pack" name="Pack it"/>
    <bpmn:userTask id="check" name="Check it"/>
    <bpmn:subProcess id="inside" triggeredByEvent="true"><bpmn:endEvent id="end"/></bpmn:subProcess>
  </bpmn:process>
</bpmn:definitions>"""


def deployed() -> History:
    history = History()
    history.add(
        "definitions",
        e.ProcessDefined(
            key=DEFINITION,
            process_id="order",
            version=1,
            resource_name="order.bpmn",
            content=MODEL,
            deployment_key=1,
            name="An order",
        ),
        e.FormDefined(key=8, form_id="ask", version=1, resource_name="ask.form", content=b'{"a": 1}', deployment_key=1),
    )
    return history


@pytest.fixture
async def orders(pool: asyncpg.Pool) -> asyncpg.Pool:
    """Thirty instances with a job each, of three business ids, every third of them completed."""
    history = deployed()
    for number in range(1, 31):
        key, element, job, facts = with_a_job(number)
        facts[0] = created(key, business_id=f"b{number % 3}" if number % 5 else None, tags=("a", f"t{number % 2}"))
        history.instance(number, *facts)
        if number % 3 == 0:
            history.instance(number, e.JobCompleted(key=job, element_key=element))
            history.instance(
                number, e.ElementCompleted(key=element, element="pack", scope=key), e.InstanceCompleted(key=key)
            )
    await project(pool, history)
    return pool


def keys_of(page: q.Page, field: str = "processInstanceKey") -> list[str]:
    return [item[field] for item in page["items"]]


async def found(pool: asyncpg.Pool, **wanted: Any) -> set[int]:
    page = await q.search(pool, q.PROCESS_INSTANCES, {"filter": wanted})
    return {(int(key) - make_key(1, 0 + 1)) // (make_key(1, 2) - make_key(1, 1)) + 1 for key in keys_of(page)}


def sample(field: q.Field) -> Any:
    samples = {"text": "a", "key": "1", "int": 1, "time": "2026-11-24T00:00:00+00:00", "bool": True}
    return field.values[0] if field.values else samples[field.kind]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
async def test_every_field_filters_and_sorts_as_it_says(orders: asyncpg.Pool, shape: q.Shape) -> None:
    for field in shape.fields:
        if field.filters:
            value = sample(field)
            await q.search(orders, shape, {"filter": {field.name: value}})
            for operator in _OPERATORS.get(field.kind, ()) if field.filters == "full" else ():
                operand = {"$exists": True, "$in": [value], "$notIn": [value], "$like": "a*"}.get(operator, value)
                await q.search(orders, shape, {"filter": {field.name: {operator: operand}}})
        if field.sorts:
            for order in ("ASC", "DESC"):
                await walked(orders, shape, [{"field": field.name, "order": order}])


async def walked(pool: asyncpg.Pool, shape: q.Shape, sort: list[dict[str, str]]) -> None:
    """Going forth and back by cursors in small pages gives each row once, in the order of one large page."""
    whole = (await q.search(pool, shape, {"sort": sort}))["items"]
    request: dict[str, Any] = {"limit": 7}
    forth: list[q.Item] = []
    last: q.Page = {}
    while (page := await q.search(pool, shape, {"sort": sort, "page": request}))["items"]:
        assert page["page"]["totalItems"] == len(whole)
        b64decode(page["page"]["endCursor"], validate=True)
        forth += page["items"]
        request = {"limit": 7, "after": page["page"]["endCursor"]}
        last = page
    assert forth == whole
    assert page["page"]["startCursor"] is page["page"]["endCursor"] is None
    if len(whole) > 7:
        back = await q.search(pool, shape, {"sort": sort, "page": {"limit": 5, "before": last["page"]["startCursor"]}})
        index = len(whole) - len(last["items"])
        assert back["items"] == whole[index - 5 : index]


async def test_an_instance_has_every_mandatory_field(orders: asyncpg.Pool) -> None:
    item = await q.get(orders, q.PROCESS_INSTANCES, str(make_key(1, 3)))

    assert item == {
        "processInstanceKey": str(make_key(1, 3)),
        "processDefinitionId": "order",
        "processDefinitionName": "An order",
        "processDefinitionVersion": 1,
        "processDefinitionVersionTag": None,
        "processDefinitionKey": "7",
        "parentProcessInstanceKey": None,
        "parentElementInstanceKey": None,
        "rootProcessInstanceKey": str(make_key(1, 3)),
        "startDate": "2026-02-01T00:00:10.000Z",
        "endDate": "2026-02-01T00:00:16.000Z",
        "suspendedDate": None,
        "state": "COMPLETED",
        "hasIncident": False,
        "businessId": "b0",
        "tags": ["a", "t1"],
        "tenantId": "<default>",
    }


async def test_filters_mean_what_they_say(orders: asyncpg.Pool) -> None:
    everyone = set(range(1, 31))
    thirds = {number for number in everyone if number % 3 == 0}
    assert await found(orders, state="COMPLETED") == thirds
    assert await found(orders, state={"$neq": "COMPLETED"}) == everyone - thirds
    assert await found(orders, businessId={"$exists": False}) == {5, 10, 15, 20, 25, 30}
    assert await found(orders, businessId={"$notIn": ["b0", "b1"]}) == {n for n in everyone if n % 3 == 2 or n % 5 == 0}
    assert await found(orders, businessId={"$neq": "b0", "$exists": True}) == {n for n in everyone if n % 3 and n % 5}
    assert await found(orders, businessId={"$like": "?1"}) == {n for n in everyone if n % 3 == 1 and n % 5}
    assert await found(orders, tags=["a", "t0"]) == {n for n in everyone if n % 2 == 0}
    assert await found(orders, variables=[{"name": "orderId", "value": "4"}]) == {4}
    assert await found(orders, variables=[{"name": "orderId", "value": {"$in": ["4", "5"]}}]) == {4, 5}
    assert await found(orders, elementId="pack", elementInstanceState="ACTIVE") == everyone - thirds
    assert await found(orders, processInstanceKey={"$in": [str(make_key(1, 2)), "9999999999999999999999999"]}) == {2}
    wanted = [{"state": "COMPLETED", "businessId": "b0"}, {"processInstanceKey": str(make_key(1, 1))}]
    assert await found(orders, **{"$or": wanted}) == {n for n in thirds if n % 5} | {1}
    assert await found(orders, **{"$or": wanted}, state="ACTIVE") == {1}
    assert await found(orders, startDate={"$lt": "2026-02-01T01:00:02+01:00"}) == set()
    assert await found(orders, startDate={"$lte": "2026-02-01T01:00:02+01:00"}) == {1}


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"filter": {"nonsense": 1}}, r"expected filter to have only \$or, .*found the text 'nonsense'"),
        ({"filter": {"state": {"$gt": "ACTIVE"}}}, r"expected filter.state to have an operator of \$eq, .*\$gt"),
        ({"filter": {"state": "ASLEEP"}}, "expected filter.state to be one of ACTIVE, .*ASLEEP"),
        ({"filter": {"processInstanceKey": 5}}, "expected filter.processInstanceKey to be a key, .*the number 5"),
        ({"filter": {"processInstanceKey": {"$in": "5"}}}, r"processInstanceKey.\$in to be a list"),
        ({"filter": {"processDefinitionVersion": 10**30}}, "processDefinitionVersion to be between"),
        ({"filter": {"businessId": "a\x00"}}, "businessId to have no NUL"),
        ({"filter": {"businessId": "\ud800"}}, "businessId to have no NUL"),
        ({"filter": {"startDate": "yesterday"}}, "startDate to be a time with zone"),
        ({"filter": {"hasIncident": {"$eq": True}}}, "hasIncident to have a bare value"),
        ({"filter": {"$or": [{"$or": []}]}}, r"expected filter.\$or\[0\] to have only"),
        ({"filter": {"variables": [{"name": "x"}]}}, r"variables\[0\] to have name and value"),
        ({"filter": []}, "expected filter to be an object, but found a list"),
        ({"sort": [{"field": "tags"}]}, r"expected sort\[0\].field to be one of processInstanceKey"),
        ({"sort": [{"field": "state", "order": "UP"}]}, r"expected sort\[0\].order to be ASC or DESC"),
        ({"page": {"limit": 0}}, "expected page.limit to be between 1 and 10000, but found 0"),
        ({"page": {"from": 1, "after": "x"}}, "at most one of from, after and before"),
        ({"page": {"after": "%%%"}}, "expected page.after to be a cursor of this search"),
        ({"page": {"after": "WzEsMl0="}}, "expected page.after to be a cursor of this search"),
        ({"pages": {}}, "expected a search to have filter, sort and page, but found pages"),
    ],
)
async def test_a_bad_request_is_answered_with_a_sentence(
    orders: asyncpg.Pool, request_: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(q.BadQuery, match=sentence):
        await q.search(orders, q.PROCESS_INSTANCES, request_)


async def test_a_cursor_of_another_sort_is_refused(orders: asyncpg.Pool) -> None:
    page = await q.search(orders, q.PROCESS_INSTANCES, {"page": {"limit": 1}})

    with pytest.raises(q.BadQuery, match="a cursor of this search with this sort"):
        await q.search(
            orders, q.PROCESS_INSTANCES, {"sort": [{"field": "state"}], "page": {"after": page["page"]["endCursor"]}}
        )


@pytest.mark.parametrize(
    ("pattern", "like"), [("a*b?", "a%b_"), ("10%_", r"10\%\_"), (r"a\*b\\", r"a*b\\"), ("end\\", "end\\\\")]
)
def test_patterns_are_translated(pattern: str, like: str) -> None:
    assert like_pattern(pattern) == like


async def test_counting_stops_at_a_limit(pool: asyncpg.Pool) -> None:
    history = History()
    key = make_key(1, 1)
    history.instance(1, created(key), e.VariablesSet(scope=key, variables={f"v{n}": n for n in range(TOTAL_MAX + 5)}))
    await project(pool, history)

    page = await q.search(pool, q.VARIABLES, {"page": {"limit": 10}})

    assert page["page"]["totalItems"] == TOTAL_MAX
    assert page["page"]["hasMoreTotalItems"] is True


async def test_long_values_are_cut_in_searches_only(pool: asyncpg.Pool) -> None:
    key = make_key(1, 1)
    history = History().instance(
        1, created(key), e.VariablesSet(scope=key, variables={"long": "x" * 10_000, "short": "x"})
    )
    await project(pool, history)

    page = await q.search(pool, q.VARIABLES, {"sort": [{"field": "name"}]})
    full = await q.search(pool, q.VARIABLES, {"filter": {"name": "long"}}, truncate_values=False)
    one = await q.get(pool, q.VARIABLES, page["items"][0]["variableKey"])

    assert [(len(item["value"]), item["isTruncated"]) for item in page["items"]] == [(8191, True), (3, False)]
    assert (len(full["items"][0]["value"]), full["items"][0]["isTruncated"]) == (10_002, False)
    assert one is not None
    assert len(one["value"]) == 10_002


async def test_an_output_collection_is_put_together_when_it_is_read(pool: asyncpg.Pool) -> None:
    key = make_key(1, 1)
    history = History().instance(1, created(key), e.LoopStarted(key=key + 1, count=3, output="results"))
    history.instance(1, e.LoopOutputStored(key=key + 1, loop=2, output="results", value={"a": 1}))
    await project(pool, history, Random(3))

    page = await q.search(pool, q.VARIABLES, {"filter": {"name": "results"}})

    assert page["items"][0]["value"] == '[null,{"a":1},null]'


async def test_an_element_has_the_type_and_name_of_its_model(orders: asyncpg.Pool) -> None:
    page = await q.search(orders, q.ELEMENT_INSTANCES, {"filter": {"type": "SERVICE_TASK"}, "page": {"limit": 1}})

    assert page["page"]["totalItems"] == 30
    assert page["items"][0]["elementName"] == "Pack it"


async def test_documents_come_out_as_they_went_in(orders: asyncpg.Pool) -> None:
    assert await q.process_definition_xml(orders, "7") == MODEL
    assert await q.process_definition_xml(orders, "99") is None
    assert await q.resource_content(orders, "8") == ("ask.form", b'{"a": 1}')
    form = await q.start_form(orders, "7")
    assert form == {"formKey": "8", "formId": "ask", "version": 1, "schema": '{"a": 1}', "tenantId": "<default>"}
    definition = await q.get(orders, q.PROCESS_DEFINITIONS, "7")
    assert definition is not None
    assert (definition["hasStartForm"], definition["state"], definition["name"]) == (True, "ACTIVE", "An order")


async def test_incidents_of_a_called_instance_show_in_its_caller(pool: asyncpg.Pool) -> None:
    parent, child = make_key(1, 1), make_key(1, 2)
    history = History()
    history.instance(1, created(parent), e.ElementEntered(key=parent + 1, element="call", scope=parent))
    history.instance(2, created(child, root_key=parent, parent_key=parent, parent_element_key=parent + 1))
    history.instance(2, e.ElementEntered(key=child + 1, element="pack", scope=child))
    raised = e.IncidentRaised(
        key=child + 2,
        element_key=child + 1,
        element="pack",
        incident_type="EXTRACT_VALUE_ERROR",
        message="no such thing",
    )
    history.instance(2, raised)
    await project(pool, history)

    both = await q.search(pool, q.PROCESS_INSTANCES, {"filter": {"hasIncident": True}})
    elements = await q.search(pool, q.ELEMENT_INSTANCES, {"filter": {"hasIncident": True}})
    incidents = await q.incidents_of_instance(pool, str(parent), {})

    assert keys_of(both) == [str(parent), str(child)]
    assert [item["hasIncident"] for item in both["items"]] == [True, True]
    assert [(item["elementId"], item["hasIncident"]) for item in elements["items"]] == [("call", True), ("pack", True)]
    assert incidents is not None
    assert keys_of(incidents, "incidentKey") == [str(child + 2)]
    assert await q.incidents_of_instance(pool, "12345", {}) is None
    of_call = await q.incidents_of_element(pool, str(parent + 1), {"filter": {"errorMessage": {"$like": "no*"}}})
    assert of_call is not None
    assert keys_of(of_call, "incidentKey") == [str(child + 2)]
    hierarchy = await q.call_hierarchy(pool, str(child))
    assert hierarchy is not None
    assert keys_of({"items": hierarchy}) == [str(parent), str(child)]
    assert await q.instance_element_statistics(pool, str(child)) == [
        {"elementId": "pack", "active": 0, "canceled": 0, "completed": 0, "incidents": 1}
    ]


async def test_statistics_count_per_element(orders: asyncpg.Pool) -> None:
    every = await q.definition_element_statistics(orders, "7", {})
    some = await q.definition_element_statistics(orders, "7", {"filter": {"businessId": "b0"}})
    waits = await q.instance_wait_state_statistics(orders, str(make_key(1, 1)))

    assert every == [{"elementId": "pack", "active": 20, "canceled": 0, "completed": 10, "incidents": 0}]
    assert some == [{"elementId": "pack", "active": 0, "canceled": 0, "completed": 8, "incidents": 0}]
    assert waits == [{"elementId": "pack", "waitingCount": 1}]


async def test_a_user_task_sees_the_innermost_variables(pool: asyncpg.Pool) -> None:
    key = make_key(1, 1)
    due = "2026-03-01T00:00:00Z"
    history = History().instance(
        1,
        created(key),
        e.VariablesSet(scope=key, variables={"a": 1, "b": 2}),
        e.ElementEntered(key=key + 1, element="check", scope=key),
        e.VariablesSet(scope=key + 1, variables={"a": 10}),
        e.UserTaskCreated(
            key=key + 2,
            element_key=key + 1,
            element="check",
            candidate_groups=('g"1', "g,2"),
            due_date=due,
            assignee="eve",
        ),
        e.UserTaskUpdated(key=key + 2, changes={"priority": 80, "follow_up_date": None}),
    )
    await project(pool, history)

    visible = await q.user_task_variables(pool, str(key + 2), {"sort": [{"field": "value"}]})
    effective = await q.user_task_variables(pool, str(key + 2), {"sort": [{"field": "name"}]}, effective=True)
    tasks = await q.search(
        pool, q.USER_TASKS, {"filter": {"candidateGroup": "g,2", "localVariables": [{"name": "a", "value": "10"}]}}
    )

    assert visible is not None
    assert effective is not None
    assert [item["value"] for item in visible["items"]] == ["1", "10", "2"]
    assert [(item["name"], item["value"]) for item in effective["items"]] == [("a", "10"), ("b", "2")]
    assert [(task["candidateGroups"], task["dueDate"], task["priority"]) for task in tasks["items"]] == [
        (['g"1', "g,2"], "2026-03-01T00:00:00.000Z", 80)
    ]
    for negated in ({"$neq": "g,2"}, {"$notIn": ["x", "g,2"]}, {"$exists": False}):
        assert (await q.search(pool, q.USER_TASKS, {"filter": {"candidateGroup": negated}}))["items"] == []


async def test_messages_and_decisions_are_found(pool: asyncpg.Pool) -> None:
    key = make_key(1, 1)
    history = History().instance(
        1,
        created(key, business_id="b"),
        e.ElementEntered(key=key + 1, element="wait", scope=key),
        e.MessageSubscribed(
            key=key + 2,
            element_key=key + 1,
            target="wait",
            name="paid",
            correlation_key="4711",
            process_id="order",
            instance_key=key,
        ),
    )
    waiting = {"filter": {"messageSubscriptionState": "CREATED"}}
    await project(pool, history)
    assert len((await q.search(pool, q.MESSAGE_SUBSCRIPTIONS, waiting))["items"]) == 1
    history.instance(
        1,
        e.MessageCorrelated(
            key=key + 2,
            element_key=key + 1,
            target="wait",
            message_key=99,
            process_id="order",
            name="paid",
            correlation_key="4711",
        ),
        e.DecisionEvaluated(
            key=key + 3,
            decision_key=50,
            decision_id="price",
            decision_name="Price",
            decision_version=1,
            requirements_id="prices",
            requirements_key=51,
            output=12,
            instance_key=key,
            element_key=key + 1,
            definition_key=DEFINITION,
        ),
    )
    history.time += timedelta(seconds=1)

    await project(pool, history)

    assert (await q.search(pool, q.MESSAGE_SUBSCRIPTIONS, waiting))["items"] == []
    correlated = await q.search(pool, q.CORRELATED_MESSAGE_SUBSCRIPTIONS, {"filter": {"businessId": "b"}})
    assert [(item["messageKey"], item["subscriptionKey"]) for item in correlated["items"]] == [("99", str(key + 2))]
    decisions = await q.search(pool, q.DECISION_INSTANCES, {})
    instance_key = decisions["items"][0]["decisionEvaluationInstanceKey"]
    one = await q.get(pool, q.DECISION_INSTANCES, instance_key)
    assert one is not None
    assert (instance_key, one["result"], one["matchedRules"]) == (f"{key + 3}0001", "12", [])
    assert await q.get(pool, q.DECISION_INSTANCES, "1" * 25) is None
