"""The checklist of engine semantics: signals (ZC-196 to ZC-206)."""

from domain import commands as c
from tests.checklist.edits import calm, event_sub, mapped, process, refused
from tests.support.given import Run, given


def broadcast(run: Run, name: str = "alarm", **variables: object) -> Run:
    return run.when(c.BroadcastSignal, name=name, variables=variables)


def test_a_broadcast_reaches_every_kind_of_subscription_with_that_name_once() -> None:
    """ZC-196"""
    text = (
        "o start -> + f; f -> signal s1 alarm -> a -> O e1; f -> e g; g -> signal s2 alarm -> b -> O e2; g -> timer t PT1H -> O e3"
        "; f -> host -> O e4; at host signal s3 alarm -> d -> O e5; f -> signal s5 other -> O e6"
        "; sub esp { on signal s4 alarm -> h -> O e7 }"
    )
    run = Run(calm(event_sub(process(text), "esp"), "s4"), process("on signal st alarm -> begun -> O end", "other"))
    run.create()

    broadcast(run)
    first, second = run.world.instances()
    assert sorted(each.element for each in first.elements.values()) == ["a", "b", "d", "esp", "h", "p", "s5"]
    assert [each.element for each in second.elements.values()] == ["other", "begun"]


def test_a_subscription_closes_with_its_activity() -> None:
    """ZC-197"""
    run = given("o start -> pack -> after -> O end; at pack signal s alarm -> O e").create()

    run.complete("pack").then("signal-unsubscribed", "element-completed pack")
    broadcast(run).active("after")


def test_each_broadcast_starts_the_latest_version_of_each_process_once() -> None:
    """ZC-198, ZC-202"""
    run = given("on signal s alarm -> old -> O end", q="on signal s alarm -> work -> O end")
    run.world.deploy(process("on signal s alarm -> new -> O end"))

    broadcast(run)
    broadcast(run)
    assert sorted(job.element for each in run.world.instances() for job in each.jobs.values()) == [
        "new", "new", "work", "work",
    ]  # fmt: skip


def test_a_new_version_without_the_signal_start_is_not_started_any_more() -> None:
    """ZC-202"""
    run = given("on signal s alarm -> old -> O end")
    run.world.deploy(process("o start -> new -> O end"))

    assert not list(broadcast(run).world.instances())


def test_only_the_matching_start_event_is_activated() -> None:
    """ZC-199"""
    run = given("o none -> a -> O e1; on signal s1 alarm -> b -> O e2; on signal s2 other -> d -> O e3")

    broadcast(run).active("b")


def test_variables_of_a_broadcast_go_to_the_instance_or_through_the_start_events_mappings() -> None:
    """ZC-200"""
    xml = process("on signal s alarm -> work -> O end")
    assert broadcast(Run(xml), floor=3).variables() == {"floor": 3}
    assert broadcast(Run(mapped(xml, "s", outputs={"level": "=floor"})), floor=3).variables() == {"level": 3}


def test_a_process_with_event_starts_only_cannot_be_started_directly() -> None:
    """ZC-201"""
    refused(given("on signal s alarm -> work -> O end").create(), "INVALID_STATE")


def test_a_throw_event_sends_what_its_input_mappings_say_and_goes_on() -> None:
    """ZC-203, ZC-204"""
    xml = process("o start -> throw-signal t alarm -> after -> O end")
    listener = process("on signal s alarm -> work -> O end", "q")
    run = Run(mapped(xml, "t", inputs={"floor": "=level"}), listener).create(level=3, other=4)

    run.then("signal-thrown", "element-completed t", "element-entered after")
    assert run.variables() == {"floor": 3}
    assert Run(xml, listener).create(level=3).variables() == {}, "without mappings nothing is sent"


def test_an_end_event_broadcasts_and_completes() -> None:
    """ZC-205"""
    xml = process("o start -> throw-signal t alarm").replace(b"intermediateThrowEvent", b"endEvent")
    run = Run(mapped(xml, "t", inputs={"floor": "=level"}), process("on signal s alarm -> work -> O end", "q"))

    run.create(level=3).then("signal-thrown", "element-completed t", "instance-completed")
    assert run.variables() == {"floor": 3}


def test_a_broadcast_that_nobody_hears_is_accepted_and_not_kept() -> None:
    """ZC-206"""
    run = broadcast(given("o start -> signal s alarm -> O end"))

    run.then("signal-broadcast")
    run.create().active("s")
