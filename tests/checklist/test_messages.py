"""The checklist of engine semantics: messages (ZC-207 to ZC-232)."""

from decimal import Decimal

import pytest

from domain import commands as c
from domain import events as e
from domain.bpmn.read import InvalidModel, read_processes
from domain.results import Rejected
from tests.checklist.edits import calm, event_sub, mapped, process, refused, told
from tests.support.given import Run, given

CATCH = "o start -> message m paid -> work -> O end"
START = "on message start paid -> work -> O end"


def statuses(run: Run) -> list[str]:
    return [instance.status for instance in run.world.instances()]


def jobs(run: Run) -> list[str]:
    return sorted(job.element for instance in run.world.instances() for job in instance.jobs.values())


def expire(run: Run, name: str = "paid", key: str = "k") -> Run:
    """Do what the clock does when the time to live of a message has passed."""
    published = [record.event for record in run.world.log if isinstance(record.event, e.MessagePublished)]
    return run.when(c.ExpireMessage, name=name, correlation_key=key, message_key=published[-1].key)


@pytest.mark.parametrize(("key", "text"), [("k", "k"), (7, "7"), (Decimal("1.5"), "1.5"), (100, "100")])
def test_name_and_key_match_and_a_number_is_compared_as_text(key: object, text: str) -> None:
    """ZC-207"""
    run = given(CATCH).create(key=key)

    run.publish("paid", "other").publish("sent", text).active("m")
    run.publish("paid", text).active("work")


def test_a_message_that_came_first_is_correlated_within_its_time_to_live_only() -> None:
    """ZC-208"""
    early = given(CATCH).publish("paid", "k", ttl=60)
    early.advance(59)
    early.create(key="k").active("work")
    late = given(CATCH).publish("paid", "k", ttl=60)
    late.advance(60)
    late.create(key="k").active("m")


def test_the_oldest_buffered_message_is_taken_first() -> None:
    """ZC-209"""
    run = given(CATCH).publish("paid", "k", ttl=60, n=1).publish("paid", "k", ttl=60, n=2)

    assert run.create(key="k").variables()["n"] == 1
    assert run.create(key="k").variables()["n"] == 2


def test_without_time_to_live_only_an_open_subscription_gets_it() -> None:
    """ZC-210"""
    run = given(CATCH).create(key="k")

    run.publish("paid", "k").active("work")
    run.create(key="k").active("m")


def test_a_message_is_correlated_once_per_process_id_but_to_several_processes() -> None:
    """ZC-211"""
    run = given(CATCH, q=CATCH).create(key="k").create("q", key="k")
    run.world.deploy(process("o start -> message m paid -> newer -> O end"))
    run.create(key="k").active("m")

    run.publish("paid", "k", ttl=60)
    taken = [record.event for record in run.world.log if isinstance(record.event, e.MessageCorrelated)]
    assert sorted(event.process_id for event in taken) == ["p", "q"]


def test_one_catch_event_takes_one_message() -> None:
    """ZC-212"""
    run = given("o start -> message m1 paid -> message m2 paid -> O end").create(key="k")

    run.publish("paid", "k", ttl=60).active("m2")
    run.publish("paid", "k", ttl=60).completed()


def test_a_message_that_its_instance_missed_goes_to_the_next() -> None:
    """ZC-213: the instance is cancelled while the message is under way."""
    run = given(CATCH).create(key="k")
    run.when(c.SuspendInstance, key=run.instance.key)
    run.publish("paid", "k", ttl=60).then("command-held")
    run.when(c.CancelInstance, key=run.instance.key)

    run.create(key="k").active("work")


def test_a_message_that_came_too_late_within_a_resumed_instance_goes_to_the_next() -> None:
    """ZC-213: of two messages that were held, the first ends the instance."""
    text = "o start -> e g; g -> message m1 paid -> O a; g -> message m2 sent -> O b"
    run = given(text).create(key="k")
    run.when(c.SuspendInstance, key=run.instance.key)
    run.publish("paid", "k", ttl=60).publish("sent", "k", ttl=60)
    run.when(c.ResumeInstance, key=run.instance.key).completed()

    run.create(key="k").completed()


def test_a_boundary_event_that_does_not_interrupt_takes_many_in_order() -> None:
    """ZC-214"""
    run = given("o start -> pack -> O end; at pack ~ message m paid -> script s seen = append(seen, n) -> O k")

    run.publish("paid", "k", ttl=60, n=1).publish("paid", "k", ttl=60, n=2).create(key="k", seen=[])
    run.publish("paid", "k", n=3)
    assert run.active("pack").variables()["seen"] == [1, 2, 3]


def test_a_closed_subscription_gets_nothing() -> None:
    """ZC-215"""
    run = given("o start -> pack -> after -> O end; at pack message m paid -> O k").create(key="k")

    run.complete("pack").then("message-unsubscribed")
    run.publish("paid", "k").active("after")


def test_a_name_may_be_an_expression() -> None:
    """ZC-216"""
    given('o start -> message m ="pa"+x -> O end').create(key="k", x="id").publish("paid", "k").completed()


def test_a_start_event_creates_an_instance_of_the_latest_version_with_the_variables() -> None:
    """ZC-217"""
    run = given("on message start paid -> older -> O end")
    run.world.deploy(process(START))

    assert run.publish("paid", "k", n=1).active("work").variables() == {"n": 1}


def test_with_a_key_one_instance_at_a_time_and_then_the_next_of_the_then_latest_version() -> None:
    """ZC-218, ZC-219"""
    run = given(START).publish("paid", "k", ttl=60).publish("paid", "k", ttl=60).publish("paid", "k", ttl=60)
    assert statuses(run) == ["active"]
    assert len(list(run.publish("paid", "other").world.instances())) == 2, "another key has an instance of its own"

    run.world.deploy(process("on message start paid -> newer -> O end"))
    run.complete("work")
    assert jobs(run) == ["newer", "work"]
    newest = run.instance
    run.when(c.CancelInstance, key=newest.key)
    assert jobs(run) == ["newer", "work"]
    assert run.instance is not newest


def test_a_message_whose_time_is_over_starts_nothing_later() -> None:
    """ZC-218"""
    run = given(START).publish("paid", "k", ttl=60).publish("paid", "k", ttl=60)
    run.advance(60)

    run.complete("work")
    assert statuses(run) == ["completed"]


def test_without_a_key_every_message_starts_an_instance() -> None:
    """ZC-220"""
    assert statuses(given(START).publish("paid").publish("paid")) == ["active", "active"]


def test_the_message_that_started_an_instance_is_not_for_its_catch_event() -> None:
    """ZC-221"""
    run = given("on message start paid -> message m paid -> O end")

    message = {"name": "paid", "correlation_key": "k", "time_to_live": 60_000, "variables": {"key": "k"}}
    run.when(c.PublishMessage, **message).active("m")


def test_the_name_at_a_start_event_is_constant() -> None:
    """ZC-222"""
    given('on message start ="pa"+"id" -> work -> O end').publish("paid").active("work")
    with pytest.raises(InvalidModel, match="not to refer to variables"):
        read_processes(process("on message start =x -> work -> O end"), "p.bpmn")


def test_a_new_version_replaces_the_start_subscriptions_and_the_same_resource_changes_nothing() -> None:
    """ZC-223"""
    run = given(START)
    run.world.deploy(process(START))
    assert statuses(run.publish("paid")) == ["active"]

    run.world.deploy(process("on message start sent -> work -> O end"))
    assert statuses(run.publish("paid")) == ["active"]
    assert statuses(run.publish("sent")) == ["active", "active"]


def test_an_id_is_used_once_per_name_and_key_while_the_message_is_buffered() -> None:
    """ZC-224, ZC-225"""
    run = given(CATCH)

    def publish(message_id: str, key: str = "k") -> Run:
        return run.when(c.PublishMessage, name="paid", correlation_key=key, message_id=message_id, time_to_live=60_000)

    publish("1")
    refused(publish("1"), "ALREADY_EXISTS")
    for accepted in (publish("2"), publish("1", "other"), publish(""), publish("")):
        assert not isinstance(accepted.answer, Rejected)
    run.advance(60)
    assert not isinstance(publish("1").answer, Rejected)


def test_a_negative_time_to_live_is_none() -> None:
    """ZC-226"""
    given(CATCH).publish("paid", "k", ttl=-1).create(key="k").active("m")
    given(CATCH).create(key="k").publish("paid", "k", ttl=-1).active("work")


def test_a_buffered_message_expires_when_its_time_has_passed() -> None:
    """ZC-227"""
    run = given(CATCH).publish("paid", "k", ttl=60)

    refused(expire(run), "NOT_FOUND")
    run.advance(60)
    expire(run).then("message-expired")


@pytest.mark.parametrize("name", [1, None, True])
def test_a_name_that_is_no_text_is_an_incident(name: object) -> None:
    """ZC-228"""
    run = given("o start -> message m =name -> O end").create(key="k", name=name)

    run.then("incident-raised m EXTRACT_VALUE_ERROR")


@pytest.mark.parametrize("key", [None, True, [1], {"a": 1}])
def test_a_key_that_is_neither_text_nor_number_is_an_incident(key: object) -> None:
    """ZC-229"""
    run = given(CATCH).create(key=key).then("incident-raised m EXTRACT_VALUE_ERROR")

    run.when(c.SetVariables, key=run.instance.key, variables={"key": "k"})
    run.when(c.ResolveIncident, key=next(iter(run.instance.incidents)))
    run.publish("paid", "k").active("work")


@pytest.mark.parametrize(
    "text",
    [
        "o start -> pack -> O end; at pack timer t PT1H -> O a; at pack message m =name -> O b; at pack signal s alarm -> O c",
        "o start -> e g; g -> timer t PT1H -> O a; g -> message m =name -> O b; g -> signal s alarm -> O c",
    ],
)
def test_all_subscriptions_of_an_element_open_or_none(text: str) -> None:
    """ZC-230"""
    run = given(text).create(key="k")
    assert not {"timer-set", "signal-subscribed", "message-subscribed", "job-created"} & {
        fact.split()[0] for fact in told(run)
    }

    run.when(c.SetVariables, key=run.instance.key, variables={"name": "paid"})
    run.when(c.ResolveIncident, key=next(iter(run.instance.incidents)))
    run.then("timer-set", "message-subscribed", "signal-subscribed")
    run.publish("paid", "k").completed()


CATCHING = {
    "catch": ("o start -> message m paid -> work -> O end", "m"),
    "receive": ("o start -> receive m paid -> work -> O end", "m"),
    "boundary": ("o start -> pack -> O end; at pack message m paid -> work -> O k", "m"),
    "calm boundary": ("o start -> pack -> O end; at pack ~ message m paid -> work -> O k", "m"),
    "gateway": ("o start -> e g; g -> message m paid -> work -> O a; g -> timer t PT1H -> O b", "m"),
    "event sub": ("o start -> pack -> O end; sub esp { on message m paid -> work -> O k }", "m"),
    "calm event sub": ("o start -> pack -> O end; sub esp { on message m paid -> work -> O k }", "m"),
    "inside": ("o start -> sub s { o i -> message m paid -> work -> O j } -> O end", "m"),
}


def caught(kind: str, xml: bytes, element: str) -> Run:
    xml = event_sub(xml, "esp") if "event sub" in kind else xml
    run = Run(calm(xml, element) if kind == "calm event sub" else xml)
    run.create(key="k", a=0).publish("paid", "k", a=1, b=2)
    assert "work" in jobs(run)
    return run


@pytest.mark.parametrize("kind", CATCHING)
def test_without_mappings_all_variables_are_merged_into_the_process_scope(kind: str) -> None:
    """ZC-231"""
    text, element = CATCHING[kind]

    assert caught(kind, process(text), element).variables() == {"key": "k", "a": 1, "b": 2}


@pytest.mark.parametrize("kind", CATCHING)
def test_with_output_mappings_only_their_targets_are(kind: str) -> None:
    """ZC-232"""
    text, element = CATCHING[kind]

    run = caught(kind, mapped(process(text), element, outputs={"d": "=b"}), element)
    scopes = [each.variables for each in run.instance.elements.values() if each.variables]
    assert {name: value for scope in scopes for name, value in scope.items()} == {"key": "k", "a": 0, "d": 2}
