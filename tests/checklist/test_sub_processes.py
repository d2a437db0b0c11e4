"""Embedded sub-processes and event sub-processes (ZC-090 to ZC-115)."""

import pytest

from domain import commands as c
from domain import events as e
from tests.checklist.telling import all_of, deployed, entered, place, raised, resolve, seen_at, set_variables
from tests.support.amend import Model
from tests.support.given import Run, given

# --- embedded ------------------------------------------------------------------------------------------------------------


def test_a_sub_process_begins_at_its_start_and_ends_with_its_last_token() -> None:
    """ZC-090."""
    run = given("o start -> sub s { o i -> + f -> a -> O j; f -> b -> O k } -> after -> O end").create()

    run.complete("a").active("s", "b")
    run.complete("b").then("element-completed s").active("after")


def test_terminating_a_sub_process_ends_all_in_it_also_tokens_at_a_join() -> None:
    """ZC-091."""
    process = (
        "o start -> sub s { o i -> + f -> a -> + j -> O k; f -> b -> j } -> O end; at s timer t PT1H -> after -> O e2"
    )
    run = given(process).create().complete("a")

    run.advance(3600).then("element-terminated b", "element-terminated s").active("after")
    assert entered(run, "j") == 0


def test_a_sub_process_with_running_events_ends_as_a_whole() -> None:
    """ZC-092."""
    process = Model(
        "o start -> sub s { o i -> pack -> O j; at pack ~ timer t PT1M -> side -> O k } -> O end; at s timer u PT1H -> O e2"
    )
    process.handler("on timer hs PT2M -> aside -> O he", inside="s", interrupting=False)
    run = deployed(process).create().advance(120).active("s", "pack", "side", "handler", "aside")

    run.advance(3600).then("element-terminated s").completed()


def test_variables_of_a_sub_process_stay_in_it_unless_they_are_mapped() -> None:
    """ZC-093."""
    shape = "o start -> sub s { o i -> pack -> O j } -> after -> O end"
    run = deployed(Model(shape).map("s", {"x": "=x + 1", "y": "=1"})).create(x=1).complete("pack", x=5, y=6)
    assert run.variables() == {"x": 1}

    run = deployed(Model(shape).map("s", {"x": "=x + 1"}, {"x": "=x * 2"})).create(x=1).complete("pack", x=5)
    assert run.variables() == {"x": 10}


def test_a_job_in_a_sub_process_sees_all_scopes_around() -> None:
    """ZC-094."""
    process = Model("o start -> sub s { o i -> sub t { o k -> pack -> O l } -> O j } -> O end")
    run = deployed(process.map("s", {"b": "=2"}).map("t", {"c": "=3"})).create(a=1)

    assert seen_at(run, "pack") == {"a": 1, "b": 2, "c": 3}


def test_an_inner_boundary_event_is_over_once_its_scope_was_interrupted() -> None:
    """ZC-095."""
    process = Model("o start -> sub s { o i -> pack -> O j; at pack timer t PT1H -> O k } -> O end")
    process.handler("on message hs stop -> hold -> O he", inside="s")
    run = deployed(process).create(key="k").publish("stop", "k").advance(7200)

    run.active("s", "handler", "hold")
    assert entered(run, "t") == 0


# --- event sub-processes: interrupting ------------------------------------------------------------------------------------

TRIGGERS = ["timer hs PT1H", "message hs stop", "signal hs stop", "error hs BAD", "escalation hs LATE"]


def _trigger(run: Run, job: str = "a") -> Run:
    """Let all happen that any of the triggers waits for, until the handler runs."""
    before = run.seen
    run.advance(3600).publish("stop", "k").when(c.BroadcastSignal, name="stop")
    if not entered(run, "handler"):
        if any(fact.element == "late" for fact in all_of(run, e.JobCreated)):
            run.complete("late")
        else:
            run.when(c.ThrowJobError, key=run.job(job), code="BAD")
    run.seen = before
    return run


def _interrupted(trigger: str, inside: str = "p", handler: str = "-> hold -> O he") -> Model:
    path = "+ f -> a -> O j; f -> b -> O k" + (
        "; f -> late -> escalate t LATE -> O m" if trigger.startswith("escalation") else ""
    )
    shape = f"o start -> {path}" if inside == "p" else f"o start -> sub s {{ o i -> {path} }} -> after -> O end"
    return Model(shape).handler(f"on {trigger} {handler}", inside=inside)


@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize("inside", ["p", "s"])
def test_an_interrupting_event_sub_process_ends_all_else_then_begins_and_then_its_scope_is_complete(
    trigger: str, inside: str
) -> None:
    """ZC-096, ZC-097, ZC-098."""
    run = _trigger(deployed(_interrupted(trigger, inside)).create(key="k"))

    run.active(*(["s"] if inside == "s" else []), "handler", "hold")
    assert [fact.element for fact in all_of(run, e.ElementTerminated)][-1] == "a"
    run.then("element-terminated a", "scope-interrupted", "element-entered handler", "element-entered hs")
    assert entered(run, "handler") == 1
    run.complete("hold")
    if inside == "s":
        run.then("element-completed handler", "element-completed s").active("after")
    else:
        run.then("element-completed handler", "instance-completed").completed()


def test_once_triggered_no_other_event_of_the_scope_is_waited_for() -> None:
    """ZC-099, ZC-113."""
    process = Model("o start -> pack -> O end").handler("on message hs stop -> hold -> O he")
    process.handler("on message gs other -> nothing -> O ge", name="second")
    process.handler("on error xs -> nothing2 -> O xe", name="third")
    run = deployed(process).create(key="k").publish("stop", "k")

    run.then("message-unsubscribed", "element-terminated pack").active("handler", "hold")
    run.publish("other", "k").publish("stop", "k").active("handler", "hold")
    run.when(c.ThrowJobError, key=run.job("hold"), code="BAD")
    assert raised(run) == [("hold", "UNHANDLED_ERROR_EVENT")]


OUTER = "o start -> sub s { o i -> pack -> O j } -> O end; at s"


def test_boundary_events_of_the_scope_stay_open_and_can_end_it() -> None:
    """ZC-100."""
    process = Model(f"{OUTER} timer t PT1H -> after -> O e2").handler("on message hs stop -> hold -> O he", inside="s")
    run = deployed(process).create(key="k").publish("stop", "k").active("s", "handler", "hold")

    run.advance(3600).then("element-terminated hold", "element-terminated handler", "element-terminated s").active(
        "after"
    )


def test_a_boundary_event_that_does_not_interrupt_can_trigger_while_it_runs() -> None:
    """ZC-101."""
    process = Model(f"{OUTER} ~ timer t PT1H -> beside -> O e2").handler(
        "on message hs stop -> hold -> O he", inside="s"
    )

    deployed(process).create(key="k").publish("stop", "k").advance(3600).active("s", "handler", "hold", "beside")


def test_it_also_ends_what_waits_at_a_join() -> None:
    """ZC-102."""
    process = Model("o start -> + f -> a -> + j -> O end; f -> b -> j").handler("on message hs stop -> hold -> O he")
    run = deployed(process).create(key="k").complete("a").publish("stop", "k")

    run.active("handler", "hold").complete("hold").completed()


def test_it_also_ends_a_gateway_with_an_incident() -> None:
    """ZC-103."""
    process = Model("o start -> x g ->[= a] b -> O end").handler("on message hs stop -> hold -> O he")
    run = deployed(process).create(key="k", a=1)
    assert raised(run) == [("g", "EXTRACT_VALUE_ERROR")]

    run.publish("stop", "k").then("incident-resolved", "element-terminated g").active("handler", "hold")


def test_variables_of_the_interrupted_task_are_not_seen() -> None:
    """ZC-104."""
    process = Model("o start -> pack -> O end").map("pack", {"x": "=1"}).handler("on message hs stop -> hold -> O he")

    assert seen_at(deployed(process).create(key="k").publish("stop", "k"), "hold") == {"key": "k"}


def test_its_own_variables_do_not_travel_and_its_inputs_are_its_own() -> None:
    """ZC-105, ZC-106."""
    process = (
        Model("o start -> pack -> O end").handler("on message hs stop -> hold -> O he").map("handler", {"x": "=a + 1"})
    )
    run = deployed(process).create(key="k", a=1).publish("stop", "k")
    assert place(run, "handler").variables == {"x": 2}

    set_variables(run, "handler", local=True, y=3)
    run.complete("hold", x=7).completed()
    assert run.variables() == {"key": "k", "a": 1}


def test_nothing_in_it_begins_before_its_inputs_could_be_mapped() -> None:
    """ZC-106: a failing mapping holds what is inside, as it does with any activity."""
    process = Model("o start -> pack -> O end").handler("on message hs stop -> hold -> O he")
    run = deployed(process.map("handler", {"x": "=assert(a, a != null)"})).create(key="k").publish("stop", "k", b=2)

    assert raised(run) == [("handler", "IO_MAPPING_ERROR")]
    assert entered(run, "hold") == 0
    set_variables(run, a=1)
    resolve(run)
    assert seen_at(run, "hold") == {"key": "k", "a": 1, "b": 2, "x": 1}
    run.complete("hold").completed()


# --- event sub-processes: beside ------------------------------------------------------------------------------------------


def _beside(trigger: str) -> Run:
    process = Model("o start -> pack -> O end").handler(f"on {trigger} -> hold -> O he", interrupting=False)
    return deployed(process).create(key="k")


@pytest.mark.parametrize("trigger", ["timer hs R/PT1H", "message hs stop", "signal hs stop"])
def test_one_that_does_not_interrupt_runs_beside_the_main_flow_again_and_again(trigger: str) -> None:
    """ZC-107, ZC-111."""
    run = _beside(trigger)

    for _ in range(2):
        run.advance(3600).publish("stop", "k").when(c.BroadcastSignal, name="stop")
    run.active("pack", "handler", "hold", "handler", "hold")


def test_one_that_escalates_can_be_triggered_again() -> None:
    """ZC-107."""
    process = Model("o start -> escalate t LATE -> pack -> escalate u LATE -> more -> O end")
    run = deployed(process.handler("on escalation hs LATE -> hold -> O he", interrupting=False)).create()

    run.active("pack", "handler", "hold").complete("pack").active("more", "handler", "hold", "handler", "hold")


@pytest.mark.parametrize("trigger", ["timer hs PT1H", "timer hs R1/PT1H"])
def test_a_duration_triggers_once(trigger: str) -> None:
    """ZC-108."""
    _beside(trigger).advance(3600).advance(3600).active("pack", "handler", "hold")


def test_each_run_has_variables_of_its_own() -> None:
    """ZC-109."""
    run = _beside("message hs stop").publish("stop", "k").publish("stop", "k")

    for number in (0, 1):
        key = place(run, "handler", number).key
        run.when(c.SetVariables, key=key, variables={"mine": number}, local=True)
    assert [seen_at(run, "hold", number)["mine"] for number in (0, 1)] == [0, 1]
    run.complete("hold").complete("hold").complete("pack")
    assert "mine" not in run.variables()


def test_an_interrupting_boundary_event_of_the_scope_ends_running_ones() -> None:
    """ZC-110."""
    process = Model(f"{OUTER} timer t PT1H -> after -> O e2")
    process.handler("on message hs stop -> hold -> O he", inside="s", interrupting=False)
    run = deployed(process).create(key="k").publish("stop", "k").active("s", "pack", "handler", "hold")

    run.advance(3600).active("after")


def _two() -> Run:
    process = Model("o start -> pack -> O end").handler("on message hs one -> a -> O he", interrupting=False)
    return deployed(process.handler("on message gs two -> b -> O ge", name="second")).create(key="k")


def test_an_interrupting_one_ends_others_that_run() -> None:
    """ZC-112."""
    run = _two().publish("one", "k").active("pack", "handler", "a")

    run.publish("two", "k").then("element-terminated a", "element-terminated handler", "element-terminated pack")
    run.active("second", "b").complete("b").completed()


def test_a_scope_stays_until_all_running_ones_have_ended() -> None:
    """ZC-114."""
    run = _beside("message hs stop").publish("stop", "k").publish("stop", "k")

    run.complete("pack").active("handler", "hold", "handler", "hold")
    run.complete("hold").active("handler", "hold")
    run.complete("hold").completed()


def test_waits_are_closed_when_the_scope_is_complete_or_ended() -> None:
    """ZC-115."""
    _two().complete("pack").then("message-unsubscribed", "message-unsubscribed", "instance-completed")
    run = _two()
    run.when(c.CancelInstance, key=run.instance.key)
    run.then("message-unsubscribed", "message-unsubscribed", "instance-terminated")
