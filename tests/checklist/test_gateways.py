"""Gateways (ZC-042 to ZC-078): exclusive, parallel, inclusive and event-based."""

from domain import commands as c
from domain import events as e
from tests.checklist.telling import all_of, deployed, entered, raised, refused, resolve, set_variables
from tests.support.amend import Model
from tests.support.given import given

# --- exclusive -----------------------------------------------------------------------------------------------------------


def test_exactly_one_flow_is_taken_the_first_true_one_as_declared() -> None:
    """ZC-042."""
    run = given("o start -> x g ->[= a > 2] one -> O end; g ->[= a > 1] two -> O e2; g ->[= a > 0] three -> O e3")

    run.create(a=2).active("two")
    run.create(a=1).active("three")


def test_the_default_flow_is_the_last_resort_wherever_it_is_declared() -> None:
    """ZC-043."""
    run = given("o start -> x g ->[else] other -> O end; g ->[= a > 1] one -> O e2")

    run.create(a=2).active("one")
    run.create(a=0).active("other")


def test_a_condition_on_the_default_flow_is_not_evaluated() -> None:
    """ZC-044."""
    process = Model("o start -> x g ->[else] other -> O end; g ->[= a > 1] one -> O e2")
    process.put(
        "g-other-2", '<conditionExpression xsi:type="tFormalExpression">= assert(b, false)</conditionExpression>'
    )

    deployed(process).create(a=0).active("other")


def test_an_exclusive_gateway_is_entered_for_each_token() -> None:
    """ZC-045."""
    run = given("o start -> + fork -> x merge -> work -> O end; fork -> task t -> merge").create()

    assert (entered(run, "merge"), entered(run, "work")) == (2, 2)


def test_an_exclusive_gateway_without_flows_ends_its_path() -> None:
    """ZC-046."""
    given("o start -> x g").create().completed()


def test_an_incident_of_a_gateway_ends_with_it() -> None:
    """ZC-047."""
    run = given("o start -> x g ->[= a > 1] one -> O end").create(a=0)

    run.when(c.CancelInstance, key=run.instance.key).then("incident-resolved", "element-terminated g")


def test_no_true_condition_and_no_default_flow_is_an_incident() -> None:
    """ZC-048."""
    run = given("o start -> x g ->[= a > 1] one -> O end; g ->[= a > 5] two -> O e2").create(a=0)

    assert raised(run) == [("g", "CONDITION_ERROR")]


def test_a_condition_without_a_boolean_is_an_incident_also_with_a_default_flow() -> None:
    """ZC-049."""
    run = given("o start -> x g ->[= a] one -> O end; g ->[else] two -> O e2")

    run.create(a=None)
    assert raised(run) == [("g", "EXTRACT_VALUE_ERROR")]
    run.create(a="true")
    assert raised(run) == [("g", "EXTRACT_VALUE_ERROR")] * 2


def test_resolving_evaluates_the_conditions_again() -> None:
    """ZC-050."""
    run = given("o start -> x g ->[= a > 1] one -> O end; g ->[= a > 5] two -> O e2").create(a=0)

    resolve(run)
    assert raised(run) == [("g", "CONDITION_ERROR")]
    set_variables(run, a=2)
    resolve(run).active("one")


# --- parallel ------------------------------------------------------------------------------------------------------------


def test_a_parallel_gateway_takes_all_flows() -> None:
    """ZC-051: conditions play no part, so a model that has some there is refused, as Camunda refuses it."""
    given("o start -> + g -> one -> O end; g -> two -> O e2").create().active("one", "two")
    assert "conditions only on flows out of" in refused(
        Model("o start -> + g ->[= false] one -> O end; g -> two -> O e2")
    )


def test_a_join_needs_each_flow_and_keeps_what_is_too_much() -> None:
    """ZC-052, ZC-053."""
    run = given("o start -> + fork -> a -> x m -> + join -> after -> O end; fork -> b -> m; fork -> c -> join").create()

    run.complete("a").complete("b").active("c")
    run.complete("c").active("after")
    run.complete("after")
    assert run.instance.running, "the surplus token rests at the join"
    assert entered(run, "join") == 1


def test_surplus_tokens_serve_the_next_round() -> None:
    """ZC-053."""
    run = given(
        "o start -> + fork -> a -> x m -> + join -> after -> O end; fork -> b -> m; fork -> c -> x n -> join; fork -> d -> n"
    ).create()

    run.complete("a").complete("b").complete("c").complete("d").active("after", "after")


def test_one_gateway_merges_and_splits() -> None:
    """ZC-054."""
    run = given("o start -> + fork -> a -> + both -> one -> O end; fork -> b -> both -> two -> O e2").create()

    run.complete("a").active("b")
    run.complete("b").active("one", "two")


def test_a_parallel_gateway_with_one_flow_in_and_out_passes() -> None:
    """ZC-055."""
    given("o start -> + g -> work -> O end").create().active("work")


def test_a_parallel_gateway_without_outgoing_flow_ends_its_paths() -> None:
    """ZC-056."""
    given("o start -> + fork -> + g; fork -> g").create().completed()


def test_a_scope_is_complete_when_its_last_path_has_ended() -> None:
    """ZC-057."""
    run = given("o start -> + fork -> a -> O end; fork -> b -> O e2").create()

    run.complete("a")
    assert run.instance.running
    run.complete("b").completed()


def test_all_flows_of_an_activity_are_taken() -> None:
    """ZC-058."""
    given("o start -> task t -> one -> O end; t -> two -> O e2").create().active("one", "two")


# --- inclusive -----------------------------------------------------------------------------------------------------------

SOME = "o start -> i g ->[= a > 0] one -> O end; g ->[= a > 1] two -> O e2"


def test_all_true_flows_are_taken_and_the_default_flow_only_if_none_is() -> None:
    """ZC-059."""
    run = given(SOME + "; g ->[else] other -> O e3")

    run.create(a=2).active("one", "two")
    run.create(a=1).active("one")
    run.create(a=0).active("other")


def test_nothing_true_at_an_inclusive_gateway_is_an_incident_until_something_is() -> None:
    """ZC-060, ZC-071."""
    run = given(SOME).create(a=0)
    assert raised(run) == [("g", "CONDITION_ERROR")]

    set_variables(run, a=2)
    resolve(run).active("one", "two")


def test_a_condition_on_the_default_flow_of_an_inclusive_gateway_is_not_evaluated() -> None:
    """ZC-061."""
    process = Model("o start -> i g ->[else] other -> O end; g ->[= a > 1] one -> O e2")
    process.put(
        "g-other-2", '<conditionExpression xsi:type="tFormalExpression">= assert(b, false)</conditionExpression>'
    )

    deployed(process).create(a=0).active("other")


def test_an_inclusive_gateway_with_one_flow_passes() -> None:
    """ZC-062."""
    given("o start -> i g -> work -> O end").create().active("work")


JOIN = "o start -> + fork -> a -> i join -> after -> O end; fork -> b -> join; fork -> c -> O away"


def test_an_inclusive_join_waits_for_what_can_reach_it_and_goes_on_once() -> None:
    """ZC-063, ZC-065."""
    run = given(JOIN).create()

    run.complete("a").active("b", "c")
    run.complete("b").active("after", "c")
    assert entered(run, "join") == 1


def test_an_inclusive_join_goes_on_with_one_token_if_no_other_can_come() -> None:
    """ZC-064."""
    process = "o start -> i fork ->[= x] a -> i join -> after -> O end; fork ->[= y] b -> join"

    given(process).create(x=True, y=False).complete("a").active("after")


def test_a_token_that_leaves_another_way_sets_the_join_free() -> None:
    """ZC-063: the join is asked again when the last token that could reach it went elsewhere."""
    process = (
        "o start -> + fork -> a -> i join -> after -> O end; fork -> b -> x way ->[= back] join; way ->[else] c -> O e2"
    )

    run = given(process).create(back=False).complete("a").active("b")
    run.complete("b").active("after", "c")


def test_reach_follows_loops_that_lead_to_the_join() -> None:
    """ZC-066."""
    process = (
        "o start -> + fork -> a -> i join -> after -> O end; fork -> b -> x way ->[= back] c -> b; way ->[else] join"
    )
    run = given(process).create(back=True)

    run.complete("a").complete("b").active("c")
    run.complete("c", back=False).active("b")
    run.complete("b").active("after")


def test_reach_follows_links() -> None:
    """ZC-067."""
    process = "o start -> + fork -> a -> i join -> after -> O end; fork -> b -> link> l next; >link k next -> c -> join"
    run = given(process).create()

    run.complete("a").active("b")
    run.complete("b").active("c")
    run.complete("c").active("after")
    assert entered(run, "join") == 1


def test_reach_follows_boundary_events_of_running_activities() -> None:
    """ZC-068."""
    process = "o start -> + fork -> a -> i join -> after -> O end; fork -> b -> O e2; at b timer t PT1H -> join"
    run = given(process).create()

    run.complete("a").active("b")
    run.advance(3600).active("after")
    given(process).create().complete("a").complete("b").active("after")


def test_an_inclusive_gateway_merges_and_splits_with_a_subset_of_its_flows() -> None:
    """ZC-069."""
    process = """
        o start -> i fork ->[= contains(w, "a")] a -> i both ->[= x] one -> O end
        fork ->[= contains(w, "b")] b -> both
        fork ->[= contains(w, "c")] c -> both ->[= y] two -> O e2
    """
    run = given(process).create(w="ac", x=True, y=True)

    run.complete("a").active("c")
    run.complete("c").active("one", "two")


def test_two_tokens_one_after_the_other_are_two_activations() -> None:
    """ZC-070."""
    process = "o start -> x m -> i join -> + two -> after -> O end; two -> again -> x w ->[= more] m; w ->[else] O e2; x n -> join"
    run = given(process).create(more=True)

    assert entered(run, "join") == 1
    run.complete("again").active("after", "after", "again")
    assert entered(run, "join") == 2


# --- event-based ---------------------------------------------------------------------------------------------------------

FIRST = (
    "o start -> e g -> message m paid -> a -> O end; g -> timer t PT1H -> b -> O e2; g -> signal s stop -> d -> O e3"
)


def test_an_event_based_gateway_waits_for_each_event_behind_it() -> None:
    """ZC-072."""
    run = given(FIRST).create(key="k")

    run.then("element-entered g", "message-subscribed", "timer-set", "signal-subscribed").active("g")


def test_the_first_event_decides_and_all_other_waits_are_closed() -> None:
    """ZC-073, ZC-074."""
    after = ["timer-canceled", "signal-unsubscribed", "element-completed g", "element-entered m", "element-completed m"]
    given(FIRST).create(key="k").publish("paid", "k").then(*after, "flow-taken m>a").active("a")
    given(FIRST).create(key="k").advance(3600).then("message-unsubscribed", "element-completed t").active("b")
    run = given(FIRST).create(key="k").when(c.BroadcastSignal, name="stop")
    run.then("message-unsubscribed", "timer-canceled", "element-completed s").active("d")


def test_of_two_timers_due_at_once_one_fires() -> None:
    """ZC-075."""
    run = given("o start -> e g -> timer t PT1H -> a -> O end; g -> timer u PT1H -> b -> O e2").create().advance(3600)

    assert len(all_of(run, e.TimerFired)) == 1
    assert entered(run, "a") + entered(run, "b") == 1


def test_of_two_messages_at_once_one_branch_runs_and_the_other_message_stays_usable() -> None:
    """ZC-076."""
    process = "o start -> e g -> message m one -> a -> O end; g -> message n two -> b -> O e2"
    run = given(process, q="o start -> message late two -> work -> O end")
    run.publish("one", "k", ttl=60).publish("two", "k", ttl=60)

    run.create(key="k")
    assert entered(run, "a") + entered(run, "b") == 1
    won, lost = ("a", "b") if entered(run, "a") else ("b", "a")
    run.complete(won).completed()
    run.create(key="k").active(lost)


def test_cancelling_closes_all_waits_of_the_gateway() -> None:
    """ZC-077."""
    run = given(FIRST).create(key="k")

    run.when(c.CancelInstance, key=run.instance.key)
    run.then("message-unsubscribed", "timer-canceled", "signal-unsubscribed", "element-terminated g")


def test_the_same_signal_twice_behind_one_gateway_is_refused() -> None:
    """ZC-078."""
    reason = refused(Model("o start -> e g -> signal s stop -> O end; g -> signal t stop -> O e2"))

    assert "different signals" in reason
