"""Activities and tasks (ZC-001 to ZC-020): mappings, boundary subscriptions, jobs, scripts and decisions."""

import pytest

from domain import commands as c
from domain import events as e
from domain.answers import activated_job
from domain.results import Rejected
from tests.checklist.telling import all_of, deployed, entered, last, raised, resolve, seen_at, set_variables
from tests.dmn.models import decision, literal, model, table
from tests.dmn.test_engine import asking
from tests.support.amend import Model
from tests.support.bpmn import bpmn
from tests.support.given import Run, given


def test_inputs_are_mapped_before_the_job_exists() -> None:
    """ZC-001."""
    run = deployed(Model("o start -> pack -> O end").map("pack", {"box": "=size + 1"})).create(size=1)

    run.then("variables-set", "variables-set", "job-created pack")
    assert seen_at(run, "pack")["box"] == 2


def test_inputs_are_mapped_before_a_message_is_subscribed_to() -> None:
    """ZC-001."""
    run = deployed(Model("o start -> receive r paid -> O end").map("r", {"key": '="k-" + id'})).create(id="7")

    run.publish("paid", "k-7").completed()


@pytest.mark.parametrize("source", ["plain", "12", 'say "hello" twice'])
def test_a_static_source_is_text_quotes_and_all(source: str) -> None:
    """ZC-002, ZC-003."""
    run = deployed(Model("o start -> pack -> O end").map("pack", {"x": source})).create()

    assert seen_at(run, "pack")["x"] == source


def test_boundary_events_are_subscribed_to_when_the_activity_begins() -> None:
    """ZC-004."""
    run = given("o start -> pack -> O end; at pack timer t PT1H -> O a; at pack message m stop -> O b").create(key="k")

    run.then("element-entered pack", "timer-set", "message-subscribed", "job-created pack")


def test_boundary_events_are_closed_before_the_activity_is_complete() -> None:
    """ZC-005."""
    run = given("o start -> pack -> O end; at pack timer t PT1H -> O a; at pack signal s stop -> O b").create()

    run.complete("pack").then("timer-canceled", "signal-unsubscribed", "element-completed pack")


def test_boundary_events_are_closed_before_the_activity_is_terminated() -> None:
    """ZC-006."""
    run = given("o start -> pack -> O end; at pack timer t PT1H -> O a; at pack message m stop -> O b").create(key="k")

    run.when(c.CancelInstance, key=run.instance.key)
    run.then("timer-canceled", "message-unsubscribed", "element-terminated pack")


@pytest.mark.parametrize(
    "headers", ["", "<zeebe:taskHeaders/>", '<zeebe:taskHeaders><zeebe:header key="a"/></zeebe:taskHeaders>']
)
def test_empty_headers_are_no_headers(headers: str) -> None:
    """ZC-007."""
    run = deployed(Model("o start -> pack -> O end").extend("pack", headers)).create()

    assert last(run, e.JobCreated).headers == {}


@pytest.mark.parametrize("tag", ["serviceTask", "sendTask", "scriptTask", "businessRuleTask"])
def test_each_task_with_a_task_definition_is_a_job(tag: str) -> None:
    """ZC-008."""
    run = Run(bpmn("o start -> work -> O end").replace(b"serviceTask", tag.encode())).create()

    run.then("job-created work").complete("work").completed()


@pytest.mark.parametrize(("shape", "tag"), [("throw w -> O end", "intermediateThrowEvent"), ("O w", "endEvent")])
def test_message_throw_and_end_events_are_jobs(shape: str, tag: str) -> None:
    """ZC-008."""
    sending = Model(f"o start -> {shape}").put("w", '<messageEventDefinition messageRef="note"/>')
    sending.root('<message id="note" name="note"/>').extend("w", '<zeebe:taskDefinition type="send"/>')
    run = deployed(sending).create()

    run.then("job-created w").complete("w").completed()


def test_a_worker_is_told_where_its_job_comes_from() -> None:
    """ZC-009, ZC-010."""
    process = Model("o start -> sub s { o i -> pack -> O j } -> O end").map("s", {"inner": "=1"})
    process.extend("pack", '<zeebe:taskHeaders><zeebe:header key="a" value="b"/></zeebe:taskHeaders>')
    run = deployed(process).create(outer=2)
    told = activated_job(run.instance, run.job("pack"), "me", run.world.now, ())

    assert (told["type"], told["retries"], told["customHeaders"], told["elementId"]) == ("pack", 3, {"a": "b"}, "pack")
    assert (told["processDefinitionId"], told["processDefinitionVersion"]) == ("p", 1)
    assert told["processDefinitionKey"] == str(last(run, e.ProcessDefined).key)
    assert told["processInstanceKey"] == str(run.instance.key)
    assert told["variables"] == {"inner": 1, "outer": 2}


def test_type_and_retries_of_a_job_may_be_expressions() -> None:
    """ZC-011, ZC-012."""
    process = Model("o start -> pack -> O end").drop("pack", "taskDefinition")
    run = deployed(process.extend("pack", """<zeebe:taskDefinition type='="do-" + what' retries="=2 + more"/>"""))
    run.create(what="it", more=3)

    assert (last(run, e.JobCreated).job_type, last(run, e.JobCreated).retries) == ("do-it", 5)


def test_a_script_without_output_mappings_writes_to_the_process() -> None:
    """ZC-013."""
    run = given("o start -> script s total = 1 + n -> O end").create(n=2).completed()

    assert run.variables() == {"n": 2, "total": 3}


def test_a_script_with_output_mappings_keeps_its_result_to_itself() -> None:
    """ZC-014."""
    run = deployed(Model("o start -> script s total = 1 + n -> O end").map("s", outputs={"sum": "=total * 10"}))
    run.create(n=2).completed()

    assert run.variables() == {"n": 2, "sum": 30}


def test_a_failing_script_is_evaluated_again_once_its_incident_is_resolved() -> None:
    """ZC-015."""
    run = given("o start -> script s r = assert(x, x != null) -> O end").create()

    assert raised(run) == [("s", "EXTRACT_VALUE_ERROR")]
    set_variables(run, x=4)
    resolve(run).completed()
    assert (run.variables()["r"], entered(run, "s")) == (4, 1)


def _decides(*files: bytes, attributes: str = 'decisionId="price"') -> Run:
    run = Run(asking(bpmn("o start -> ask -> O end"), attributes))
    for number, content in enumerate(files):
        _deploy(run, f"{number}.dmn", content)
    return run


def _deploy(run: Run, name: str, content: bytes) -> None:
    answer = run.world.submit(c.DeployResources, resources=(c.Resource(name, content),))
    assert not isinstance(answer, Rejected), answer.reason


def test_a_business_rule_task_asks_the_latest_version_of_its_decision() -> None:
    """ZC-016."""
    run = _decides(model(decision("price", literal("1 * n"))), model(decision("price", literal("2 * n")))).create(n=5)

    assert run.completed().variables() == {"n": 5, "total": 10}


def test_the_decision_id_may_be_an_expression() -> None:
    """ZC-017."""
    run = _decides(model(decision("price", literal("7"))), attributes='decisionId="=which"').create(which="price")

    assert run.completed().variables()["total"] == 7


def test_an_evaluation_is_recorded_with_all_decisions_their_inputs_and_matched_rules() -> None:
    """ZC-018."""
    graph = model(
        decision("base", table("n", "o", "< 5 : 1", ">= 5 : 2")), decision("price", literal("base * 10"), "base")
    )
    run = _decides(graph).create(n=6)
    base, price = last(run, e.DecisionEvaluated).evaluated

    assert (base["decisionDefinitionId"], price["decisionDefinitionId"]) == ("base", "price")
    assert base["evaluatedInputs"][0]["inputValue"] == "6"
    assert [rule["ruleId"] for rule in base["matchedRules"]] == ["r2"]
    assert (base["output"], price["output"]) == (2, 20)


def test_a_failed_evaluation_is_recorded_and_raises_an_incident() -> None:
    """ZC-019."""
    run = _decides(model(decision("price", table("n", "o", "- : 1", "- : 2")))).create(n=1)

    assert last(run, e.DecisionEvaluated).failed_decision_id == "price"
    assert raised(run) == [("ask", "DECISION_EVALUATION_ERROR")]


def test_of_two_graphs_with_the_same_decision_the_latest_deployed_is_asked() -> None:
    """ZC-020."""
    one = model(decision("price", literal("1")), model_id="one", namespace="http://one")
    two = model(decision("price", literal("2")), model_id="two", namespace="http://two")
    run = _decides(one, two).create()

    assert run.completed().variables()["total"] == 2
    assert len(all_of(run, e.DecisionEvaluated)) == 1
