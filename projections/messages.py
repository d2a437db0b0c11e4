"""Query tables `message_subscriptions` and `correlated_messages`: who waits for a message, and which reached whom."""

from domain import events as e
from eventstore.records import EventRecord
from projections.rows import Projection, Rows, cut, table

MESSAGE_SUBSCRIPTIONS_TABLE = table(
    "message_subscriptions",
    "key",
    "key bigint, partition integer, instance_key bigint, element_key bigint, element_id text, process_id text,"
    "message_name text, correlation_key text, interrupting boolean, correlated_at timestamptz, closed_at timestamptz,"
    "updated_at timestamptz",
)

CORRELATED_MESSAGES_TABLE = table(
    "correlated_messages",
    "message_key, subscription_key",
    "message_key bigint, subscription_key bigint, partition integer, instance_key bigint, element_key bigint,"
    "element_id text, process_id text, definition_key bigint, message_name text, correlation_key text,"
    "correlated_at timestamptz",
)


def _subscribed(rows: Rows, event: e.MessageSubscribed, record: EventRecord, instance: int) -> None:
    rows.insert(
        event.key,
        [
            event.key,
            record.partition,
            instance,
            event.element_key,
            cut(event.target),
            cut(event.process_id),
            cut(event.name),
            cut(event.correlation_key),
            event.interrupting,
            None,
            None,
            record.time,
        ],
    )


def _unsubscribed(rows: Rows, event: e.MessageUnsubscribed, record: EventRecord, instance: int) -> None:
    rows.update(event.key, {"closed_at": record.time, "updated_at": record.time})


def _correlated(rows: Rows, event: e.MessageCorrelated, record: EventRecord, instance: int) -> None:
    rows.update(event.key, {"correlated_at": record.time, "updated_at": record.time})


MESSAGE_SUBSCRIPTIONS = Projection(
    MESSAGE_SUBSCRIPTIONS_TABLE,
    {
        e.MessageSubscribed: _subscribed,
        e.MessageUnsubscribed: _unsubscribed,
        e.MessageCorrelated: _correlated,
    },
)


def _correlation(rows: Rows, event: e.MessageCorrelated, record: EventRecord, instance: int) -> None:
    rows.insert(
        (event.message_key, event.key),
        [
            event.message_key,
            event.key,
            record.partition,
            instance,
            event.element_key,
            cut(event.target),
            cut(event.process_id),
            None,
            cut(event.name),
            cut(event.correlation_key),
            record.time,
        ],
    )


def _start(rows: Rows, event: e.MessageStarted, record: EventRecord, instance: int) -> None:
    rows.insert(
        (event.message_key, event.definition_key),
        [
            event.message_key,
            event.definition_key,
            record.partition,
            event.instance_key,
            None,
            cut(event.element),
            cut(event.process_id),
            event.definition_key,
            cut(event.name),
            cut(event.correlation_key),
            record.time,
        ],
    )


CORRELATED_MESSAGES = Projection(
    CORRELATED_MESSAGES_TABLE, {e.MessageCorrelated: _correlation, e.MessageStarted: _start}
)
