"""Terminate end events and link events (ZC-159 to ZC-168)."""

import pytest

from domain import commands as c
from domain import events as e
from tests.checklist.telling import all_of, deployed, entered, first, place, raised, refused, resolve, set_variables
from tests.support.amend import Model
from tests.support.given import given

# --- terminate -----------------------------------------------------------------------------------------------------------


def test_a_terminate_end_event_ends_all_else_in_its_scope_and_completes_it() -> None:
    """ZC-159, ZC-160."""
    run = given("o start -> + f -> a -> O end; f -> sub s { o i -> b -> O j } -> O e2; f -> stop -> O! x").create()

    run.complete("stop").then(
        "element-terminated b", "element-terminated s", "element-terminated a", "element-completed x"
    )
    run.then("element-completed x", "instance-completed").completed()


def test_event_sub_processes_that_run_in_the_scope_end_too() -> None:
    """ZC-159."""
    process = Model("o start -> stop -> O! x").handler("on message hs go -> hold -> O he", interrupting=False)
    run = deployed(process).create(key="k").publish("go", "k").active("stop", "handler", "hold")

    run.complete("stop").completed()


def test_in_a_sub_process_only_that_ends() -> None:
    """ZC-161."""
    run = given(
        "o start -> + f -> other -> O end; f -> sub s { o i -> + g -> a -> O j; g -> b -> O! x } -> after -> O e2"
    )

    run.create().complete("b").active("other", "after")


def test_in_an_event_sub_process_only_that_ends() -> None:
    """ZC-161."""
    process = Model("o start -> pack -> O end")
    process.handler("on message hs go -> + hf -> a -> O he; hf -> b -> O! x", interrupting=False)
    run = deployed(process).create(key="k").publish("go", "k").active("pack", "handler", "a", "b")

    run.complete("b").active("pack")


def test_in_an_iteration_only_that_ends() -> None:
    """ZC-161."""
    process = Model("o start -> sub s { o i -> + g -> a -> O j; g -> b -> O! x } -> after -> O end").each("s")
    run = deployed(process).create(items=[1, 2])

    run.complete("b").active("s", "s", "a", "b")
    run.complete("b").active("after")


def test_in_a_called_process_the_caller_goes_on() -> None:
    """ZC-162."""
    run = given("o start -> call c q -> after -> O end", q="o cs -> + g -> a -> O ce; g -> b -> O! x").create()

    run.complete("b")
    assert [instance.status for instance in run.world.instances()] == ["active", "completed"]
    assert place(run, "after").scope == first(run).key


def test_tokens_at_a_join_are_removed() -> None:
    """ZC-163."""
    run = given("o start -> + f -> a -> + j -> O end; f -> b -> j; f -> stop -> O! x").create().complete("a")

    run.complete("stop").completed()
    assert entered(run, "j") == 0


# --- links ---------------------------------------------------------------------------------------------------------------


def test_a_link_goes_on_at_the_catch_event_of_its_name() -> None:
    """ZC-164."""
    run = given("o start -> link> a one; >link b two -> no -> O end; >link d one -> yes -> O e2").create()

    run.then("element-completed a", "element-entered d", "element-completed d").active("yes")


def test_several_throw_events_lead_to_one_catch_event_once_per_token() -> None:
    """ZC-165."""
    run = given("o start -> + f -> link> a one; f -> w -> link> b one; >link d one -> work -> O end").create()

    run.active("w", "work").complete("w").active("work", "work")
    assert entered(run, "d") == 2


def test_a_link_goes_on_after_an_incident_of_its_mappings() -> None:
    """ZC-164: the token is not lost."""
    process = Model("o start -> link> a one; >link d one -> work -> O end")
    run = deployed(process.map("a", outputs={"x": "=assert(y, y != null)"})).create()
    assert raised(run) == [("a", "IO_MAPPING_ERROR")]

    set_variables(run, y=1)
    resolve(run).active("work")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("o start -> link> a ; >link b one -> O end", "the link to have a name"),
        ("o start -> link> a one; >link b one -> O end; >link d one -> O e2", "one catch event for link 'one'"),
        ("o start -> link> a one; >link b two -> O end", "a catch event for link 'one'"),
    ],
)
def test_links_that_do_not_meet_are_refused(text: str, reason: str) -> None:
    """ZC-166."""
    assert reason in refused(Model(text))


def test_a_link_catch_event_is_not_allowed_behind_an_event_based_gateway() -> None:
    """ZC-167."""
    reason = refused(Model("o start -> e g -> >link b one -> O end; g -> timer t PT1H -> link> a one"))

    assert "event-based gateway" in reason


@pytest.mark.parametrize(
    "text",
    [
        "o start -> sub s { o i -> link> a one } -> O e2; >link b one -> O end",
        "o start -> link> a one; sub s { o i -> O j; >link b one -> O k } -> O e2",
    ],
)
def test_links_do_not_cross_the_border_of_a_scope(text: str) -> None:
    """ZC-168."""
    assert "a catch event for link 'one'" in refused(Model(text))


def test_a_link_keeps_to_its_own_scope() -> None:
    """ZC-164, ZC-168: the same name in two scopes are two links."""
    run = given(
        "o start -> sub s { o i -> link> a one; >link b one -> inner -> O j } -> link> x one; >link y one -> outer -> O end"
    ).create()

    run.active("s", "inner").complete("inner").active("outer")
    run.when(c.CancelInstance, key=run.instance.key)
    assert len(all_of(run, e.InstanceTerminated)) == 1
