"""The statements that write final rows. Texts depend on tables and column sets alone, so that they are prepared once.

Column arrays go out in binary and are unnested; a row's columns are never put into the text of a statement.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cache

from projections.connections import Connection
from projections.rows import Column, Key, Matching, Row, Rows, Table, Value


async def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows; one that is there is replaced, but for the columns that it keeps."""
    await connection.execute(_insert_text(table), *zip(*rows, strict=True))


async def update_rows(connection: Connection, table: Table, updated: Mapping[Key, Mapping[str, Value]]) -> None:
    """Change columns of rows by key; rows that are not there stay away."""
    groups: dict[tuple[str, ...], list[tuple[Value, ...]]] = {}
    for key, changes in updated.items():
        groups.setdefault(tuple(changes), []).append((key, *changes.values()))
    for columns, rows in groups.items():
        await connection.execute(_update_text(table, columns), *zip(*rows, strict=True))


async def update_matching(connection: Connection, table: Table, partition: int, matching: Matching) -> None:
    """Change all rows of the partition whose column has one of the values."""
    text = _matching_text(table, matching.column, tuple(matching.changes))
    await connection.execute(text, partition, matching.values, *matching.changes.values())


async def delete_rows(connection: Connection, table: Table, keys: Collection[Key]) -> None:
    """Delete rows by their key."""
    rows = [key if isinstance(key, tuple) else (key,) for key in keys]
    await connection.execute(_delete_text(table), *zip(*rows, strict=True))


async def delete_instances(connection: Connection, table: Table, instances: Sequence[int]) -> None:
    """Delete the rows of process instances."""
    text = delete_instances_text(table)
    if text:
        await connection.execute(text, instances)


def without_nul(rows: Rows) -> None:
    """Replace NUL in texts: PostgreSQL has none in text. What came past the checks at the edge must not stop a partition."""
    for row in rows.inserted.values():
        row[:] = [_clean(value) for value in row]
    for changes in rows.updated.values():
        changes.update({name: _clean(value) for name, value in changes.items()})


def _clean(value: Value) -> Value:
    return value.replace("\x00", "\ufffd") if isinstance(value, str) else value


def _column(table: Table, name: str) -> Column:
    return next(column for column in table.columns if column.name == name)


def _unnest(columns: Sequence[Column]) -> str:
    arrays = ", ".join(f"${index}::{column.type}[]" for index, column in enumerate(columns, start=1))
    names = ", ".join(column.name for column in columns)
    return f"unnest({arrays}) AS new ({names})"


def _new(column: Column) -> str:
    return f"new.{column.name}::{column.cast}" if column.cast else f"new.{column.name}"


@cache
def _insert_text(table: Table) -> str:
    kept = {*table.key, *table.keep}
    replaced = ", ".join(f"{name} = excluded.{name}" for name in table.names if name not in kept)
    conflict = f"UPDATE SET {replaced}" if replaced else "NOTHING"
    return (
        f"INSERT INTO {table.name} ({', '.join(table.names)})"
        f" SELECT {', '.join(_new(column) for column in table.columns)} FROM {_unnest(table.columns)}"
        f" ON CONFLICT ({', '.join(table.key)}) DO {conflict}"
    )


@cache
def _update_text(table: Table, names: tuple[str, ...]) -> str:
    columns = [_column(table, "key"), *(_column(table, name) for name in names)]
    changes = ", ".join(f"{column.name} = {_new(column)}" for column in columns[1:])
    return f"UPDATE {table.name} AS old SET {changes} FROM {_unnest(columns)} WHERE old.key = new.key"


@cache
def _matching_text(table: Table, column: str, names: tuple[str, ...]) -> str:
    changes = ", ".join(f"{name} = ${index}::{_column(table, name).type}" for index, name in enumerate(names, start=3))
    return f"UPDATE {table.name} SET {changes} WHERE partition = $1 AND {column} = ANY($2::bigint[])"


@cache
def _delete_text(table: Table) -> str:
    columns = [_column(table, name) for name in table.key]
    same = " AND ".join(f"old.{column.name} = new.{column.name}" for column in columns)
    return f"DELETE FROM {table.name} AS old USING {_unnest(columns)} WHERE {same}"


@cache
def delete_instances_text(table: Table) -> str:
    """Return the statement that deletes rows of the process instances $1; empty if the table has none of them."""
    if not table.of_instances:
        return ""
    column = "key" if table.name == "process_instances" else "instance_key"
    return f"DELETE FROM {table.name} WHERE {column} = ANY($1::bigint[])"
