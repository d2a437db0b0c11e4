"""Windows: sums over minutes, whatever the order of events; final once, bounded always."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.insight.durations import FINE, bucket_of, middle_of, percentile
from streams.insight.windows import (
    FIGURES,
    GRACE_MS,
    KEYS_MAX,
    LONGEST_MS,
    MINUTE_MS,
    WINDOWS,
    Figures,
    Key,
    Observation,
    Panes,
    Window,
)

TUMBLING, FIVE_MINUTES, HOUR = WINDOWS
KEYS = [Key("order", 1), Key("order", 1, "ship"), Key("claim", 2)]

OBSERVATIONS = st.lists(
    st.builds(
        Observation,
        time=st.integers(0, 3 * LONGEST_MS),
        key=st.sampled_from(KEYS),
        figure=st.sampled_from(FIGURES),
        duration=st.none() | st.integers(0, 10_000_000),
    ),
    max_size=60,
)


def counted(observations: list[Observation]) -> Panes:
    panes = Panes()
    for observation in observations:
        assert panes.observe(observation) == ""
    return panes


@given(OBSERVATIONS, st.randoms(use_true_random=False))
def test_the_order_of_events_within_a_window_does_not_matter(observations: list[Observation], chance: Random) -> None:
    other = list(observations)
    chance.shuffle(other)

    assert counted(other).panes == counted(observations).panes


@given(OBSERVATIONS)
def test_a_hopping_window_is_the_sum_of_its_tumbling_parts(observations: list[Observation]) -> None:
    panes = counted(observations)

    for window in (FIVE_MINUTES, HOUR):
        for end in range(window.hop_ms, 3 * LONGEST_MS, 7 * window.hop_ms):
            for key in KEYS:
                parts = Figures()
                for each in range(end - window.size_ms + MINUTE_MS, end + 1, MINUTE_MS):
                    parts.add(panes.figures(TUMBLING, each, key))
                assert panes.figures(window, end, key) == parts


@given(OBSERVATIONS)
def test_every_observation_is_in_as_many_windows_as_overlap(observations: list[Observation]) -> None:
    told = counted(observations).take(10 * LONGEST_MS)

    for window in WINDOWS:
        total = sum(getattr(each.figures, name) for each in told if each.window is window for name in FIGURES)
        assert total == len(observations) * window.size_ms // window.hop_ms


@given(OBSERVATIONS)
def test_each_window_becomes_final_once_with_all_that_was_in_it(observations: list[Observation]) -> None:
    panes, told = Panes(), []
    observations = sorted(observations, key=lambda each: each.time)
    for observation in observations:
        panes.observe(observation)
        told += panes.advance(observation.time)
    told += panes.advance(10 * LONGEST_MS)
    whole = counted(observations)

    names = [(each.window, each.end, each.key) for each in told]
    assert len(names) == len(set(names))
    assert {(each.window, each.end, each.key): each.figures for each in told} == {
        (each.window, each.end, each.key): each.figures for each in whole.take(10 * LONGEST_MS)
    }
    assert not panes.panes
    assert not list(panes.keys)


def test_a_window_that_changed_is_told_once_it_has_ended_and_again_if_it_changes() -> None:
    panes = counted([Observation(0, KEYS[0], "started")])

    assert panes.take(MINUTE_MS - 1) == []
    assert {each.window for each in panes.take(MINUTE_MS)} == {TUMBLING, FIVE_MINUTES}
    assert panes.take(MINUTE_MS) == []
    panes.observe(Observation(1, KEYS[0], "started"))
    again = panes.take(MINUTE_MS)
    assert [(each.figures.started, each.final) for each in again] == [(2, False), (2, False)]
    panes.give_back(again)
    assert panes.take(MINUTE_MS) == again


def test_an_event_that_comes_after_its_window_is_final_is_left_out() -> None:
    panes = Panes()
    panes.advance(MINUTE_MS + GRACE_MS - 1)
    assert panes.observe(Observation(0, KEYS[0], "started")) == ""
    panes.advance(MINUTE_MS + GRACE_MS)

    assert panes.observe(Observation(0, KEYS[0], "started")) == "late"


def test_only_so_many_things_have_figures_at_a_time_and_old_minutes_are_dropped() -> None:
    panes = Panes()
    for number in range(KEYS_MAX):
        assert panes.observe(Observation(0, Key("p", number), "started")) == ""
    assert panes.observe(Observation(0, Key("p", KEYS_MAX), "started")) == "crowded"
    panes.advance(LONGEST_MS + GRACE_MS)

    assert not panes.panes
    assert panes.observe(Observation(LONGEST_MS + GRACE_MS, Key("p", KEYS_MAX), "started")) == ""


@given(st.lists(st.integers(0, 10**11), min_size=1), st.sampled_from([1, 50, 95, 99, 100]))
def test_a_percentile_is_right_to_a_sixteenth(durations: list[int], percent: int) -> None:
    buckets: dict[int, int] = {}
    for each in durations:
        buckets[bucket_of(each)] = buckets.get(bucket_of(each), 0) + 1
    exact = sorted(durations)[-(-len(durations) * percent // 100) - 1]
    found = percentile(buckets, percent, max(durations))

    assert found is not None
    assert abs(found - exact) * FINE <= exact


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_buckets_keep_the_order_and_are_few(one: int, other: int) -> None:
    low, high = sorted((one, other))

    assert bucket_of(low) <= bucket_of(high) < 40 * FINE
    assert bucket_of(middle_of(bucket_of(one))) == bucket_of(one)


def test_no_durations_have_no_percentile() -> None:
    assert percentile({}, 50, 0) is None


@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: window.name)
def test_windows_begin_and_end_where_minutes_do(window: Window) -> None:
    assert window.hop_ms % MINUTE_MS == 0
    assert window.size_ms % window.hop_ms == 0
