"""Query tables `variables` and `loop_outputs`: the values of variables as JSON text.

A variable has no key in the log, but the API wants one. It is made from where the variable was first set: partition,
position and place in that event, put together as any key is (`domain.keys`); so a rebuild gives the same. Past the
16,384th variable of one event it is a negative digest of scope and name.

The output collection of a multi-instance changes with every inner instance. Its elements are rows of their own, put into
the list when it is read, so that storing one does not cost the whole list. Those older than the list itself do not count.
"""

from hashlib import blake2b

from domain import events as e
from domain.keys import LOCAL_MAX, make_key
from eventstore.records import EventRecord
from projections.rows import Projection, Rows, cut, json_text, table

VARIABLES_TABLE = table(
    "variables",
    "scope_key, name",
    "key bigint, partition integer, instance_key bigint, scope_key bigint, name text, value text, position bigint",
    keep=("key",),
)

LOOP_OUTPUTS_TABLE = table(
    "loop_outputs",
    "scope_key, name, loop",
    "scope_key bigint, name text, loop integer, partition integer, instance_key bigint, value text,position bigint",
)

_VALUE = 5
_POSITION = 6


def variable_key(record: EventRecord, index: int, scope: int, name: str) -> int:
    """Return the key of a variable that this event sets as its `index`-th, counted from 0."""
    if index <= LOCAL_MAX:
        return make_key(record.partition, record.position, index)
    digest = blake2b(f"{scope}/{name}".encode(), digest_size=8).digest()
    return -(int.from_bytes(digest) >> 1) - 1


def _set(rows: Rows, event: e.VariablesSet, record: EventRecord, instance: int) -> None:
    scope = event.scope
    inserted = rows.inserted
    for index, (full_name, value) in enumerate(event.variables.items()):
        name = cut(full_name)
        row = inserted.get((scope, name))
        if row is None:
            key = variable_key(record, index, scope, name)
            inserted[scope, name] = [key, record.partition, instance, scope, name, json_text(value), record.position]
        else:
            row[_VALUE] = json_text(value)
            row[_POSITION] = record.position


def _loop_started(rows: Rows, event: e.LoopStarted, record: EventRecord, instance: int) -> None:
    if event.output is not None:
        variables = {event.output: [None] * event.count}
        _set(rows, e.VariablesSet(scope=event.key, variables=variables), record, instance)


def _loop_output_stored(rows: Rows, event: e.LoopOutputStored, record: EventRecord, instance: int) -> None:
    name = cut(event.output)
    rows.inserted[event.key, name, event.loop] = [
        event.key,
        name,
        event.loop,
        record.partition,
        instance,
        json_text(event.value),
        record.position,
    ]


VARIABLES = Projection(VARIABLES_TABLE, {e.VariablesSet: _set, e.LoopStarted: _loop_started})
LOOP_OUTPUTS = Projection(LOOP_OUTPUTS_TABLE, {e.LoopOutputStored: _loop_output_stored})
