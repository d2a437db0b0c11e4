"""Query table `signal_subscriptions`: who waits for a signal."""

from domain import events as e
from eventstore.records import EventRecord
from projections.rows import Projection, Rows, cut, table

SIGNAL_SUBSCRIPTIONS_TABLE = table(
    "signal_subscriptions",
    "key",
    "key bigint, partition integer, instance_key bigint, element_key bigint, element_id text, signal_name text,"
    "received_at timestamptz, closed_at timestamptz, updated_at timestamptz",
)


def _subscribed(rows: Rows, event: e.SignalSubscribed, record: EventRecord, instance: int) -> None:
    row = [event.key, record.partition, instance, event.element_key, cut(event.target), cut(event.name)]
    rows.insert(event.key, [*row, None, None, record.time])


def _unsubscribed(rows: Rows, event: e.SignalUnsubscribed, record: EventRecord, instance: int) -> None:
    rows.update(event.key, {"closed_at": record.time, "updated_at": record.time})


def _received(rows: Rows, event: e.SignalReceived, record: EventRecord, instance: int) -> None:
    rows.update(event.key, {"received_at": record.time, "updated_at": record.time})


SIGNAL_SUBSCRIPTIONS = Projection(
    SIGNAL_SUBSCRIPTIONS_TABLE,
    {e.SignalSubscribed: _subscribed, e.SignalUnsubscribed: _unsubscribed, e.SignalReceived: _received},
)
