"""Boundary events (ZC-079 to ZC-089)."""

import pytest

from domain import commands as c
from domain import events as e
from tests.checklist.telling import all_of, deployed, entered, last, place, raised, resolve, set_variables
from tests.support.amend import Model
from tests.support.given import given


def test_an_interrupting_event_ends_the_activity_and_its_work_before_it_begins() -> None:
    """ZC-079."""
    run = given("o start -> pack -> O end; at pack message m stop -> after -> O e2").create(key="k")

    run.publish("stop", "k").then("job-canceled", "element-terminated pack", "element-entered m").active("after")


def test_all_flows_of_a_boundary_event_are_taken() -> None:
    """ZC-080."""
    run = given("o start -> pack -> O end; at pack timer t PT1H -> one -> O e2; t -> two -> O e3").create()

    run.advance(3600).active("one", "two")


def test_outputs_of_a_boundary_event_pick_from_what_its_trigger_brought() -> None:
    """ZC-081."""
    process = Model("o start -> pack -> O end; at pack message m stop -> after -> O e2").map(
        "m", outputs={"why": "=reason"}
    )
    run = deployed(process).create(key="k").publish("stop", "k", reason="late", more=1)

    assert run.variables() == {"key": "k", "why": "late"}


def test_outputs_of_a_boundary_event_see_the_scope_around_not_the_activity() -> None:
    """ZC-082."""
    process = Model("o start -> pack -> O end; at pack timer t PT1H -> after -> O e2")
    run = deployed(process.map("pack", {"x": "=1"}).map("t", outputs={"y": "=x"})).create(x=2).advance(3600)

    assert run.variables() == {"x": 2, "y": 2}


def test_all_inside_of_a_sub_process_ends_before_its_boundary_event_begins() -> None:
    """ZC-083."""
    run = given(
        "o start -> sub s { o i -> + f -> a -> O j; f -> b -> O k } -> O end; at s timer t PT1H -> after -> O e2"
    )

    run.create().advance(3600).then("element-terminated b", "element-terminated a", "element-terminated s")
    run.then("element-terminated s", "element-entered t").active("after")


def test_a_cycle_of_an_event_that_does_not_interrupt_is_set_again() -> None:
    """ZC-084."""
    run = given("o start -> pack -> O end; at pack ~ timer t R/PT1H -> hurry -> O e2").create()

    run.advance(3600).then("timer-fired", "timer-set").active("pack", "hurry")
    run.advance(3600).active("pack", "hurry", "hurry")


def test_keys_and_times_of_boundary_events_are_of_the_scope_around() -> None:
    """ZC-085."""
    process = Model("o start -> pack -> O end; at pack message m stop -> O e2; at pack timer t =wait -> O e3")
    run = deployed(process.map("pack", {"key": "=1", "wait": '="nothing"'})).create(key="k", wait="PT5M")

    assert last(run, e.MessageSubscribed).correlation_key == "k"
    assert last(run, e.TimerSet).due == run.world.now.replace(minute=5)


def test_a_key_that_cannot_be_evaluated_is_an_incident_of_the_activity_mended_in_the_scope_around() -> None:
    """ZC-086."""
    process = Model("o start -> pack -> O end; at pack message m stop -> O e2").map("pack", {"key": '="inner"'})
    run = deployed(process).create()
    assert raised(run) == [("pack", "EXTRACT_VALUE_ERROR")]
    assert not run.instance.jobs

    set_variables(run, "pack", local=True, key="k")
    resolve(run)
    assert raised(run) == [("pack", "EXTRACT_VALUE_ERROR")], "the activity's own variables do not help"
    set_variables(run, key="k")
    resolve(run).then("message-subscribed", "job-created pack")


def test_several_events_that_do_not_interrupt_each_trigger_again_and_again() -> None:
    """ZC-087."""
    process = "o start -> pack -> O end; at pack ~ message m one -> a -> O e2; at pack ~ signal s two -> b -> O e3"
    run = given(process).create(key="k")

    for _ in range(2):
        run.publish("one", "k").when(c.BroadcastSignal, name="two")
    run.active("pack", "a", "a", "b", "b")


def test_a_boundary_event_does_not_begin_when_its_scope_has_ended() -> None:
    """ZC-088, ZC-095."""
    process = "o start -> sub s { o i -> pack -> O j; at pack message m stop -> O k } -> O end; at s message n out -> after -> O e2"
    run = given(process).create(key="k").publish("out", "k").active("after")

    run.publish("stop", "k").active("after")
    assert entered(run, "m") == 0
    assert not run.instance.messages


@pytest.mark.parametrize("event", ["timer b PT1H", "message b stop", "signal b stop", "error b BAD"])
def test_a_boundary_event_needs_no_flow_and_lets_the_scope_complete(event: str) -> None:
    """ZC-089."""
    run = given(f"o start -> pack -> O end; at pack {event}").create(key="k")

    run.advance(3600).publish("stop", "k").when(c.BroadcastSignal, name="stop")
    if run.instance.running:
        run.when(c.ThrowJobError, key=run.job("pack"), code="BAD")
    run.completed()


def test_an_event_without_flow_that_does_not_interrupt_lets_the_activity_run() -> None:
    """ZC-089."""
    run = given("o start -> pack -> O end; at pack ~ timer b PT1H").create().advance(3600).active("pack")

    run.complete("pack").completed()
    assert len(all_of(run, e.TimerFired)) == 1


def test_a_boundary_event_runs_in_the_scope_of_its_activity() -> None:
    """ZC-079."""
    run = given("o start -> sub s { o i -> pack -> O j; at pack timer t PT1H -> after -> O k } -> O end").create()

    run.advance(3600)
    assert place(run, "after").scope == place(run, "s").key
