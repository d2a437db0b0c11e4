"""The page for Prometheus: the last windows that have ended, partitions together."""

from prometheus_client import CollectorRegistry, generate_latest

from infra.insight.metrics import SETTLE_MS, InsightMetrics
from tests.insight.histories import History, folded, milliseconds


def page(*histories: History, seconds: float) -> list[str]:
    registry = CollectorRegistry()
    metrics = InsightMetrics(registry)
    metrics.show([folded(each) for each in histories], milliseconds(seconds))
    return generate_latest(registry).decode().splitlines()


def test_the_last_window_that_has_ended_is_shown_for_all_partitions_together() -> None:
    one = History(1).begin(10, 1).enter(11, 1, "ship").leave(41, 1, "ship").end(42, 1)
    other = History(2).begin(20, 1)
    lines = page(one, other, seconds=60 + SETTLE_MS / 1000)
    labels = 'element="",process="order",version="1",window="tumbling-1m"'

    assert f"procession_insight_started{{{labels}}} 2.0" in lines
    assert f"procession_insight_completed{{{labels}}} 1.0" in lines
    took = 'element="ship",process="order",quantile="1",version="1",window="tumbling-1m"'
    assert f"procession_insight_duration_seconds{{{took}}} 30.0" in lines
    assert 'procession_insight_position{partition="1"} 4.0' in lines


def test_a_window_that_has_just_ended_is_not_shown_before_its_last_events_have_come() -> None:
    history = History(1).begin(10, 1)
    labels = 'element="",process="order",version="1",window="tumbling-1m"'

    assert f"procession_insight_started{{{labels}}} 0.0" in page(history, seconds=60 + SETTLE_MS / 1000 - 0.001)
    assert f"procession_insight_started{{{labels}}} 0.0" in page(history, seconds=120 + SETTLE_MS / 1000)


def test_what_is_open_beyond_its_limit_is_shown_for_all_partitions_together() -> None:
    histories = [History(partition).begin(0, 1).enter(0, 1, "ship") for partition in (1, 2)]
    lines = page(*histories, seconds=200)

    assert 'procession_insight_overdue{element="ship",process="order",version="1"} 2.0' in lines
    assert 'procession_insight_overdue{element="",process="order",version="1"} 0.0' in lines
