"""What each operation does, against a real engine."""

import asyncio
import json
from typing import Any

import pytest

from tests.api.conftest import Client, Server
from tests.support.bpmn import bpmn

PACK = bpmn("o start -> pack -> O end")
ASK = bpmn("o start -> user ask; ask -> O end", "asking")


async def created(client: Client, process: str = "p", **more: Any) -> str:
    """Create an instance and return its key."""
    answer = await client.ask("POST", "/process-instances", {"processDefinitionId": process, **more})
    return str(answer["processInstanceKey"])


async def leased(client: Client, job_type: str = "pack", **more: Any) -> list[dict[str, Any]]:
    """Activate jobs without waiting."""
    body = {"type": job_type, "timeout": 60_000, "maxJobsToActivate": 10, "requestTimeout": -1, **more}
    jobs: list[dict[str, Any]] = (await client.ask("POST", "/jobs/activation", body))["jobs"]
    return jobs


# --- deployments ------------------------------------------------------------------------------------------------------


async def test_a_deployment_answers_what_it_made_and_the_same_bytes_make_nothing_new(client: Client) -> None:
    first = await client.deploy(("p.bpmn", PACK))
    second = await client.deploy(("p.bpmn", PACK))

    (entry,) = first["deployments"]
    assert entry["processDefinition"]["processDefinitionId"] == "p"
    assert [name for name, value in entry.items() if value is None] == [
        "decisionDefinition",
        "decisionRequirements",
        "form",
        "resource",
    ]
    assert second["deployments"] == first["deployments"]
    assert second["deploymentKey"] != first["deploymentKey"]


async def test_a_deployment_that_cannot_run_tells_all_errors_at_once_and_deploys_nothing(client: Client) -> None:
    bad = b'<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"><process id="q" isExecutable="true">\n'
    bad += b'<startEvent id="s"/>\n<serviceTask id="a"/>\n<sequenceFlow id="f" sourceRef="s" targetRef="gone"/></process></definitions>'

    problem = await client.deploy(("good.bpmn", PACK), ("bad.bpmn", bad), status=400)

    assert "'a'" in problem["detail"]
    assert "line 3" in problem["detail"]
    assert "'gone'" in problem["detail"]
    assert await client.items("process-definitions") == []


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"resource": ("p.bpmn", PACK)}, "'resource'"),
        ({"resources": ("p.txt", PACK)}, "p.txt"),
        ({"resources": ("", PACK)}, "file"),
        ({"tenantId": (None, "other"), "resources": ("p.bpmn", PACK)}, "<default>"),
    ],
)
async def test_a_form_that_is_no_deployment_is_refused(client: Client, files: Any, said: str) -> None:
    answer = await client.post("/v2/deployments", files=files)

    assert answer.status_code == 400, answer.text
    assert said in answer.json()["detail"]


async def test_a_definition_and_its_resource_can_be_read_and_deleted(client: Client) -> None:
    deployed = await client.deploy(("p.bpmn", PACK))
    key = deployed["deployments"][0]["processDefinition"]["processDefinitionKey"]

    assert (await client.ask("GET", f"/process-definitions/{key}"))["version"] == 1
    assert (await client.ask("GET", f"/process-definitions/{key}/xml")).encode() == PACK
    assert (await client.ask("GET", f"/process-definitions/{key}/form", status=204)) == ""
    assert (await client.ask("GET", f"/resources/{key}"))["resourceName"] == "p.bpmn"
    assert (await client.get(f"/v2/resources/{key}/content/binary")).content == PACK
    assert [item["resourceKey"] for item in await client.items("resources", resourceId="p")] == [key]

    deleted = await client.ask("POST", f"/resources/{key}/deletion")
    assert deleted == {"resourceKey": key, "batchOperation": None}
    assert (await client.ask("GET", f"/process-definitions/{key}"))["state"] == "DELETED"
    await client.ask("POST", "/process-instances", {"processDefinitionKey": key}, status=404)


# --- instances --------------------------------------------------------------------------------------------------------


async def test_what_was_acknowledged_is_there_at_once(client: Client) -> None:
    await client.deploy(("p.bpmn", PACK))

    async def create_and_look() -> None:
        key = await created(client)
        assert (await client.ask("GET", f"/process-instances/{key}"))["state"] == "ACTIVE"
        assert [
            item["processInstanceKey"] for item in await client.items("process-instances", processInstanceKey=key)
        ] == [key]

    await asyncio.gather(*(create_and_look() for _ in range(50)))


async def test_a_creation_can_wait_for_the_result_and_pick_from_it(client: Client) -> None:
    await client.deploy(("s.bpmn", bpmn("o start -> script s total = a + 1; s -> O end", "sum")), ("p.bpmn", PACK))

    body = {"processDefinitionId": "sum", "variables": {"a": 1.5}, "awaitCompletion": True, "fetchVariables": ["total"]}
    answer = await client.ask("POST", "/process-instances", body)
    assert answer["variables"] == {"total": 2.5}

    late = {"processDefinitionId": "p", "awaitCompletion": True, "requestTimeout": 50}
    problem = await client.ask("POST", "/process-instances", late, status=504)
    assert problem["title"] == "DEADLINE_EXCEEDED"
    await client.engine.idle()
    assert len(await client.items("process-instances", processDefinitionId="p", state="ACTIVE")) == 1


async def test_the_same_idempotency_key_acts_once_and_is_answered_alike(client: Client) -> None:
    await client.deploy(("p.bpmn", PACK))
    headers = {"Idempotency-Key": "order-17"}

    first = await client.ask("POST", "/process-instances", {"processDefinitionId": "p"}, headers=headers)
    second = await client.ask("POST", "/process-instances", {"processDefinitionId": "p"}, headers=headers)

    assert first == second
    assert len(await client.items("process-instances")) == 1


async def test_the_id_of_one_command_is_no_id_for_another(client: Client) -> None:
    await client.deploy(("asking.bpmn", bpmn("o start -> user a; start -> user b; a -> O end", "asking")))
    key = await created(client, "asking")
    first, second = [task["userTaskKey"] for task in await client.items("user-tasks", processInstanceKey=key)]
    headers = {"Idempotency-Key": "once"}

    await client.ask("POST", f"/user-tasks/{first}/assignment", {"assignee": "ann"}, headers=headers, status=204)
    await client.ask("POST", f"/user-tasks/{first}/assignment", {"assignee": "ann"}, headers=headers, status=204)
    for path, body in (
        (f"/user-tasks/{second}/assignment", {"assignee": "ann"}),
        (f"/user-tasks/{first}/completion", {}),
    ):
        problem = await client.ask("POST", path, body, headers=headers, status=409)
        assert problem["title"] == "ALREADY_EXISTS"
        assert "'once'" in problem["detail"]
    assert {task["state"] for task in await client.items("user-tasks")} == {"CREATED"}


async def test_a_read_with_the_position_of_a_command_sees_what_it_did(client: Client) -> None:
    await client.deploy(("p.bpmn", PACK))
    answer = await client.post("/v2/process-instances", json={"processDefinitionId": "p"})

    position = answer.headers["procession-position"]
    partition, number = map(int, position.split("-"))
    found = await client.ask("POST", "/process-instances/search", params={"after": f"{position},1-1"})

    assert 1 <= partition <= 3
    assert number > 0
    assert len(found["items"]) == 1


async def test_an_instance_is_suspended_resumed_cancelled_and_deleted(client: Client) -> None:
    await client.deploy(("p.bpmn", PACK))
    path = f"/process-instances/{await created(client, businessId='b-1', tags=['vip'])}"

    await client.ask("POST", f"{path}/suspension", status=204)
    assert (await client.ask("GET", path))["state"] == "SUSPENDED"
    assert await leased(client) == []
    await client.ask("POST", f"{path}/suspension", status=409)
    await client.ask("POST", f"{path}/resumption", status=204)
    await client.ask("POST", f"{path}/deletion", status=409)
    await client.ask("POST", f"{path}/cancellation", {"operationReference": 7}, status=204)
    ended = await client.ask("GET", path)
    assert (ended["state"], ended["businessId"], ended["tags"]) == ("TERMINATED", "b-1", ["vip"])
    await client.ask("POST", f"{path}/cancellation", status=404)
    await client.ask("POST", f"{path}/deletion", status=204)
    await client.ask("GET", path, status=404)


async def test_what_an_instance_did_can_be_read(client: Client) -> None:
    deployed = await client.deploy(("p.bpmn", PACK))
    key = await created(client)
    (job,) = await leased(client)
    await client.ask("POST", f"/jobs/{job['jobKey']}/completion")

    flows = (await client.ask("GET", f"/process-instances/{key}/sequence-flows"))["items"]
    counts = (await client.ask("GET", f"/process-instances/{key}/statistics/element-instances"))["items"]
    waits = (await client.ask("GET", f"/process-instances/{key}/statistics/wait-states"))["items"]
    definition = deployed["deployments"][0]["processDefinition"]["processDefinitionKey"]
    overall = await client.ask("POST", f"/process-definitions/{definition}/statistics/element-instances", {})

    assert len(flows) == 2
    assert {item["elementId"]: item["completed"] for item in counts} == {"start": 1, "pack": 1, "end": 1}
    assert overall["items"] == counts
    assert waits == []


async def test_a_called_instance_knows_who_called_it(client: Client) -> None:
    await client.deploy(("p.bpmn", PACK), ("q.bpmn", bpmn("o start -> call c p; c -> O end", "q")))
    root = await created(client, "q")
    (job,) = await leased(client, requestTimeout=5_000)

    chain = await client.ask("GET", f"/process-instances/{job['processInstanceKey']}/call-hierarchy")
    await client.ask("POST", f"/jobs/{job['jobKey']}/failure", {"retries": 0, "errorMessage": "no paper"})
    incidents = await client.ask("POST", f"/process-instances/{root}/incidents/search")

    assert [entry["processInstanceKey"] for entry in chain] == [root, job["processInstanceKey"]]
    assert [item["errorMessage"] for item in incidents["items"]] == ["no paper"]
    assert (await client.ask("GET", f"/process-instances/{root}"))["hasIncident"]


async def test_variables_are_set_found_cut_and_shown_whole(client: Client) -> None:
    await client.deploy(("p.bpmn", PACK))
    key = await created(client, variables={"long": "x" * 20_000, "n": 1.10})
    await client.ask("PUT", f"/element-instances/{key}/variables", {"variables": {"n": 2}}, status=204)

    cut = {item["name"]: item for item in await client.items("variables", processInstanceKey=key)}
    whole = await client.ask(
        "POST", "/variables/search", {"filter": {"name": "long"}}, params={"truncateValues": "false"}
    )
    one = await client.ask("GET", f"/variables/{cut['long']['variableKey']}")

    assert cut["n"]["value"] == "2"
    assert cut["long"]["isTruncated"]
    assert len(whole["items"][0]["value"]) == 20_002
    assert json.loads(one["value"]) == "x" * 20_000
    await client.ask("POST", "/variables/search", params={"truncateValues": "maybe"}, status=400)


# --- jobs and incidents -----------------------------------------------------------------------------------------------


async def test_a_poll_is_held_until_a_job_is_there(client: Client) -> None:
    await client.deploy(("p.bpmn", PACK))
    poll = asyncio.create_task(leased(client, requestTimeout=20_000, worker="w", fetchVariable=["a"]))
    while not client.engine.available._waiters:  # noqa: ASYNC110  # nobody is told when a poll begins to wait
        await asyncio.sleep(0)
    key = await created(client, variables={"a": 1, "b": 2})

    (job,) = await poll
    assert (job["processInstanceKey"], job["worker"], job["variables"]) == (key, "w", {"a": 1})
    assert await leased(client) == [], "a job was leased twice"


async def test_a_poll_that_finds_nothing_ends_in_time(client: Client) -> None:
    assert await leased(client, requestTimeout=30) == []


async def test_a_worker_that_closes_its_connection_is_leased_nothing(server: Server) -> None:
    address = server.address.removeprefix("http://")
    host, _, port = address.rpartition(":")
    body = json.dumps({"type": "given-up", "timeout": 60_000, "maxJobsToActivate": 5}).encode()
    head = f"POST /v2/jobs/activation HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(head.encode() + body)
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    async with Client(base_url=server.address, timeout=30) as client:
        await client.deploy(("g.bpmn", bpmn("o start -> given-up -> O end", "g")))
        await created(client, "g")
        assert len(await leased(client, "given-up", requestTimeout=10_000)) == 1


async def test_a_failed_job_comes_again_until_its_incident_is_resolved(client: Client) -> None:
    await client.deploy(("p.bpmn", PACK))
    await created(client)
    (job,) = await leased(client)
    path = f"/jobs/{job['jobKey']}"

    await client.ask("POST", f"{path}/failure", {"retries": 0, "errorMessage": "jam"}, status=204)
    (incident,) = await client.items("incidents", state="ACTIVE")
    assert (incident["errorType"], incident["errorMessage"]) == ("JOB_NO_RETRIES", "jam")
    assert await client.ask("GET", f"/incidents/{incident['incidentKey']}") == incident
    element = f"/element-instances/{incident['elementInstanceKey']}"
    assert len((await client.ask("POST", f"{element}/incidents/search"))["items"]) == 1
    assert (await client.ask("GET", element))["hasIncident"]

    await client.ask("PATCH", path, {"changeset": {"retries": 2}}, status=204)
    await client.ask("POST", f"/incidents/{incident['incidentKey']}/resolution", status=204)
    (again,) = await leased(client)
    assert (again["jobKey"], again["retries"]) == (job["jobKey"], 2)
    await client.ask("PATCH", path, {"changeset": {"timeout": 0}}, status=204)
    assert len(await leased(client)) == 1
    await client.ask("PATCH", path, {"changeset": {}}, status=400)
    await client.ask("POST", f"{path}/completion", {"variables": {"done": True}}, status=204)
    await client.ask("POST", f"{path}/completion", status=404)


# --- user tasks -------------------------------------------------------------------------------------------------------


async def test_a_user_task_from_creation_to_completion(client: Client) -> None:
    await client.deploy(("asking.bpmn", ASK))
    key = await created(client, "asking", variables={"a": 1})
    (task,) = await client.items("user-tasks", processInstanceKey=key)
    path = f"/user-tasks/{task['userTaskKey']}"

    await client.ask("POST", f"{path}/assignment", {"assignee": "ann"}, status=204)
    await client.ask("POST", f"{path}/assignment", {"assignee": "bob", "allowOverride": False}, status=409)
    await client.ask("POST", f"{path}/assignment", {}, status=400)
    changes = {"candidateGroups": ["g"], "dueDate": "2030-01-01T00:00:00Z", "priority": 70}
    await client.ask("PATCH", path, {"changeset": changes}, status=204)
    await client.ask("PATCH", path, {"changeset": {"dueDate": "soon"}}, status=400)
    await client.ask("PATCH", path, status=400)
    seen = await client.ask("GET", path)
    assert (seen["assignee"], seen["candidateGroups"], seen["priority"]) == ("ann", ["g"], 70)
    assert seen["dueDate"] == "2030-01-01T00:00:00.000Z"
    await client.ask("PATCH", path, {"changeset": {"candidateGroups": None, "dueDate": None}}, status=204)
    await client.ask("DELETE", f"{path}/assignee", status=204)
    seen = await client.ask("GET", path)
    assert (seen["assignee"], seen["candidateGroups"], seen["dueDate"]) == (None, [], None)

    for what in ("variables", "effective-variables"):
        found = await client.ask("POST", f"{path}/{what}/search")
        assert [(item["name"], item["value"]) for item in found["items"]] == [("a", "1")]
    await client.ask("GET", f"{path}/form", status=204)
    await client.ask("POST", f"{path}/completion", {"variables": {"ok": True}, "action": "approve"}, status=204)
    assert (await client.ask("GET", path))["state"] == "COMPLETED"
    assert (await client.ask("GET", f"/process-instances/{key}"))["state"] == "COMPLETED"


# --- messages, signals, expressions -----------------------------------------------------------------------------------


async def test_messages_are_published_and_correlated(client: Client) -> None:
    await client.deploy(("m.bpmn", bpmn("o start -> message m paid; m -> O end", "waiting")))
    first = await created(client, "waiting", variables={"key": "k-1"})
    second = await created(client, "waiting", variables={"key": "k-2"})
    await client.engine.idle()

    published = await client.ask("POST", "/messages/publication", {"name": "paid", "correlationKey": "k-1"})
    await client.engine.idle()
    correlated = await client.ask("POST", "/messages/correlation", {"name": "paid", "correlationKey": "k-2"})
    nobody = await client.ask("POST", "/messages/correlation", {"name": "paid", "correlationKey": "k-3"}, status=404)
    await client.engine.idle()

    assert correlated["processInstanceKey"] == second
    assert nobody["title"] == "NOT_FOUND"
    states = {item["processInstanceKey"]: item["state"] for item in await client.items("process-instances")}
    assert states == {first: "COMPLETED", second: "COMPLETED"}
    subscriptions = await client.items("message-subscriptions", messageName="paid")
    assert {item["messageSubscriptionState"] for item in subscriptions} == {"CORRELATED"}
    keys = {item["messageKey"] for item in await client.items("correlated-message-subscriptions")}
    assert keys == {published["messageKey"], correlated["messageKey"]}


async def test_a_signal_reaches_everyone_who_waits(client: Client) -> None:
    await client.deploy(("s.bpmn", bpmn("o start -> signal s go; s -> O end", "waiting")))
    for _ in range(3):
        await created(client, "waiting")
    await client.engine.idle()

    answer = await client.ask("POST", "/signals/broadcast", {"signalName": "go", "variables": {"x": 1}})
    await client.engine.idle()

    assert answer["tenantId"] == "<default>"
    assert {item["state"] for item in await client.items("process-instances")} == {"COMPLETED"}


async def test_expressions_are_evaluated_and_bad_ones_refused(client: Client) -> None:
    body: dict[str, Any] = {"expression": "=x + 1.5", "variables": {"x": 1}}
    answer = await client.ask("POST", "/expression/evaluation", body)
    missing = await client.ask("POST", "/expression/evaluation", {"expression": "= nothing + 1"})
    bad = await client.ask("POST", "/expression/evaluation", {"expression": "= 1 +"}, status=400)
    endless = {"expression": "= for i in 1..1000000000 return i"}
    problem = await client.ask("POST", "/expression/evaluation", endless, status=400)

    assert answer == {"expression": "=x + 1.5", "result": 2.5, "warnings": [], "referencedSecrets": []}
    assert missing["result"] is None
    assert missing["warnings"]
    assert bad["detail"]
    assert problem["detail"]


DISCOUNT = b"""<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="pricing" name="Pricing" namespace="t">
<decision id="discount" name="Discount"><decisionTable id="table" hitPolicy="FIRST">
<input id="in" label="Amount"><inputExpression id="expression" typeRef="number"><text>amount</text></inputExpression></input>
<output id="out" name="percent" label="Percent" typeRef="number"/>
<rule id="large"><inputEntry id="i1"><text>&gt;= 100</text></inputEntry><outputEntry id="o1"><text>10</text></outputEntry></rule>
<rule id="small"><inputEntry id="i2"><text>-</text></inputEntry><outputEntry id="o2"><text>0</text></outputEntry></rule>
</decisionTable></decision></definitions>"""


async def test_a_decision_is_deployed_evaluated_and_read(client: Client) -> None:
    deployed = await client.deploy(("pricing.dmn", DISCOUNT))
    kinds = [name for entry in deployed["deployments"] for name, value in entry.items() if value is not None]
    body = {"decisionDefinitionId": "discount", "variables": {"amount": 250}}
    answer = await client.ask("POST", "/decision-definitions/evaluation", body)
    await client.ask("POST", "/decision-definitions/evaluation", {**body, "decisionDefinitionKey": "1"}, status=400)

    assert sorted(kinds) == ["decisionDefinition", "decisionRequirements"]
    assert (answer["output"], answer["decisionDefinitionVersion"], answer["failureMessage"]) == ("10", 1, None)
    (rule,) = answer["evaluatedDecisions"][0]["matchedRules"]
    assert (rule["ruleId"], rule["ruleIndex"]) == ("large", 1)
    (definition,) = await client.items("decision-definitions", decisionDefinitionId="discount")
    path = f"/decision-definitions/{definition['decisionDefinitionKey']}"
    assert await client.ask("GET", path) == definition
    assert (await client.ask("GET", f"{path}/xml")).encode() == DISCOUNT
    requirements = f"/decision-requirements/{definition['decisionRequirementsKey']}"
    assert (await client.ask("GET", requirements))["resourceName"] == "pricing.dmn"
    assert (await client.ask("GET", f"{requirements}/xml")).encode() == DISCOUNT
    assert len(await client.items("decision-requirements")) == 1
    (instance,) = await client.items("decision-instances", decisionDefinitionId="discount")
    whole = await client.ask("GET", f"/decision-instances/{instance['decisionEvaluationInstanceKey']}")
    assert whole["evaluatedInputs"][0]["inputName"] == "Amount"
    assert (whole["result"], whole["state"]) == ("10", "EVALUATED")


async def test_a_decision_that_is_not_there_is_not_found(client: Client) -> None:
    body = {"decisionDefinitionId": "none"}
    assert (await client.ask("POST", "/decision-definitions/evaluation", body, status=404))["title"] == "NOT_FOUND"
    await client.ask("GET", "/decision-definitions/18014398509498368", status=404)
    assert await client.items("decision-instances") == []


# --- searches ---------------------------------------------------------------------------------------------------------


async def test_pages_follow_each_other_by_cursor(client: Client) -> None:
    await client.deploy(("p.bpmn", PACK))
    keys = {await created(client) for _ in range(5)}
    seen: list[str] = []
    page: dict[str, Any] = {"limit": 2}
    while True:
        answer = await client.ask("POST", "/process-instances/search", {"page": page})
        seen += [item["processInstanceKey"] for item in answer["items"]]
        if not answer["items"]:
            break
        assert answer["page"]["totalItems"] == 5
        page = {"limit": 2, "after": answer["page"]["endCursor"]}

    assert sorted(seen) == sorted(keys)
    assert answer["page"]["endCursor"] is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"filter": {"stat": "ACTIVE"}}, "'stat'"),
        ({"filter": {"state": {"$is": "ACTIVE"}}}, "$is"),
        ({"filter": {"state": "RUNNING"}}, "RUNNING"),
        ({"filter": {"processInstanceKey": 5}}, "processInstanceKey"),
        ({"sort": [{"field": "colour"}]}, "colour"),
        ({"sort": [{"field": "state", "order": ["ASC"]}]}, "sort"),
        ({"page": {"limit": 0}}, "limit"),
        ({"page": {"limit": 10_001}}, "limit"),
        ({"page": {"from": 1, "after": "eA=="}}, "at most one"),
        ({"page": {"after": "?"}}, "cursor"),
        ({"pages": {}}, "'pages'"),
        ({"filter": {"startDate": {"$gt": "yesterday"}}}, "startDate"),
    ],
)
async def test_a_search_that_cannot_be_answered_says_why(client: Client, body: Any, said: str) -> None:
    problem = await client.ask("POST", "/process-instances/search", body, status=400)

    assert said in problem["detail"]


async def test_the_cluster_describes_itself(client: Client) -> None:
    topology = await client.ask("GET", "/topology")

    assert topology["partitionsCount"] == 3
    assert len(topology["brokers"][0]["partitions"]) == 3
    assert (await client.ask("GET", "/license"))["isCommercial"] is False
    assert b"procession" in (await client.get("/metrics")).content


async def test_a_message_reaches_whoever_waits_for_it_as_soon_as_the_create_is_acknowledged(client: Client) -> None:
    await client.deploy(("awaits.bpmn", bpmn("o start -> message m arrival -> O end", "awaits")))

    for number in range(30):
        body = {"processDefinitionId": "awaits", "variables": {"key": f"a-{number}"}}
        instance = (await client.ask("POST", "/process-instances", body))["processInstanceKey"]
        message = {"name": "arrival", "correlationKey": f"a-{number}"}
        correlated = await client.ask("POST", "/messages/correlation", message, status=200)
        assert correlated["processInstanceKey"] == instance
    await client.ask("POST", "/messages/correlation", {"name": "arrival", "correlationKey": "a-0"}, status=404)


async def test_message_start_events_are_among_those_who_wait_for_messages(client: Client) -> None:
    two = "on message one first -> work -> O end; on message two second -> work2 -> O end2"
    await client.deploy(("begins.bpmn", bpmn(two, "begins")))
    waiting = {"processDefinitionId": "begins", "messageSubscriptionType": "START_EVENT"}
    found = await client.items("message-subscriptions", **waiting)

    assert [(item["messageName"], item["elementId"], item["messageSubscriptionState"]) for item in found] == [
        ("first", "one", "CREATED"),
        ("second", "two", "CREATED"),
    ]
    assert len({item["messageSubscriptionKey"] for item in found}) == 2
    assert {(item["processInstanceKey"], item["elementInstanceKey"], item["correlationKey"]) for item in found} == {
        (None, None, None)
    }
    await client.ask("POST", "/messages/publication", {"name": "second", "correlationKey": "", "timeToLive": 0})
    (correlated,) = await client.items("correlated-message-subscriptions", messageName="second")
    assert correlated["subscriptionKey"] == found[1]["messageSubscriptionKey"]
    await client.deploy(("begins.bpmn", bpmn("on message one first -> work -> O end", "begins")))
    states = [item["messageSubscriptionState"] for item in await client.items("message-subscriptions", **waiting)]
    assert sorted(states) == ["CREATED", "DELETED", "DELETED"]


async def test_a_deployed_form_is_found_again_by_its_key_and_by_the_user_task_that_shows_it(client: Client) -> None:
    form = b'{"id": "ask-for-it", "components": []}'
    task = bpmn("o start -> user u -> O end", "asks").replace(
        b"<zeebe:userTask/>", b'<zeebe:userTask/><zeebe:formDefinition formId="ask-for-it"/>'
    )
    deployed = await client.deploy(("ask.form", form), ("asks.bpmn", task))

    (entry,) = [each["form"] for each in deployed["deployments"] if each["form"]]
    assert entry == {
        "formKey": entry["formKey"],
        "formId": "ask-for-it",
        "version": 1,
        "resourceName": "ask.form",
        "tenantId": "<default>",
    }
    created = await client.ask("POST", "/process-instances", {"processDefinitionId": "asks"})
    (found,) = await client.items("user-tasks", processInstanceKey=created["processInstanceKey"])
    shown = await client.ask("GET", f"/user-tasks/{found['userTaskKey']}/form")
    assert (found["formKey"], shown["formKey"]) == (entry["formKey"], entry["formKey"])
    assert shown["schema"] == form.decode()
    assert await client.ask("GET", f"/forms/{entry['formKey']}") == shown


# --- over a socket ----------------------------------------------------------------------------------------------------


async def test_a_variable_of_twenty_megabytes_is_refused_and_the_engine_goes_on(server: Server) -> None:
    async with Client(base_url=server.address, timeout=60) as client:
        await client.deploy(("p.bpmn", PACK))
        body = {"processDefinitionId": "p", "variables": {"x": "x" * 20_000_000}}
        problem = await client.ask("POST", "/process-instances", body, status=413)
        assert "bytes" in problem["detail"]
        assert await created(client)


async def test_browsers_are_told_which_origins_may_call(server: Server) -> None:
    async with Client(base_url=server.address, timeout=60) as client:
        headers = {"origin": "https://example.org", "access-control-request-method": "POST"}
        answer = await client.options("/v2/process-instances", headers=headers)

    assert answer.headers["access-control-allow-origin"] == "https://example.org"
