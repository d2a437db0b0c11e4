"""The checklist of engine semantics: process instances (ZC-315 to ZC-325)."""

import pytest

from domain import commands as c
from domain import events as e
from domain.results import Rejected
from tests.checklist.edits import event_sub, mapped, process, refused, told
from tests.support.given import Run, given

PACK = "o start -> pack -> O end"


def start_at(run: Run, *elements: str, **variables: object) -> Run:
    return run.when(c.CreateInstance, process_id="p", start_elements=elements, variables=variables)


def test_an_instance_is_of_the_latest_version_of_a_version_or_of_a_definition() -> None:
    """ZC-315"""
    run = given("o start -> one -> O end")
    run.world.deploy(process("o start -> two -> O end"))
    first = run.world.deployed.versions["p"][1]

    run.create().active("two")
    run.when(c.CreateInstance, process_id="p", version=1).active("one")
    run.when(c.CreateInstance, definition_key=first).active("one")


def test_only_the_none_start_event_is_activated() -> None:
    """ZC-316"""
    run = given("o start -> pack -> O e1; on message m paid -> work -> O e2; on timer t PT1H -> late -> O e3").create()

    run.active("pack")
    assert next(fact for fact in told(run) if fact.startswith("element-entered")) == "element-entered start"


def test_what_is_not_deployed_cannot_be_started() -> None:
    """ZC-317: that variables are an object is checked at the edge (tests/api)."""
    run = given("on message m paid -> work -> O e2")

    refused(run.create("other"), "NOT_FOUND")
    refused(run.when(c.CreateInstance, process_id="p", version=2), "NOT_FOUND")
    refused(run.when(c.CreateInstance, definition_key=1234), "NOT_FOUND")
    refused(run.create(), "INVALID_STATE")


def test_start_instructions_enter_scopes_first_and_no_start_event() -> None:
    """ZC-318, ZC-319"""
    xml = process("o start -> sub s { o i -> sub t { o j -> pack -> ship -> O k } -> O l } -> O end")
    run = start_at(Run(mapped(xml, "s", inputs={"b": "=a+1"})), "pack", "ship", a=1)

    run.then("variables-set", "element-entered s", "element-entered t", "element-entered pack", "element-entered ship")
    run.active("s", "t", "pack", "ship")
    assert not {"element-entered start", "element-entered i", "element-entered j"} & set(told(run))
    assert {"b": 2} in [each.variables for each in run.instance.elements.values()]
    run.complete("ship").complete("pack").complete("ship").completed()


def test_what_encloses_a_start_instruction_waits_as_if_it_had_begun_by_itself() -> None:
    """ZC-318"""
    run = start_at(
        given("o start -> sub s { o i -> pack -> O j } -> O end; at s message m paid -> late -> O k"), "pack", key="k"
    )

    run.publish("paid", "k").active("late")


@pytest.mark.parametrize("element", ["start", "b", "c", "x", "other", "p"])
def test_where_an_instance_cannot_begin(element: str) -> None:
    """ZC-320"""
    xml = process(
        "o start -> pack -> e g; at pack timer b PT1H -> O e1; g -> message c paid -> O e2; g -> timer d PT1H"
        " -> sub s { o i -> x -> O k } -> O e3"
    )
    loop = (
        b'<multiInstanceLoopCharacteristics><extensionElements><zeebe:loopCharacteristics inputCollection="=[1]"/>'
        b"</extensionElements></multiInstanceLoopCharacteristics></subProcess>"
    )
    run = start_at(Run(xml.replace(b"</subProcess>", loop)), element)

    refused(run, "INVALID_ARGUMENT")
    assert not list(run.world.instances())


def test_cancelling_ends_everything_from_the_inside_out() -> None:
    """ZC-322"""
    xml = process(
        "o start -> sub s { o i -> + f; f -> pack -> O a; f -> user check -> O b; f -> timer t PT1H -> O d"
        "; f -> message m paid -> O g; f -> signal n alarm -> O h; f -> script r x = assert(y, y != null) -> O q } -> O end"
        "; at s message late sent -> O k; sub esp { on timer w PT2H -> O z }"
    )
    run = Run(event_sub(xml, "esp")).create(key="k")
    assert run.instance.incidents

    run.when(c.CancelInstance, key=run.instance.key)
    facts = run.facts()
    ended = {fact.split()[0] for fact in facts}
    assert {
        "job-canceled",
        "user-task-canceled",
        "timer-canceled",
        "message-unsubscribed",
        "signal-unsubscribed",
    } <= ended
    assert "incident-resolved" in ended
    terminated = [fact for fact in facts if fact.startswith(("element-terminated", "instance-terminated"))]
    assert terminated[-2:] == ["element-terminated s", "instance-terminated"]
    assert facts.count("timer-canceled") == 2
    assert run.instance.status == "terminated"
    run.when(c.BroadcastSignal, name="alarm")
    (broadcast,) = (record.event for record in run.world.log if isinstance(record.event, e.SignalBroadcast))
    assert broadcast.subscriptions == ()


def test_what_has_ended_or_is_no_instance_cannot_be_cancelled() -> None:
    """ZC-323, ZC-324"""
    run = given(PACK).create()
    element = run.instance.jobs[run.job("pack")].element_key
    refused(run.when(c.CancelInstance, key=element), "NOT_FOUND")
    refused(run.when(c.CancelInstance, key=run.instance.key + (1 << 20)), "NOT_FOUND")

    run.when(c.CancelInstance, key=run.instance.key)
    refused(run.when(c.CancelInstance, key=run.instance.key), "NOT_FOUND")
    done = given(PACK).create().complete("pack")
    refused(done.when(c.CancelInstance, key=done.instance.key), "NOT_FOUND")


def test_what_is_on_its_way_when_an_instance_is_cancelled_leaves_nothing_behind() -> None:
    """ZC-325: a command is all or nothing; what comes later from elsewhere finds nobody."""
    run = given("o start -> call c child -> O end; at c error e BAD -> O k", child="o start -> pack -> O end").create()
    parent, child = run.world.instances()
    run.when(c.CancelInstance, key=parent.key)
    late = (
        (c.ReturnFromChild, {"key": parent.key + 1, "child_key": child.key}),
        (c.CatchError, {"key": parent.key + 1, "child_key": child.key, "thrower_key": child.key + 1, "code": "BAD"}),
        (c.TerminateChild, {"key": child.key}),
        (c.DeliverSignal, {"key": parent.key + 1, "signal_key": 1}),
    )

    for kind, arguments in late:
        run.when(kind, **arguments)
        assert isinstance(run.answer, Rejected)
    refusal = {"message_key": 1, "name": "paid", "correlation_key": "k", "process_id": "p"}
    run.when(c.DeliverMessage, key=parent.key + 1, **refusal)
    assert isinstance(run.answer, list)
    assert [type(fact) for fact in run.answer] == [e.MessageRefused]
