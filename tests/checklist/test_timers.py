"""The checklist of engine semantics: timers (ZC-233 to ZC-253)."""

from datetime import UTC, datetime, timedelta

import pytest

from domain import commands as c
from domain import events as e
from domain.results import Rejected
from domain.timers import UNLIMITED, next_due, schedule
from tests.checklist.edits import dated, incidents, process, refused, told
from tests.support.given import Run, given
from tests.support.world import START, World


def waits(text: str) -> str:
    return f"o start -> timer t {text} -> O end"


def boundary(text: str) -> str:
    return f"o start -> pack -> O end; at pack ~ timer t {text} -> task h -> O k"


def fired(run: Run) -> int:
    return sum(isinstance(record.event, e.TimerFired) for record in run.world.log)


def started(run: Run) -> int:
    return len(list(run.world.instances()))


def dues(cycle: str, count: int = 3, now: datetime = START) -> list[str]:
    """Return the first due dates of a cycle."""
    first = schedule("cycle", cycle, now)
    found: list[datetime] = [first.due]
    while len(found) < count:
        due = next_due(first.repeat or "", found[-1], found[-1])
        assert due is not None
        found.append(due)
    return [due.strftime("%Y-%m-%dT%H:%M:%S") for due in found]


def test_a_duration_is_counted_from_activation_and_never_fires_early() -> None:
    """ZC-233"""
    run = given("o start -> pack -> timer t PT10S -> O end").create()
    run.advance(100)
    run.complete("pack")

    run.advance(9.999).active("t")
    key = next(iter(run.instance.timers))
    refused(run.when(c.TriggerTimer, key=key), "INVALID_STATE")
    run.advance(0.001).completed()


@pytest.mark.parametrize("duration", ["PT0S", "-PT10S", "PT-10S", "-P1D", '=duration("-PT10S")'])
def test_a_duration_that_is_over_fires_at_once(duration: str) -> None:
    """ZC-234"""
    given(waits(duration)).create().advance(0).completed()


@pytest.mark.parametrize("date", ["2020-01-01T00:00:00Z", '=date and time("2020-01-01T00:00:00Z")', "=x"])
def test_a_date_that_has_passed_fires_at_once(date: str) -> None:
    """ZC-234"""
    Run(dated(process(waits(date)))).create(x="2025-12-31T23:59:59Z").advance(0).completed()


@pytest.mark.parametrize(
    "duration", ["PT10S", '=duration("PT10S")', '="PT10S"', "=x", '=duration("PT5S")+duration("PT5S")']
)
def test_a_duration_may_be_an_expression_or_text(duration: str) -> None:
    """ZC-235"""
    run = given(waits(duration)).create(x="PT10S")

    run.advance(9).active("t")
    run.advance(1).completed()


@pytest.mark.parametrize(
    "date",
    [
        "2026-01-01T00:00:10Z",
        '=date and time("2026-01-01T01:00:10+01:00")',
        '="2026-01-01T00:00:10Z"',
        '=now()+duration("PT10S")',
        "2026-01-01T01:00:10+01:00[Europe/Berlin]",
    ],
)
def test_a_date_may_be_an_expression_or_text(date: str) -> None:
    """ZC-235"""
    run = Run(dated(process(waits(date)))).create()

    run.advance(9).active("t")
    run.advance(1).completed()


@pytest.mark.parametrize("cycle", ["R2/PT10S", '=cycle(2,duration("PT10S"))', '="R2/PT10S"', "=x"])
def test_a_cycle_may_be_an_expression_or_text(cycle: str) -> None:
    """ZC-235"""
    xml = process(boundary(cycle)).replace(b"timeDuration", b"timeCycle")

    assert fired(Run(xml).create(x="R2/PT10S").advance(60)) == 2


def test_a_cycle_fires_as_often_as_it_says_or_without_limit() -> None:
    """ZC-236"""
    assert fired(given(boundary("R3/PT10S")).create().advance(600)) == 3
    assert fired(given(boundary("R/PT10S")).create().advance(600)) == 60
    endless = process(boundary('=cycle(duration("PT10S"))')).replace(b"timeDuration", b"timeCycle")
    assert fired(Run(endless).create().advance(600)) == 60


def test_a_cycle_without_end_moves_on() -> None:
    """ZC-236: else it would fire for ever at one moment."""
    assert fired(given(boundary("R2/-PT10S")).create().advance(0)) == 2
    with pytest.raises(ValueError, match="above zero"):
        schedule("cycle", "R/PT0S", START)


def test_a_cancelled_element_cancels_its_timer() -> None:
    """ZC-237"""
    run = given(boundary("PT10S")).create()

    run.complete("pack").then("timer-canceled", "element-completed pack")
    assert fired(run.advance(60)) == 0
    other = given(waits("PT10S")).create()
    other.when(c.CancelInstance, key=other.instance.key).then("timer-canceled", "element-terminated t")


def test_a_duration_that_gives_a_date_is_an_incident() -> None:
    """ZC-238"""
    assert incidents(given(waits("=now()")).create())[0][:2] == ("t", "EXTRACT_VALUE_ERROR")


def test_a_start_event_has_its_timer_from_deployment_on() -> None:
    """ZC-239"""
    run = given("on timer t R/PT10S -> work -> O end")

    assert started(run.advance(9)) == 0
    assert started(run.advance(1)) == 1
    assert started(run.advance(10)) == 2


def test_a_cycle_may_have_a_start_before_which_it_does_not_fire() -> None:
    """ZC-240"""
    run = given("on timer t R2/2026-01-01T01:00:00Z/PT10S -> work -> O end")

    assert started(run.advance(3599)) == 0
    assert started(run.advance(1)) == 1
    assert started(run.advance(10)) == 2
    assert started(run.advance(600)) == 2


def test_repetitions_do_not_drift_though_they_fire_late() -> None:
    """ZC-241"""
    run = given("on timer t R/PT10S -> work -> O end")
    for _ in range(3):
        ((key, timer),) = run.world.deployed.timers.items()
        run.world.now = timer.due + timedelta(seconds=3)
        run.when(c.TriggerTimer, key=key)

    assert {timer.due for timer in run.world.deployed.timers.values()} == {START + timedelta(seconds=40)}


def test_repetitions_that_were_missed_are_not_made_up_for() -> None:
    """ZC-242"""
    run = given("on timer t R/PT10S -> work -> O end")
    run.world.now = START + timedelta(seconds=65)

    assert started(run.advance(0)) == 1
    assert started(run.advance(5)) == 2


def test_a_start_date_that_has_passed_fires_at_once() -> None:
    """ZC-243"""
    run = Run(dated(process("on timer t 2020-01-01T00:00:00Z -> work -> O end")))

    assert started(run.advance(0)) == 1
    assert started(run.advance(600)) == 1


def test_start_timers_fire_independently_and_only_their_own_event_is_activated() -> None:
    """ZC-244, ZC-246"""
    run = given("o none -> a -> O e1; on timer t1 R/PT20S -> b -> O e2; on timer t2 R/PT30S -> d -> O e3")

    run.advance(60)
    found = [
        [element.element for key, element in each.elements.items() if key != each.key] for each in run.world.instances()
    ]
    assert sorted(found) == [["b"], ["b"], ["b"], ["d"], ["d"]]


def test_a_new_version_takes_the_timers_and_the_same_resource_keeps_them() -> None:
    """ZC-245"""
    run = given("on timer t PT10S -> older -> O end")
    before = set(run.world.deployed.timers)
    run.world.deploy(process("on timer t PT10S -> older -> O end"))
    assert set(run.world.deployed.timers) == before

    run.world.deploy(process("on timer t PT20S -> newer -> O end"))
    assert started(run.advance(10)) == 0
    run.advance(10).active("newer")


def test_a_cron_expression_with_six_fields_is_a_cycle() -> None:
    """ZC-247"""
    run = given("on timer t */10 * * * * * -> work -> O end")

    assert started(run.advance(30)) == 3
    assert schedule("cycle", "*/10 * * * * *", START).repetitions == UNLIMITED


@pytest.mark.parametrize("cron", ["* * * * *", "* * * * * * *", "61 * * * * *", "*", "a * * * * *"])
def test_a_cron_expression_has_six_fields_with_seconds_first(cron: str) -> None:
    """ZC-248"""
    answer = World().deploy(process(f"on timer t {cron} -> O end").replace(b"timeDuration", b"timeCycle"))

    assert isinstance(answer, Rejected)
    assert answer.code == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 0 9-11 * * *", ["2026-01-01T09:00:00", "2026-01-01T10:00:00", "2026-01-01T11:00:00"]),
        ("0 */20 * * * *", ["2026-01-01T00:20:00", "2026-01-01T00:40:00", "2026-01-01T01:00:00"]),
        ("5,30 0 0 * * *", ["2026-01-01T00:00:05", "2026-01-01T00:00:30", "2026-01-02T00:00:05"]),
        ("0 10/20 * * * *", ["2026-01-01T00:10:00", "2026-01-01T00:30:00", "2026-01-01T00:50:00"]),
        ("0 0 0 1-10/3 * ?", ["2026-01-04T00:00:00", "2026-01-07T00:00:00", "2026-01-10T00:00:00"]),
        ("0 0 0 * JAN-FEB MON,WED", ["2026-01-05T00:00:00", "2026-01-07T00:00:00", "2026-01-12T00:00:00"]),
        ("0 0 0 ? * 7", ["2026-01-04T00:00:00", "2026-01-11T00:00:00", "2026-01-18T00:00:00"]),
    ],
)
def test_each_field_takes_ranges_steps_and_lists(cron: str, expected: list[str]) -> None:
    """ZC-249"""
    assert dues(cron) == expected


def test_a_date_that_never_comes_is_no_due_date() -> None:
    """ZC-250: what follows after none is none; a deployment is told at once that it waits for nothing."""
    assert next_due("0 0 0 31 6 *", START, START) is None
    with pytest.raises(ValueError, match="comes true"):
        schedule("cycle", "0 0 0 31 6 *", START)


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("L", ["2026-01-31T00:00:00", "2026-02-28T00:00:00", "2026-03-31T00:00:00"]),
        ("L-3", ["2026-01-28T00:00:00", "2026-02-25T00:00:00", "2026-03-28T00:00:00"]),
        ("15W", ["2026-01-15T00:00:00", "2026-02-16T00:00:00", "2026-03-16T00:00:00"]),
        ("1W", ["2026-02-02T00:00:00", "2026-03-02T00:00:00", "2026-04-01T00:00:00"]),
        ("LW", ["2026-01-30T00:00:00", "2026-02-27T00:00:00", "2026-03-31T00:00:00"]),
    ],
)
def test_the_day_of_the_month_takes_last_days_and_nearest_weekdays(day: str, expected: list[str]) -> None:
    """ZC-251"""
    assert dues(f"0 0 0 {day} * *") == expected


@pytest.mark.parametrize("value", ["soon", 1, None, True, "R2/PT10S", "2026-01-01T00:00:00Z"])
def test_a_timer_that_is_none_is_an_incident_and_is_made_after_resolving(value: object) -> None:
    """ZC-252"""
    run = given(waits("=x")).create(x=value)
    assert told(run)[-1] == "incident-raised t EXTRACT_VALUE_ERROR"

    run.when(c.SetVariables, key=run.instance.key, variables={"x": "PT10S"})
    run.when(c.ResolveIncident, key=next(iter(run.instance.incidents))).then("incident-resolved", "timer-set")
    run.advance(10).completed()


def test_a_timer_fires_once_and_not_after_it_was_cancelled() -> None:
    """ZC-253"""
    run = given(boundary("PT10S")).create()
    key = next(iter(run.instance.timers))
    run.advance(10)
    refused(run.when(c.TriggerTimer, key=key), "NOT_FOUND")

    other = given("o start -> pack -> after -> O end; at pack timer t PT10S -> O k").create()
    key = next(iter(other.instance.timers))
    other.complete("pack")
    other.world.now = datetime(2027, 1, 1, tzinfo=UTC)
    refused(other.when(c.TriggerTimer, key=key), "NOT_FOUND")
