"""The checklist of engine semantics: deployment (ZC-332 to ZC-346)."""

import pytest

from domain import commands as c
from domain import events as e
from domain.results import Rejected
from tests.checklist.edits import process
from tests.dmn.models import decision, literal, model
from tests.support.given import Run
from tests.support.world import World

PACK = process("o start -> pack -> O end")
WAITS = "on timer t R/PT10S -> work -> O e1; on message m paid -> work2 -> O e2; on signal s alarm -> work3 -> O e3"
TWO = PACK.replace(
    b"</definitions>", process("o begin -> ship -> O done", "q").partition(b'"http://procession.test">')[2]
)


def deploy(world: World, *resources: tuple[str, bytes]) -> list[e.Event] | Rejected:
    answer = world.submit(c.DeployResources, resources=tuple(c.Resource(*each) for each in resources))
    world.check()
    return answer


def versions(answer: list[e.Event] | Rejected) -> list[tuple[str, int, str]]:
    """Return (id, version, "new" or "kept") of the processes."""
    assert not isinstance(answer, Rejected), answer.reason
    found = [(fact.process_id, fact.version, "new") for fact in answer if isinstance(fact, e.ProcessDefined)]
    return found + [(fact.definition_id, fact.version, "kept") for fact in answer if isinstance(fact, e.DefinitionKept)]


@pytest.mark.parametrize(
    "bad",
    [
        b"no xml",
        process("o start -> throw a; a -> a"),
        PACK.replace(b'isExecutable="true"', b'isExecutable="false"'),
        process("o other -> ship -> O end"),
        b"",
    ],
)
def test_one_invalid_resource_refuses_all_and_leaves_nothing(bad: bytes) -> None:
    """ZC-332, ZC-333, ZC-334"""
    world = World()

    answer = deploy(world, ("good.bpmn", process(WAITS, "p")), ("bad.bpmn", bad))
    assert isinstance(answer, Rejected)
    assert answer.code == "INVALID_ARGUMENT"
    assert "bad.bpmn" in answer.reason
    assert world.log == []
    assert not world.deployed.timers
    assert not list(world.deployed.message_starts("paid"))


def test_a_change_of_content_or_name_is_a_new_version_and_the_same_is_kept() -> None:
    """ZC-335, ZC-336"""
    world = World()
    other = process("o start -> ship -> O end")

    assert versions(deploy(world, ("a.bpmn", PACK))) == [("p", 1, "new")]
    key = world.deployed.latest_key("p")
    assert versions(deploy(world, ("a.bpmn", PACK))) == [("p", 1, "kept")]
    assert world.deployed.latest_key("p") == key
    assert versions(deploy(world, ("b.bpmn", PACK))) == [("p", 2, "new")]
    assert versions(deploy(world, ("b.bpmn", other))) == [("p", 3, "new")]
    assert versions(deploy(world, ("a.bpmn", PACK))) == [("p", 4, "new")]


def test_all_executable_processes_of_a_file_are_deployed_and_no_others() -> None:
    """ZC-337"""
    assert versions(deploy(World(), ("a.bpmn", TWO))) == [("p", 1, "new"), ("q", 1, "new")]
    one = TWO.replace(b'<process id="q" isExecutable="true"', b'<process id="q"')
    assert versions(deploy(World(), ("a.bpmn", one))) == [("p", 1, "new")]


def test_a_message_that_nobody_uses_may_be_invalid() -> None:
    """ZC-338"""
    for unused in (b"<message/>", b'<message id="m"/>', b'<message id="m" name="=1 +"/>'):
        assert versions(deploy(World(), ("a.bpmn", PACK.replace(b"<process ", unused + b"<process ", 1))))


def test_a_collaboration_of_several_pools_is_deployed() -> None:
    """ZC-339"""
    pools = (
        b'<collaboration id="c"><participant id="x" processRef="p"/><participant id="y" processRef="q"/>'
        b'<messageFlow id="z" sourceRef="pack" targetRef="y"/></collaboration><process '
    )
    world = World()
    assert versions(deploy(world, ("a.bpmn", TWO.replace(b"<process ", pools, 1)))) == [
        ("p", 1, "new"),
        ("q", 1, "new"),
    ]

    world.submit(c.CreateInstance, process_id="q")
    assert [job.element for each in world.instances() for job in each.jobs.values()] == ["ship"]


def test_decisions_have_versions_per_id() -> None:
    """ZC-340"""
    world = World()
    deploy(world, ("a.dmn", model(decision("d", literal("1")), decision("f", literal("2")))))
    answer = deploy(world, ("b.dmn", model(decision("d", literal("3")), model_id="other")))

    assert isinstance(answer, list)
    (graph,) = (fact for fact in answer if isinstance(fact, e.DecisionRequirementsDefined))
    (found,) = (fact for fact in answer if isinstance(fact, e.DecisionDefined))
    assert (graph.requirements_id, graph.version) == ("other", 1)
    assert (found.decision_id, found.version) == ("d", 2)


@pytest.mark.parametrize(
    "files",
    [
        {"a.dmn": b"no xml"},
        {"a.dmn": model(decision("d", literal("1"))).replace(b'<decision id="d" name="d"', b'<decision id="d"')},
        {"a.dmn": model(decision("d", literal("1"))), "b.dmn": model(decision("f", literal("1")))},
        {"a.dmn": model(decision("d", literal("1"))), "b.dmn": model(decision("d", literal("1")), model_id="n")},
    ],
)
def test_bad_or_doubled_decision_models_are_refused(files: dict[str, bytes]) -> None:
    """ZC-341"""
    answer = deploy(World(), *files.items())

    assert isinstance(answer, Rejected)
    assert answer.code == "INVALID_ARGUMENT"


def two_versions() -> tuple[World, int, int]:
    world = World()
    deploy(world, ("a.bpmn", process(WAITS)))
    deploy(world, ("a.bpmn", process(WAITS.replace("work", "newer"))))
    known = world.deployed.versions["p"]
    return world, known[1], known[2]


def started(world: World) -> list[str]:
    """Start the process by its timer, a message and a signal; return what that began."""
    before = sum(1 for _ in world.instances())
    (due,) = {timer.due for timer in world.deployed.timers.values()} or {world.now}
    world.advance(due - world.now)
    world.submit(c.PublishMessage, name="paid")
    world.submit(c.BroadcastSignal, name="alarm")
    return sorted(job.element for each in list(world.instances())[before:] for job in each.jobs.values())


def test_deleting_the_latest_version_gives_its_starts_back_to_the_one_before() -> None:
    """ZC-343"""
    world, _, latest = two_versions()
    assert started(world) == ["newer", "newer2", "newer3"]

    world.submit(c.DeleteResource, key=latest)
    world.check()
    assert started(world) == ["work", "work2", "work3"]


def test_deleting_an_older_version_changes_nothing_for_the_latest() -> None:
    """ZC-344"""
    world, older, _ = two_versions()
    timers = dict(world.deployed.timers)

    world.submit(c.DeleteResource, key=older)
    assert world.deployed.timers == timers
    assert started(world) == ["newer", "newer2", "newer3"]


def test_without_any_version_nothing_can_be_created_or_started_and_no_version_number_comes_again() -> None:
    """ZC-345"""
    run = Run(PACK).create()
    key = run.world.deployed.latest_key("p")
    run.when(c.DeleteResource, key=key)

    for wanted in ({"process_id": "p"}, {"process_id": "p", "version": 1}, {"definition_key": key}):
        run.when(c.CreateInstance, **wanted)
        assert isinstance(run.answer, Rejected)
        assert run.answer.code == "NOT_FOUND"
    run.complete("pack").completed()
    assert versions(deploy(run.world, ("0.bpmn", PACK))) == [("p", 2, "new")]

    world, older, latest = two_versions()
    world.submit(c.DeleteResource, key=older)
    world.submit(c.DeleteResource, key=latest)
    assert started(world) == []


def test_deleting_what_is_not_there_is_refused() -> None:
    """ZC-346"""
    world, older, _ = two_versions()
    world.submit(c.DeleteResource, key=older)

    for key in (older, 1234):
        answer = world.submit(c.DeleteResource, key=key)
        assert isinstance(answer, Rejected)
        assert answer.code == "NOT_FOUND"
