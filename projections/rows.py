"""What a batch of events does to one query table, as final rows: the currency between folding and writing.

A row that is born in the batch is kept whole and changed in place; of an older row only the changed columns are kept. So a
batch costs a few statements per table however many events it has. Knows nothing of SQL or of any event.
"""

from collections.abc import Callable, Mapping
from hashlib import md5
from typing import Any, TypeAlias

import msgspec

from eventstore.records import EventRecord

Value: TypeAlias = Any
"""What asyncpg takes for a column: int, str, bool, bytes, datetime, None; of a text[] column its literal, see `array`."""

Row: TypeAlias = list[Value]
Key: TypeAlias = int | tuple[Value, ...]

NAME_CHARACTERS_MAX = 500
"""Longer names are cut in the query tables (a digest keeps them apart): PostgreSQL indexes no more than 2,704 bytes."""


class Column(msgspec.Struct, frozen=True):
    """A column: its type as sent, and the cast if that is not the type as stored."""

    name: str
    type: str
    cast: str = ""


class Table(msgspec.Struct, frozen=True):
    """A query table: columns in the order of its rows, and which of them tell rows apart."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    keep: tuple[str, ...] = ()
    """Columns that an older row keeps when it is written again."""
    of_instances: bool = True
    """Whether its rows belong to process instances (`instance_key`) and leave with them."""

    @property
    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(column.name for column in self.columns)


def table(name: str, key: str, columns: str, *, keep: tuple[str, ...] = (), of_instances: bool = True) -> Table:
    """Return a table from a text such as "key bigint, tags text[], …"."""
    parsed = [entry.split() for entry in columns.split(",")]
    return Table(
        name=name,
        columns=tuple(
            Column(column, "text", "text[]") if kind == "text[]" else Column(column, kind) for column, kind in parsed
        ),
        key=tuple(key.split(", ")),
        keep=keep,
        of_instances=of_instances,
    )


class Matching(msgspec.Struct):
    """A change of all rows whose `column` has one of the values."""

    column: str
    values: list[int]
    changes: Mapping[str, Value]


class Rows:
    """The changes of one table in one batch."""

    __slots__ = ("deleted", "inserted", "matching", "places", "table", "updated")

    def __init__(self, target: Table) -> None:
        self.table = target
        self.places = {column.name: index for index, column in enumerate(target.columns)}
        self.inserted: dict[Key, Row] = {}
        self.updated: dict[Key, dict[str, Value]] = {}
        self.deleted: set[Key] = set()
        self.matching: list[Matching] = []

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.inserted or self.updated or self.deleted or self.matching)

    def insert(self, key: Key, row: Row) -> None:
        """A row exists now, whether or not there was one before."""
        self.inserted[key] = row
        self.updated.pop(key, None)

    def update(self, key: Key, changes: dict[str, Value]) -> None:
        """Columns of a row have new values. The dict is ours from now on."""
        row = self.inserted.get(key)
        if row is not None:
            places = self.places
            for name, value in changes.items():
                row[places[name]] = value
            return
        former = self.updated.get(key)
        if former is None:
            self.updated[key] = changes
        else:
            former.update(changes)

    def delete(self, key: Key) -> None:
        """There is no such row any more."""
        self.inserted.pop(key, None)
        self.updated.pop(key, None)
        self.deleted.add(key)

    def update_matching(self, column: str, value: int, changes: Mapping[str, Value]) -> None:
        """All rows with `column` = `value` change. For rare events: the batch's rows are looked through.

        Neither `column` nor the changed columns may be written by `update`: older rows are changed before the updates.
        """
        place = self.places[column]
        for row in self.inserted.values():
            if row[place] == value:
                for name, new in changes.items():
                    row[self.places[name]] = new
        last = self.matching[-1] if self.matching else None
        if last is not None and last.column == column and last.changes == changes:
            last.values.append(value)
        else:
            self.matching.append(Matching(column, [value], changes))


Handler: TypeAlias = Callable[[Rows, Any, EventRecord, int], None]
"""(rows, event, its record, key of the process instance whose stream it is in, else 0)."""


class Projection(msgspec.Struct, frozen=True):
    """A query table and which event changes it how."""

    table: Table
    handlers: Mapping[type, Handler]


_ENCODER = msgspec.json.Encoder(decimal_format="number")


def json_text(value: Any) -> str:
    """Return the JSON text of a value; decimals are numbers."""
    return _ENCODER.encode(value).decode()


def cut(name: str) -> str:
    """Return the name as the query tables have it: at most NAME_CHARACTERS_MAX characters."""
    if len(name) <= NAME_CHARACTERS_MAX:
        return name
    digest = md5(name.encode(), usedforsecurity=False).hexdigest()
    return f"{name[: NAME_CHARACTERS_MAX - len(digest) - 1]}…{digest}"


def array(items: tuple[str, ...] | list[str]) -> str:
    """Return the literal of a text[] value: arrays of arrays cannot be unnested row by row."""
    if not items:
        return "{}"
    quoted = (cut(item).replace("\\", "\\\\").replace('"', '\\"') for item in items)
    return '{"' + '","'.join(quoted) + '"}'
