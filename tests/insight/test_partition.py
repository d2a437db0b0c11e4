"""What the figures of a partition are, and that a snapshot, a repetition or a death in between changes nothing."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import commands as c
from domain import events as e
from domain.keys import make_key
from streams.insight import rules
from streams.insight.limits import BadLimits, Limits, Rule
from streams.insight.partition import EPOCH, MILLISECOND, Insight, NoEvent, Record
from streams.insight.windows import LONGEST_MS, WINDOWS, Figures, Key
from tests.insight.histories import LIMITS, History, busy, fold, folded, milliseconds
from tests.support.given import given as process

TUMBLING, FIVE_MINUTES, HOUR = WINDOWS
ORDER, SHIP = Key("order", 1), Key("order", 1, "ship")
AGES_AFTER = milliseconds(10 * 365 * 24 * 3600)


def hour(insight: Insight, key: Key) -> Figures:
    """The figures of the first hour."""
    return insight.panes.figures(HOUR, milliseconds(3600), key)


def told(insight: Insight) -> dict[bytes, Any]:
    found: dict[bytes, Any] = {each.key: json.loads(each.value) for each in insight.take(AGES_AFTER)}
    return found


def test_instances_and_elements_are_counted_with_what_they_took() -> None:
    history = History().begin(0, 1).enter(1, 1, "ship").leave(61, 1, "ship").end(62, 1)
    insight = folded(history)

    assert hour(insight, SHIP) == Figures(
        started=1, completed=1, milliseconds=60_000, longest=60_000, buckets=hour(insight, SHIP).buckets
    )
    assert hour(insight, ORDER).longest == 62_000
    assert not insight.memory.open


def test_an_incident_of_an_element_is_one_of_its_definition_too() -> None:
    insight = folded(History().begin(0, 1).enter(1, 1, "ship").incident(2, 1, "ship").resolve(3, 1))

    for key in (ORDER, SHIP):
        assert (hour(insight, key).incidents_raised, hour(insight, key).incidents_resolved) == (1, 1)


def test_the_body_of_a_multi_instance_activity_is_not_counted() -> None:
    history = History().begin(0, 1).enter(1, 1, "ship", 1, loop=0)
    history.enter(1, 1, "ship", 2, loop=1).leave(2, 1, "ship", 2).leave(2, 1, "ship", 1)
    insight = folded(history)

    assert (hour(insight, SHIP).started, hour(insight, SHIP).completed) == (1, 1)
    assert insight.left_out["unknown"] == 0


def test_a_breach_happens_when_the_limit_runs_out_whenever_it_is_noticed() -> None:
    history = History().begin(0, 1).enter(0, 1, "ship").leave(3000, 1, "ship").end(3000, 1)
    insight = folded(history)

    assert insight.panes.figures(TUMBLING, milliseconds(180), SHIP).breaches == 1  # after two minutes, in the third
    assert insight.panes.figures(TUMBLING, milliseconds(360), ORDER).breaches == 1
    assert hour(insight, SHIP).breaches == 1


def test_what_takes_exactly_its_limit_breaches_nothing() -> None:
    insight = folded(History().begin(0, 1).enter(0, 1, "ship").leave(120, 1, "ship").end(130, 1))

    assert hour(insight, SHIP).breaches == 0


def test_what_is_open_beyond_its_limit_now_is_seen_without_any_event() -> None:
    insight = folded(History().begin(0, 1).enter(0, 1, "ship").begin(60, 2))

    assert dict(insight.memory.late_now(milliseconds(120))) == {ORDER: 0, SHIP: 0}
    assert dict(insight.memory.late_now(milliseconds(301))) == {ORDER: 1, SHIP: 1}
    fold(insight, [Record(3, 4, milliseconds(310), "timer-set", 1, "instance/1", b"{}")])
    assert dict(insight.memory.late_now(milliseconds(361))) == {ORDER: 2, SHIP: 1}


@settings(max_examples=20)
@given(st.data())
def test_events_that_come_again_count_once(data: st.DataObject) -> None:
    records = busy(1, 30).records
    again: list[Record] = []
    for at, record in enumerate(records):
        again.append(record)
        if data.draw(st.integers(0, 9)) == 0:
            again += records[data.draw(st.integers(0, at)) : at + 1]

    assert told(fold(Insight(1, LIMITS), again)) == told(folded(busy(1, 30)))


@settings(max_examples=30)
@given(st.integers(0, 200), st.integers(0, 40), st.integers(1, 50))
def test_whoever_goes_on_from_a_snapshot_tells_the_same(at: int, back: int, seed: int) -> None:
    history = busy(1, 60, seed)
    alone = folded(history)
    first = fold(Insight(1, LIMITS), history.records[:at])
    before = told(first)
    snapshot = first.snapshot()
    fold(first, history.records[at : at + back])  # what was lost with it
    second = fold(Insight.restored(1, LIMITS, snapshot), history.records[max(at - back, 0) :])

    assert (second.position, second.offset, second.left_out) == (alone.position, alone.offset, alone.left_out)
    assert second.panes.panes == alone.panes.panes
    assert second.memory.open == alone.memory.open
    assert second.memory.incidents == alone.memory.incidents
    assert {**before, **told(second)} == told(alone)


def test_figures_of_several_partitions_add_up() -> None:
    insights = [folded(busy(partition, 50)) for partition in (1, 2)]
    together = Figures()
    for insight in insights:
        together.add(hour(insight, ORDER))

    assert together.started == sum(hour(insight, ORDER).started for insight in insights) > 0
    assert together.longest == max(hour(insight, ORDER).longest for insight in insights)
    assert sum(together.buckets.values()) == together.completed


def test_a_snapshot_of_another_format_or_a_broken_one_counts_as_none() -> None:
    for snapshot in (None, b"", b"\x93\x01\x02\x03", msgspec.msgpack.encode([2, 5, 5, 0, [], [], [], [], {}])):
        assert Insight.restored(1, LIMITS, snapshot).position == 0


def test_only_so_many_open_ones_and_incidents_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "OPEN_MAX", 10)
    monkeypatch.setattr(rules, "INCIDENTS_MAX", 5)
    history = History()
    for number in range(1, 21):
        history.begin(number, number).incident(number, number, "ship")
    insight = folded(history.end(30, 1).end(31, 20))

    assert len(insight.memory.open) == 9
    assert len(insight.memory.incidents) == 5
    assert insight.left_out["forgotten"] == 10 + 15
    assert insight.left_out["unknown"] == 1
    assert sum(dict(insight.memory.late_now(AGES_AFTER)).values()) == 9


def test_years_of_events_leave_no_more_than_the_longest_window() -> None:
    history = History()
    for day in range(1000):
        history.begin(day * 86_400, day + 1).end(day * 86_400 + 1, day + 1)
    insight = folded(history)

    assert len(insight.panes.panes) <= LONGEST_MS // TUMBLING.size_ms
    assert len(insight.take(0)) == 999 * (1 + 5 + 12)
    assert len(insight.snapshot()) < 1_000


def test_a_hole_in_the_positions_and_events_nobody_knows_are_counted() -> None:
    history = History().begin(0, 1).begin(1, 2).begin(2, 3)
    first, _, third = history.records
    insight = fold(Insight(1, LIMITS), [first, third, third._replace(position=4, schema=99)])
    insight.skip(9)

    assert {reason: count for reason, count in insight.left_out.items() if count} == {"missed": 1, "unreadable": 2}
    assert insight.offset == 10


def test_a_record_without_the_headers_of_an_event_is_none() -> None:
    headers = dict(History().begin(0, 1).headers(History().begin(0, 1).rows[0]))
    assert Record.of(0, headers, b"{}").time == milliseconds(0)

    for name in ("position", "time", "type", "schema", "stream"):
        with pytest.raises(NoEvent, match="offset 7"):
            Record.of(
                7, {**headers, name: b""} if name in ("position", "time", "schema") else _without(headers, name), b""
            )


def _without(headers: dict[str, bytes], name: str) -> dict[str, bytes]:
    return {each: value for each, value in headers.items() if each != name}


def test_what_the_engine_really_writes_is_understood() -> None:
    run = process("o start -> each items pack -> call c other -> user approve -> O end", other="o s -> ship -> O e")
    for _ in range(3):
        run.create(items=[1, 2])
    for _ in range(6):
        run.complete("pack")
    run.when(c.FailJob, key=run.job("ship"), retries=0, message="no")
    for instance in list(run.world.instances())[:1]:
        run.when(c.CancelInstance, key=instance.key)
    limits = Limits([Rule("p", "PT1H")])
    insights = {partition: Insight(partition, limits) for partition in (1, 2, 3)}
    for record in run.world.log:
        time = (run.world.now - EPOCH) // MILLISECOND
        kind = str(record.event.__struct_config__.tag)
        insights[record.partition].fold(
            Record(record.position, record.position, time, kind, 1, record.stream, record.body)
        )

    total: dict[Key, Figures] = {}
    for insight in insights.values():
        for pane in insight.panes.panes.values():
            for key, figures in pane.items():
                total.setdefault(key, Figures()).add(figures)
        assert insight.left_out["unknown"] == 0
    assert total[Key("p", 1)].started == 3
    assert total[Key("p", 1, "pack")].completed == 6
    assert total[Key("p", 1, "pack")].jobs_completed == 6
    assert total[Key("p", 1)].terminated + total[Key("p", 1)].completed >= 1
    assert total[Key("other", 1, "ship")].jobs_failed == 1
    assert total[Key("other", 1, "ship")].incidents_raised == 1
    open_now = {key for each in insights.values() for key in each.memory.open}
    assert open_now == {key for state in run.world.instances() for key in [*state.elements]}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"{", "expected a list"),
        (b'[{"process": "order"}]', "limit"),
        (b'[{"process": "order", "limit": "PT1H", "elemant": "ship"}]', "elemant"),
        (b'[{"process": "order", "limit": "one hour"}]', "'one hour'"),
        (b'[{"process": "order", "limit": "P1M"}]', "depends on the calendar"),
        (b'[{"process": "order", "limit": "PT0S"}]', "longer than nothing"),
        (b'[{"process": "o", "limit": "PT1H"}, {"process": "o", "limit": "PT2H"}]', "found two"),
    ],
)
def test_a_bad_list_of_limits_is_refused_with_a_sentence(text: bytes, says: str) -> None:
    with pytest.raises(BadLimits, match=says):
        Limits.read(text)


def test_limits_hold_for_every_version() -> None:
    limits = Limits.read(b'[{"process": "order", "element": "ship", "limit": "PT1.5S"}]')

    assert limits.of(Key("order", 1, "ship")) == limits.of(Key("order", 9, "ship")) == 1_500
    assert limits.of(Key("order", 1)) is None


def test_the_key_of_a_result_names_partition_window_and_thing() -> None:
    one, other = told(folded(busy(1, 20))), told(folded(busy(2, 20)))

    assert not one.keys() & other.keys()
    value = next(iter(one.values()))
    assert value["partition"] == 1
    assert value["end"].endswith("00Z")


def test_events_that_mean_nothing_have_no_handler() -> None:
    assert list(rules.Memory(LIMITS).observe(e.HeldReleased(key=make_key(1, 1)), 1, 0)) == []
