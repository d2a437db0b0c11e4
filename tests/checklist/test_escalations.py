"""Escalation events (ZC-186 to ZC-195)."""

import pytest

from domain import events as e
from tests.checklist.telling import all_of, deployed, entered, raised, resolve, set_variables
from tests.support.amend import Model
from tests.support.given import given

THROW = "o start -> sub s { o i -> escalate t LATE -> inside -> O j } -> O end"
END = '<escalationEventDefinition escalationRef="late"/>'


def _ends(text: str, code: str = "LATE") -> Model:
    """Return the model with an escalation end event in place of the none end event `x`."""
    return Model(text).put("x", END).root(f"<escalation id='late' escalationCode='{code}'/>")


def test_a_throw_event_that_nobody_catches_goes_on() -> None:
    """ZC-186."""
    run = given("o start -> escalate t LATE -> after -> O end").create().active("after")

    assert not raised(run)
    given(f"{THROW}; at s escalation b OTHER -> O k").create().active("s", "inside")


def test_an_end_event_that_nobody_catches_is_complete() -> None:
    """ZC-187."""
    deployed(_ends("o start -> O x")).create().then("element-completed x", "instance-completed").completed()


def test_an_interrupting_event_ends_the_sub_process_and_what_threw() -> None:
    """ZC-188."""
    run = given(f"{THROW}; at s escalation b LATE -> handle -> O k").create()

    run.then("element-terminated t", "element-terminated s", "element-entered b").active("handle")
    assert entered(run, "inside") == 0
    run = deployed(_ends("o start -> sub s { o i -> O x } -> O end; at s escalation b LATE -> handle -> O k", "LATE"))
    run.create().then("element-terminated x", "element-terminated s", "element-entered b").active("handle")


def test_an_event_that_does_not_interrupt_lets_both_paths_go_on() -> None:
    """ZC-189."""
    given(f"{THROW}; at s ~ escalation b LATE -> handle -> O k").create().active("s", "inside", "handle")
    process = Model("o start -> escalate t LATE -> after -> O end")
    run = deployed(process.handler("on escalation hs LATE -> hold -> O he", interrupting=False)).create()
    run.active("after", "handler", "hold")


@pytest.mark.parametrize(
    "order",
    [
        "at s escalation b LATE -> exact -> O k; at s escalation d -> all -> O l",
        "at s escalation d -> all -> O l; at s escalation b LATE -> exact -> O k",
    ],
)
def test_the_same_code_wins_over_one_that_catches_all(order: str) -> None:
    """ZC-190."""
    given(f"{THROW}; {order}").create().active("exact")


def test_one_without_a_code_catches_all() -> None:
    """ZC-190."""
    given(f"{THROW}; at s escalation b OTHER -> no -> O k; at s escalation d -> all -> O l").create().active("all")


@pytest.mark.parametrize("mark", ["~ ", ""])
def test_escalations_cross_call_activities_also_several(mark: str) -> None:
    """ZC-191."""
    run = given(
        f"o start -> call c q -> O end; at c {mark}escalation b LATE -> handle -> O k",
        q="o qs -> call d r -> O qe",
        r="o rs -> escalate t LATE -> work -> O re",
    ).create()

    statuses = ["active", "active", "active"] if mark else ["active", "terminated", "terminated"]
    assert [instance.status for instance in run.world.instances()] == statuses
    assert entered(run, "handle") == 1
    assert [fact.code for fact in all_of(run, e.EscalationPropagated)] == ["LATE", "LATE"]


def test_an_escalation_that_ends_the_child_reaches_the_parent_first() -> None:
    """ZC-187, ZC-191: the child is complete with its end event, and yet the parent is interrupted."""
    run = deployed(
        Model("o start -> call c q -> after -> O end; at c escalation b LATE -> handle -> O k"),
        Model("o qs -> O x", "q").put("x", END).root("<escalation id='late' escalationCode='LATE'/>"),
    ).create()

    assert (entered(run, "handle"), entered(run, "after")) == (1, 0)


def test_codes_are_compared_as_text() -> None:
    """ZC-192."""
    shape = (
        "o start -> sub s {{ o i -> escalate t 404 -> inside -> O j }} -> O end; at s escalation b {} -> handle -> O k"
    )

    given(shape.format("404")).create().active("handle")
    given(shape.format("404.0")).create().active("s", "inside")


def test_the_code_may_be_an_expression() -> None:
    """ZC-193."""
    shape = "o start -> sub s { o i -> escalate t =code -> inside -> O j } -> O end; at s escalation b LATE -> handle -> O k"

    given(shape).create(code="LATE").active("handle")
    given(shape).create(code="OTHER").active("s", "inside")


def test_each_iteration_handles_its_own() -> None:
    """ZC-194."""
    process = Model("o start -> sub s { o i -> pack -> escalate t LATE -> O j } -> after -> O end").each("s")
    process.handler("on escalation hs LATE -> hold -> O he", inside="s")
    run = deployed(process).create(items=[1, 2])

    run.complete("pack").active("s", "s", "s", "handler", "hold", "pack")
    run.complete("hold").active("s", "s", "pack")
    run.complete("pack").complete("hold").active("after")


def test_an_event_at_the_body_is_triggered_by_each_iteration() -> None:
    """ZC-194."""
    process = Model(
        "o start -> sub s { o i -> pack -> escalate t LATE -> O j } -> after -> O end; at s ~ escalation b LATE -> handle -> O k"
    )
    run = deployed(process.each("s")).create(items=[1, 2]).complete("pack").active("s", "s", "pack", "handle")

    run.complete("pack").active("after", "handle", "handle")


@pytest.mark.parametrize("shape", ["o start -> escalate t =code -> O end", "o start -> O x"])
def test_a_code_that_is_no_text_is_an_incident(shape: str) -> None:
    """ZC-195."""
    process = Model(shape) if "escalate" in shape else _ends(shape, "=code")
    run = deployed(process).create(code=5)

    assert raised(run) == [("t" if "escalate" in shape else "x", "EXTRACT_VALUE_ERROR")]
    set_variables(run, code="LATE")
    resolve(run).completed()
