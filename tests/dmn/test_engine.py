"""Decisions in the engine: deployed, versioned, evaluated by command and by business rule tasks."""

from typing import Any

from domain import commands as c
from domain import events as e
from domain.answers import answer
from domain.results import Rejected
from tests.dmn.models import decision, literal, model, table
from tests.support.bpmn import bpmn
from tests.support.given import Run
from tests.support.world import World

PRICE = model(decision("base", literal("10")), decision("price", literal("base * amount"), "base", tag="v1"))


def deploy(world: World, **files: bytes) -> list[e.Event]:
    resources = tuple(c.Resource(name.replace("_", "."), content) for name, content in files.items())
    facts = world.submit(c.DeployResources, resources=resources)
    assert not isinstance(facts, Rejected), facts.reason
    world.check()
    return facts


def evaluation(world: World, **arguments: Any) -> e.DecisionEvaluated:
    facts = world.submit(c.EvaluateDecision, **arguments)
    assert not isinstance(facts, Rejected), facts.reason
    (fact,) = facts
    assert isinstance(fact, e.DecisionEvaluated)
    return fact


def calling(attributes: str = 'decisionId="price"') -> bytes:
    """A process with one business rule task, `ask`."""
    return asking(bpmn("o start -> ask -> O end"), attributes)


def asking(process: bytes, attributes: str = 'decisionId="price"') -> bytes:
    """The process with a decision in place of the job of `ask`."""
    called = f'<zeebe:calledDecision {attributes} resultVariable="total"/>'
    before, _, rest = process.decode().partition('<serviceTask id="ask"')
    inside, _, after = rest.partition("</serviceTask>")
    start, _, end = inside.partition("<zeebe:taskDefinition")
    end = end.partition("/>")[2]
    return f'{before}<businessRuleTask id="ask"{start}{called}{end}</businessRuleTask>{after}'.encode()


def run(world: World, **variables: Any) -> Any:
    """Start the process and return the instance."""
    facts = world.submit(c.CreateInstance, process_id="p", variables=variables)
    assert not isinstance(facts, Rejected), facts.reason
    world.check()
    return list(world.instances())[-1]


def kinds(facts: list[e.Event]) -> list[str]:
    return [type(fact).__name__ for fact in facts]


def test_a_model_becomes_requirements_and_decisions_with_versions_of_their_own() -> None:
    world = World()
    first = deploy(world, a_dmn=PRICE)
    second = deploy(world, a_dmn=PRICE.replace(b"10", b"20"))

    assert kinds(first) == ["DeploymentCreated", "DecisionRequirementsDefined", "DecisionDefined", "DecisionDefined"]
    assert [fact.version for fact in second if isinstance(fact, e.DecisionDefined)] == [2, 2]
    assert world.deployed.latest_decision("price") == world.deployed.latest_decision("price", "v1")
    assert world.deployed.latest_decision("price", "v2") is None


def test_the_same_bytes_are_kept_and_answered_as_if_they_were_new() -> None:
    world = World()
    first, again = deploy(world, a_dmn=PRICE), deploy(world, a_dmn=PRICE)
    command = c.DeployResources(id="1", issued_at=world.now, resources=())

    assert kinds(again) == ["DeploymentCreated", "DefinitionKept", "DefinitionKept", "DefinitionKept"]
    new, kept = answer(command, first), answer(command, again)
    assert {**new, "deploymentKey": ""} == {**kept, "deploymentKey": ""}
    assert [each["decisionDefinitionId"] for each in kept["decisions"]] == ["base", "price"]
    assert kept["decisionRequirements"][0]["decisionRequirementsId"] == "m"


def test_a_model_that_imports_another_is_new_when_the_other_is() -> None:
    library = model(decision("base", literal("1")), model_id="lib", namespace="http://lib")
    head = '<import namespace="http://lib" name="lib" importType="https://www.omg.org/spec/DMN/20191111/MODEL/"/>'
    using = model(decision("d", literal("lib.base + 1"), "http://lib#base"), head=head)
    world = World()
    deploy(world, using_dmn=using, lib_dmn=library)
    assert evaluation(world, decision_id="d").output == 2

    deploy(world, using_dmn=using, lib_dmn=library.replace(b">1<", b">5<"))

    assert evaluation(world, decision_id="d").output == 6
    assert kinds(deploy(world, using_dmn=using)) == ["DeploymentCreated", "DefinitionKept", "DefinitionKept"]


def test_all_or_nothing_and_ids_once() -> None:
    world = World()
    bad = world.submit(
        c.DeployResources,
        resources=(c.Resource("a.dmn", PRICE), c.Resource("b.dmn", model(decision("x", literal("1 +")), model_id="b"))),
    )
    twice = world.submit(c.DeployResources, resources=(c.Resource("a.dmn", PRICE), c.Resource("b.dmn", PRICE)))

    assert isinstance(bad, Rejected)
    assert "'b.dmn': element 'x' (line 1): the expression '1 +' cannot be read" in bad.reason
    assert isinstance(twice, Rejected)
    assert "expected the ids of decisions to be unique in a deployment, but 'price' is also in 'a.dmn'" in twice.reason
    assert world.deployed.latest_decision("price") is None


def test_an_evaluation_is_a_fact_with_each_decision_that_took_part() -> None:
    world = World()
    deploy(world, a_dmn=PRICE)
    fact = evaluation(world, decision_id="price", variables={"amount": 3})

    assert (fact.output, fact.failure) == (30, None)
    assert [(each["decisionDefinitionId"], each["output"]) for each in fact.evaluated] == [("base", 10), ("price", 30)]
    assert evaluation(world, decision_key=fact.decision_key, variables={"amount": 4}).output == 40


def test_a_decision_without_an_answer_is_a_fact_with_its_failure() -> None:
    world = World()
    deploy(world, a_dmn=model(decision("d", table("n", "o", "- : 1", "- : 2"))))
    fact = evaluation(world, decision_id="d")
    told = answer(c.EvaluateDecision(id="1", issued_at=world.now), [fact])

    assert (fact.output, fact.failed_decision_id) == (None, "d")
    assert told["failureMessage"].startswith("expected to evaluate decision 'd', but the hit policy UNIQUE")
    assert [each["output"] for each in told["evaluatedDecisions"]] == ["null"]


def test_a_decision_that_is_not_deployed_or_deleted_is_not_found() -> None:
    world = World()
    requirements = next(fact for fact in deploy(world, a_dmn=PRICE) if isinstance(fact, e.DecisionRequirementsDefined))
    assert not isinstance(world.submit(c.DeleteResource, key=requirements.key), Rejected)

    for arguments in ({"decision_id": "price"}, {"decision_id": "other"}, {"decision_key": 5}):
        refused = world.submit(c.EvaluateDecision, **arguments)
        assert isinstance(refused, Rejected)
        assert refused.code == "NOT_FOUND"
    assert [fact.version for fact in deploy(world, a_dmn=PRICE) if isinstance(fact, e.DecisionDefined)] == [2, 2]


def test_a_business_rule_task_sets_its_result_variable_and_leaves_a_fact() -> None:
    world = World()
    deploy(world, a_dmn=PRICE, p_bpmn=calling())
    instance = run(world, amount=4)

    assert not instance.running
    fact = next(each for each in world.events() if isinstance(each, e.DecisionEvaluated))
    assert (fact.output, fact.instance_key) == (40, instance.key)
    assert [each.variables for each in world.events() if isinstance(each, e.VariablesSet)][-1] == {"total": 40}


def test_the_decision_id_may_be_an_expression() -> None:
    world = World()
    deploy(world, a_dmn=PRICE, p_bpmn=calling('decisionId="= which"'))

    assert not run(world, amount=4, which="price").running


def incident(world: World) -> e.IncidentRaised:
    return [each for each in world.events() if isinstance(each, e.IncidentRaised)][-1]


def test_a_missing_decision_is_an_incident_that_goes_once_it_is_deployed() -> None:
    world = World()
    deploy(world, p_bpmn=calling())
    instance = run(world, amount=4)
    assert incident(world).incident_type == "CALLED_DECISION_ERROR"

    deploy(world, a_dmn=PRICE)
    world.submit(c.ResolveIncident, key=incident(world).key)
    world.check()

    assert not instance.running


def test_a_decision_without_an_answer_is_an_incident() -> None:
    world = World()
    deploy(world, a_dmn=model(decision("price", table("amount", "o", "- : 1", "- : 2"))), p_bpmn=calling())
    assert run(world, amount=4).running

    assert incident(world).incident_type == "DECISION_EVALUATION_ERROR"
    assert "hit policy UNIQUE" in incident(world).message


def test_a_decision_id_that_is_no_text_is_an_incident() -> None:
    world = World()
    deploy(world, a_dmn=PRICE, p_bpmn=calling('decisionId="= which"'))
    run(world, amount=4, which=5)

    assert incident(world).incident_type == "EXTRACT_VALUE_ERROR"


def test_the_binding_says_which_version_answers() -> None:
    newer = PRICE.replace(b"10", b"20").replace(b'"v1"', b'"v2"')
    results = {}
    for binding in ("latest", "deployment", 'versionTag" versionTag="v1'):
        world = World()
        deploy(world, a_dmn=PRICE, p_bpmn=calling(f'decisionId="price" bindingType="{binding}"'))
        deploy(world, a_dmn=newer)
        run(world, amount=1)
        fact = next(each for each in world.events() if isinstance(each, e.DecisionEvaluated))
        results[binding] = fact.output

    assert list(results.values()) == [20, 10, 10]


def test_a_process_that_is_bound_to_its_deployment_is_new_when_the_decision_is() -> None:
    world = World()
    process = calling('decisionId="price" bindingType="deployment"')
    deploy(world, a_dmn=PRICE, p_bpmn=process)
    assert "ProcessDefined" not in kinds(deploy(world, a_dmn=PRICE, p_bpmn=process))
    assert "ProcessDefined" in kinds(deploy(world, a_dmn=PRICE.replace(b"10", b"20"), p_bpmn=process))

    run(world, amount=1)

    assert next(each for each in world.events() if isinstance(each, e.DecisionEvaluated)).output == 20


def test_a_loop_of_decisions_never_waits_and_is_refused() -> None:
    process = bpmn(
        "o start -> x join; x join -> ask; ask -> x choice; x choice ->[= total > 1] O end; x choice ->[else] join"
    )

    refused = World().deploy(asking(process))

    assert isinstance(refused, Rejected)
    assert "loop" in refused.reason or "wait" in refused.reason


def test_a_task_with_a_job_is_a_task_for_workers_still() -> None:
    process = bpmn("o start -> ask -> O end").replace(b"serviceTask", b"businessRuleTask")
    Run(process).create().complete("ask").then("element-completed ask", "instance-completed")


def test_what_an_evaluation_leaves_behind_is_bounded() -> None:
    world = World()
    wide = [decision(f"d{index}", table("text", "o", "- : 1")) for index in range(5)]
    wide.append(decision("d", literal("1"), *(f"d{index}" for index in range(5))))
    deploy(world, a_dmn=model(*wide))
    fact = evaluation(world, decision_id="d", variables={"text": "x" * 1_000_000})

    assert "more than 4194304 bytes" in str(fact.failure)
    assert fact.evaluated == ()
