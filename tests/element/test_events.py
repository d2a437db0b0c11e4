"""Events: what starts, waits, interrupts and ends."""

from domain import commands as c
from domain.results import Rejected
from tests.support.given import Run, given


def test_whichever_comes_first_of_message_and_subscription_they_meet_once() -> None:
    process = "o start -> message m paid -> O end"

    given(process).create(key="k").publish("paid", "k", amount=5).completed()
    run = given(process).publish("paid", "k", ttl=60, amount=5)
    run.create(key="k").completed()
    assert run.variables()["amount"] == 5


def test_a_message_without_time_to_live_is_not_kept() -> None:
    given("o start -> message m paid -> O end").publish("paid", "k").create(key="k").active("m")


def test_a_message_is_correlated_once_per_process() -> None:
    run = given("o start -> message m paid -> O end").create(key="k").create(key="k").publish("paid", "k")

    assert [instance.running for instance in run.world.instances()].count(True) == 1


def test_a_second_message_with_the_same_id_is_refused_while_the_first_is_kept() -> None:
    run = given("o start -> message m paid -> O end")
    run.when(c.PublishMessage, name="paid", correlation_key="k", message_id="1", time_to_live=60_000)

    run.when(c.PublishMessage, name="paid", correlation_key="k", message_id="1", time_to_live=60_000)
    assert isinstance(run.answer, Rejected)
    assert run.answer.code == "ALREADY_EXISTS"


def test_one_instance_at_a_time_for_a_message_start_with_a_key() -> None:
    run = given("on message start go -> pack -> O end").publish("go", "k", ttl=60).publish("go", "k", ttl=60)

    assert len(list(run.world.instances())) == 1
    run.complete("pack")
    assert len(list(run.world.instances())) == 2


def test_a_signal_reaches_all_who_wait_and_starts_processes() -> None:
    run = given("o start -> signal s alarm -> O end", other="on signal start alarm -> work -> O end").create().create()

    run.when(c.BroadcastSignal, name="alarm", variables={"floor": 3})
    assert [instance.status for instance in run.world.instances()] == ["completed", "completed", "active"]


def test_an_interrupting_boundary_event_ends_its_activity_first() -> None:
    run = given("o start -> pack -> O end; at pack timer late PT1H -> hurry -> O end2").create()

    run.advance(3600).then("timer-fired", "job-canceled", "element-terminated pack", "element-entered late").active(
        "hurry"
    )


def test_a_cycle_on_a_boundary_event_fires_as_often_as_it_says() -> None:
    run = given("o start -> pack -> O end; at pack ~ timer b R3/PT10S -> task h -> O end2").create()

    for _ in range(5):
        run.advance(10)
    assert sum(fact == "element-completed b" for fact in _all(run)) == 3
    run.complete("pack").completed()


def test_a_boundary_event_on_a_sub_process_ends_all_that_is_inside_first() -> None:
    run = given("o start -> sub s { o i -> pack -> O j } -> O end; at s message m stop -> O end2").create(key="k")

    run.publish("stop", "k").then("element-terminated pack", "element-terminated s", "element-entered m").completed()


def test_an_error_goes_to_the_nearest_scope_that_catches_it() -> None:
    process = (
        "o start -> sub s { o i -> pack -> O j; at pack error e1 OTHER -> O k } -> O end; at s error e2 BAD -> O end2"
    )
    run = given(process).create()

    run.when(c.ThrowJobError, key=run.job("pack"), code="BAD").then(
        "job-error-thrown", "error-thrown", "element-terminated pack", "element-entered e2"
    )
    run.completed()
    assert "job-canceled" not in run.facts(), "the job ended with the error"


def test_an_error_that_nobody_catches_is_an_incident() -> None:
    given("o start -> error e BAD").create().then("incident-raised e UNHANDLED_ERROR_EVENT")


def test_an_error_crosses_a_call_activity() -> None:
    run = given("o start -> call c child -> O end; at c error e BAD -> O end2", child="o start -> error t BAD").create()

    assert [instance.status for instance in run.world.instances()] == ["completed", "terminated"]


def test_an_error_that_no_caller_catches_is_an_incident_in_the_child() -> None:
    run = given("o start -> call c child -> O end", child="o start -> error t BAD").create()

    run.then("error-propagated", "error-returned", "incident-raised t UNHANDLED_ERROR_EVENT")


def test_a_terminate_end_event_ends_its_scope_only() -> None:
    run = given("o start -> sub s { o i -> + f; f -> pack -> O j; f -> O! stop } -> after -> O end").create()

    run.then("job-canceled", "element-terminated pack", "element-completed s").active("after")


def test_a_timer_start_event_starts_an_instance_each_time() -> None:
    run = given("on timer start R2/PT1H -> work -> O end")

    run.advance(3600)
    run.advance(3600)
    run.advance(3600)
    assert len(list(run.world.instances())) == 2


def test_what_comes_while_an_instance_is_suspended_is_carried_out_when_it_is_resumed() -> None:
    run = given("o start -> message m paid -> pack -> O end").create(key="k")

    run.when(c.SuspendInstance, key=run.instance.key)
    run.publish("paid", "k").then("command-held").active("m")
    run.when(c.ResumeInstance, key=run.instance.key).then("held-released", "message-correlated").active("pack")


def _all(run: Run) -> list[str]:
    run.seen = 0
    return run.facts()


def test_a_link_goes_on_at_its_catch_event_once_for_each_token() -> None:
    run = given("o start -> + fork -> link> a next; fork -> link> b next; >link c next -> work -> O end").create()

    assert [job.element for job in run.instance.jobs.values()] == ["work", "work"]


def test_a_thrown_signal_reaches_its_own_instance() -> None:
    run = given("o start -> + fork -> signal wait alarm -> O end; fork -> throw-signal t alarm -> O end2").create()

    run.then("signal-thrown", "signal-broadcast", "signal-received").completed()


def test_an_escalation_that_does_not_interrupt_lets_both_go_on() -> None:
    process = "o start -> sub s { o i -> escalate t LATE -> inside -> O j } -> O end; at s ~ escalation b LATE -> beside -> O k"

    given(process).create().then("escalation-thrown", "element-entered b", "element-completed t").active(
        "s", "inside", "beside"
    )


def test_an_escalation_crosses_a_call_activity_and_ends_the_child_if_it_interrupts() -> None:
    run = given(
        "o start -> call c child -> O end; at c escalation b -> O end2",
        child="o start -> escalate t LATE -> work -> O end",
    ).create()

    assert [instance.status for instance in run.world.instances()] == ["completed", "terminated"]


def test_an_escalation_that_nobody_catches_changes_nothing() -> None:
    given("o start -> escalate t LATE -> O end").create().completed()
