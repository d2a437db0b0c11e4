"""Call activities (ZC-142 to ZC-158)."""

from collections import deque
from typing import Any

import pytest

from domain import commands as c
from domain import events as e
from domain.instance import Instance
from domain.results import Rejected
from tests.checklist.telling import (
    all_of,
    deployed,
    entered,
    first,
    last,
    place,
    raised,
    rejection,
    resolve,
    set_variables,
)
from tests.support.amend import Model
from tests.support.bpmn import bpmn
from tests.support.given import Run, given

CALL = "o start -> call c q -> after -> O end"
CHILD = "o cs -> work -> O ce"


def _calls(inputs: dict[str, str] | None = None, outputs: dict[str, str] | None = None, **called: str) -> Run:
    """Return a run in which `p` calls `q`, with mappings and attributes of `zeebe:calledElement`."""
    caller = Model(CALL)
    if inputs or outputs:
        caller.map("c", inputs, outputs)
    if called:
        caller.drop("c", "calledElement")
        attributes = "".join(f" {name}='{value}'" for name, value in {"processId": "q", **called}.items())
        caller.extend("c", f"<zeebe:calledElement{attributes}/>")
    return deployed(caller, Model(CHILD, "q"))


def _deploy(run: Run, text: str, process_id: str) -> None:
    answer = run.world.deploy(bpmn(text, process_id))
    assert not isinstance(answer, Rejected), answer.reason


def _child(run: Run) -> Instance:
    return next(instance for instance in run.world.instances() if instance.process_id == "q")


def test_the_latest_version_is_called_at_its_none_start_event() -> None:
    """ZC-142."""
    run = given(CALL, q=CHILD)
    _deploy(run, "on message other go -> O x; o cs -> newer -> O ce", "q")

    run.create()
    assert (_child(run).version, [job.element for job in _child(run).jobs.values()]) == (2, ["newer"])


def test_a_child_knows_who_called_it() -> None:
    """ZC-143."""
    run = given(CALL, q=CHILD).create()
    created = last(run, e.InstanceCreated)

    assert created.parent_key == created.root_key == first(run).key
    assert created.parent_element_key == place(run, "c").key


def test_all_visible_variables_go_to_the_child() -> None:
    """ZC-144."""
    run = _calls({"b": "=a + 1"}).create(a=1)

    assert _child(run).root.variables == {"a": 1, "b": 2}


def test_without_propagation_only_inputs_go_to_the_child() -> None:
    """ZC-145."""
    run = _calls({"b": "=a + 1"}, propagateAllParentVariables="false").create(a=1)

    assert _child(run).root.variables == {"b": 2}


@pytest.mark.parametrize(
    ("called", "outputs", "expected"),
    [
        ({}, {}, {"a": 2, "x": 3}),
        ({"propagateAllChildVariables": "false"}, {}, {"a": 1}),
        ({"propagateAllChildVariables": "false"}, {"y": "=x"}, {"a": 1, "y": 3}),
        ({"propagateAllChildVariables": "true"}, {"y": "=x"}, {"a": 1, "y": 3}),
        ({}, {"y": "=x + a"}, {"a": 1, "y": 5}),
    ],
)
def test_what_comes_back_from_the_child(
    called: dict[str, str], outputs: dict[str, str], expected: dict[str, Any]
) -> None:
    """ZC-146, ZC-147, ZC-148, ZC-149."""
    run = _calls(None, outputs, **called).create(a=1).complete("work", a=2, x=3)

    assert first(run).root.variables == expected
    assert entered(run, "after") == 1


def test_the_called_process_may_be_an_expression() -> None:
    """ZC-150."""
    run = _calls(processId="=which").create(which="q")

    assert _child(run).running


def test_an_interrupting_boundary_event_ends_the_child() -> None:
    """ZC-151."""
    run = given("o start -> call c q -> O end; at c timer t PT1H -> late -> O e2", q=CHILD).create().advance(3600)

    assert _child(run).status == "terminated"
    assert entered(run, "late") == 1
    run.then("child-released", "element-terminated c", "element-entered t")


def test_cancelling_ends_the_child_whose_variables_are_lost() -> None:
    """ZC-152."""
    run = given(CALL, q="o cs -> script s x = 1 -> work -> O ce").create()

    run.when(c.CancelInstance, key=first(run).key)
    assert [instance.status for instance in run.world.instances()] == ["terminated", "terminated"]
    assert not all_of(run, e.ChildReturned)


def test_a_child_cannot_be_cancelled_alone() -> None:
    """ZC-153."""
    run = given(CALL, q=CHILD).create()

    assert rejection(run.when(c.CancelInstance, key=_child(run).key)) == "INVALID_STATE"
    assert isinstance(run.answer, Rejected)
    assert str(first(run).key) in run.answer.reason
    assert _child(run).running


def test_a_failing_input_holds_the_call() -> None:
    """ZC-154."""
    run = _calls({"b": "=assert(a, a != null)"}).create()
    assert raised(run) == [("c", "IO_MAPPING_ERROR")]
    assert not all_of(run, e.ChildCalled)

    set_variables(run, a=1)
    resolve(run)
    assert _child(run).root.variables == {"a": 1, "b": 1}


def test_a_process_that_is_not_deployed_can_be_deployed_and_the_call_goes_on() -> None:
    """ZC-155, ZC-157."""
    run = given(CALL).create()
    assert raised(run) == [("c", "CALLED_ELEMENT_ERROR")]

    _deploy(run, CHILD, "q")
    resolve(run)
    assert _child(run).running


def test_a_process_without_a_none_start_event_cannot_be_called() -> None:
    """ZC-155."""
    run = given(CALL, q="on message cs go -> O ce").create()

    assert raised(run) == [("c", "CALLED_ELEMENT_ERROR")]


@pytest.mark.parametrize("which", [None, 5])
def test_an_id_that_is_no_text_is_an_incident(which: Any) -> None:
    """ZC-156."""
    run = _calls(processId="=which").create(which=which)

    assert raised(run) == [("c", "EXTRACT_VALUE_ERROR")]


def test_a_call_may_be_interrupted_while_the_child_is_completing() -> None:
    """ZC-158: the answer of the child is on its way when the boundary event comes."""
    run = given("o start -> call c q -> O end; at c message m stop -> late -> O e2", q=CHILD).create(key="k")
    caller, child = run.world.instances()
    later: deque[c.AnyCommand] = deque()
    completed = c.CompleteJob(id="complete", issued_at=run.world.now, key=run.job("work"))
    run.world._run(completed, later)  # the reactions wait here, as between two partitions
    assert child.status == "completed"

    run.publish("stop", "k")
    while later:
        run.world._run(later.popleft(), later)
    run.world.check()
    assert [element.element for element in caller.elements.values()] == ["p", "late"]
    run.complete("late")
    assert [instance.status for instance in run.world.instances()] == ["completed", "completed"]


def test_a_call_bound_to_the_deployment_stays_with_the_version_it_came_with() -> None:
    """ZC-142, with binding deployment."""
    caller = Model(CALL).drop("c", "calledElement")
    caller.extend("c", '<zeebe:calledElement processId="q" bindingType="deployment"/>')
    run = deployed(caller, Model(CHILD, "q"))
    run.world.deploy(bpmn("o cs -> newer -> O ce", "q"))

    run.create()
    assert [event.element for event in all_of(run, e.JobCreated)] == ["work"]


def test_a_caller_bound_to_its_deployment_is_a_new_version_when_the_called_process_is() -> None:
    caller = Model(CALL).drop("c", "calledElement")
    caller.extend("c", '<zeebe:calledElement processId="q" bindingType="deployment"/>')
    run = deployed(caller, Model(CHILD, "q"))

    run.world.deploy(caller.content, Model(CHILD, "q").content)
    assert [event.version for event in all_of(run, e.ProcessDefined) if event.process_id == "p"] == [1]
    run.world.deploy(caller.content, bpmn("o cs -> newer -> O ce", "q"))
    assert [event.version for event in all_of(run, e.ProcessDefined) if event.process_id == "p"] == [1, 2]
    run.create()
    assert last(run, e.JobCreated).element == "newer"


def test_a_call_bound_to_a_deployment_without_the_called_process_is_an_incident() -> None:
    caller = Model(CALL).drop("c", "calledElement")
    caller.extend("c", '<zeebe:calledElement processId="q" bindingType="deployment"/>')
    run = deployed(caller)
    run.world.deploy(bpmn(CHILD, "q"))

    run.create()
    assert raised(run) == [("c", "CALLED_ELEMENT_ERROR")]
