"""Query tables `timers`, for people, and `agenda`, from which the engine learns what is due.

Rows of the agenda leave when a timer has fired or was cancelled, or when a message is no longer kept.
"""

from domain import events as e
from eventstore.records import EventRecord
from projections.held import HELD
from projections.rows import Projection, Rows, cut, table

TIMERS_TABLE = table(
    "timers",
    "key",
    "key bigint, partition integer, instance_key bigint, element_key bigint, definition_key bigint, element_id text,"
    "due timestamptz, repetitions integer, repeat text, state text, created_at timestamptz, ended_at timestamptz",
)

AGENDA_TABLE = table(
    "agenda",
    "partition, key",
    "partition integer, key bigint, due timestamptz, kind text, instance_key bigint, name text, correlation_key text,"
    "suspended boolean, quarantine_key bigint",
)

TIMER, START_TIMER, MESSAGE = "timer", "start-timer", "message"
"""Kinds of the agenda."""


def _timer_set(rows: Rows, event: e.TimerSet, record: EventRecord, instance: int) -> None:
    row = [event.key, record.partition, instance, event.element_key, None, cut(event.target), event.due]
    rows.insert(event.key, [*row, event.repetitions, event.repeat, "CREATED", record.time, None])


def _start_timer_set(rows: Rows, event: e.StartTimerSet, record: EventRecord, instance: int) -> None:
    row = [event.key, record.partition, None, None, event.definition_key, cut(event.element), event.due]
    rows.insert(event.key, [*row, event.repetitions, event.repeat, "CREATED", record.time, None])


def _fired(rows: Rows, event: e.TimerFired | e.StartTimerFired, record: EventRecord, instance: int) -> None:
    rows.update(event.key, {"state": "TRIGGERED", "ended_at": record.time})


def _canceled(rows: Rows, event: e.TimerCanceled | e.StartTimerCanceled, record: EventRecord, instance: int) -> None:
    rows.update(event.key, {"state": "CANCELED", "ended_at": record.time})


TIMERS = Projection(
    TIMERS_TABLE,
    {
        e.TimerSet: _timer_set,
        e.StartTimerSet: _start_timer_set,
        e.TimerFired: _fired,
        e.StartTimerFired: _fired,
        e.TimerCanceled: _canceled,
        e.StartTimerCanceled: _canceled,
    },
)


def _agenda_timer(rows: Rows, event: e.TimerSet, record: EventRecord, instance: int) -> None:
    row = [record.partition, event.key, event.due, TIMER, instance, "", "", False, None]
    rows.insert((record.partition, event.key), row)


def _agenda_start_timer(rows: Rows, event: e.StartTimerSet, record: EventRecord, instance: int) -> None:
    row = [record.partition, event.key, event.due, START_TIMER, None, "", "", False, None]
    rows.insert((record.partition, event.key), row)


def _agenda_message(rows: Rows, event: e.MessagePublished, record: EventRecord, instance: int) -> None:
    if event.deadline > record.time:
        row = [
            record.partition,
            event.key,
            event.deadline,
            MESSAGE,
            None,
            event.name,
            event.correlation_key,
            False,
            None,
        ]
        rows.insert((record.partition, event.key), row)


def _agenda_done(
    rows: Rows,
    event: e.TimerFired | e.TimerCanceled | e.StartTimerFired | e.StartTimerCanceled | e.MessageExpired,
    record: EventRecord,
    instance: int,
) -> None:
    rows.delete((record.partition, event.key))


AGENDA = Projection(
    AGENDA_TABLE,
    {
        e.TimerSet: _agenda_timer,
        e.StartTimerSet: _agenda_start_timer,
        e.MessagePublished: _agenda_message,
        e.TimerFired: _agenda_done,
        e.TimerCanceled: _agenda_done,
        e.StartTimerFired: _agenda_done,
        e.StartTimerCanceled: _agenda_done,
        e.MessageExpired: _agenda_done,
        **HELD,
    },
)
