"""Gateways: which flows are taken, and when tokens go on together."""

from domain import commands as c
from domain import events as e
from tests.support.given import given


def test_a_join_waits_for_every_branch() -> None:
    run = given("o start -> + fork; fork -> pack; fork -> bill; pack -> + join; bill -> join; join -> O end").create()

    run.complete("pack").then("element-completed pack", "flow-taken pack>join").active("bill")
    run.complete("bill").then("element-entered join", "element-entered end", "instance-completed")


def test_a_token_that_came_twice_does_not_stand_in_for_a_missing_one() -> None:
    run = given(
        "o start -> + fork; fork -> a; fork -> x merge; fork -> task b -> merge; merge -> + join; a -> join; join -> O end"
    ).create()

    run.active("a")
    run.complete("a").then("element-completed join")
    assert run.instance.running, "the surplus token rests at the join"


def test_the_first_true_condition_in_document_order_decides() -> None:
    process = (
        "o start -> x choice ->[= a > 1] one -> O end; choice ->[= a > 0] two -> end; choice ->[else] three -> end"
    )

    given(process).create(a=2).active("one")
    given(process).create(a=1).active("two")
    given(process).create(a=0).active("three")


def test_a_condition_that_is_no_boolean_is_an_incident_even_with_a_default_flow() -> None:
    run = given("o start -> x choice ->[= a > 1] one -> O end; choice ->[else] two -> end").create(a="text")

    run.then("incident-raised choice EXTRACT_VALUE_ERROR").active("choice")


def test_resolving_after_a_fix_evaluates_the_conditions_again() -> None:
    run = given("o start -> x choice ->[= a > 1] one -> O end").create(a=0)
    run.then("incident-raised choice CONDITION_ERROR")

    run.when(c.SetVariables, key=run.instance.key, variables={"a": 5})
    run.when(c.ResolveIncident, key=next(iter(run.instance.incidents))).then("incident-resolved", "element-entered one")


def test_an_inclusive_join_waits_only_for_tokens_that_can_reach_it() -> None:
    process = """
        o start -> + fork
        fork -> i some ->[= a] one -> i join
        some ->[= b] two -> join -> O end
        fork -> other -> O away
    """
    run = given(process).create(a=True, b=True)

    run.complete("one").active("two", "other")
    run.complete("two").then("element-entered join", "element-completed end").active("other")


def test_the_first_event_behind_an_event_based_gateway_decides() -> None:
    process = "o start -> e first -> message m order -> paid -> O end; first -> timer t PT1H -> late -> end"

    given(process).create(key="k").publish("order", "k").then("timer-canceled", "element-completed m").active("paid")
    given(process).create(key="k").advance(3600).then("message-unsubscribed", "element-completed t").active("late")


def test_an_incident_says_why_an_expression_gave_no_boolean() -> None:
    run = given("o start -> x choice ->[= amount > 1] one -> O end; choice ->[else] two -> end").create()

    messages = [event.message for event in run.world.events() if isinstance(event, e.IncidentRaised)]
    assert "No variable found with name 'amount'" in messages[0]
