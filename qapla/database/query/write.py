"""Statements of ``Insert``, ``Update`` and ``Delete``.

``resolve_*`` look names up, ask the rights (once, here and nowhere else for writes) and read the values; the functions below them turn
what came out into statements for one engine. The order in which it all runs, in one transaction, is the driver's matter
(``qapla.driver.table_write``).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeAlias

from qapla.database.dialects import get_engine
from qapla.database.query.description import MISSING
from qapla.database.query.sql import NOTHING, Slot, Sql, join, name, sql, write
from qapla.database.query.values import is_composite, read_composite, read_json
from qapla.database.statement import Statement
from qapla.errors import AccessError, NotAuthenticated, NotFound, QueryError, ReadOnly, ValueRefused, nearest

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, MutableMapping, Sequence

    from qapla.database.dialects import Engine
    from qapla.database.query.description import Delete, Insert, OnConflict, Update
    from qapla.database.schema.description import Column, DatabaseSchema, Table, TableName
    from qapla.ports import Operation, Rights

MOST_TEXTS = 100  # of one kind of write; a caller sends the same columns again and again
CHUNK_ROWS = 500
CHUNK_VALUES = 20_000  # placeholders of one statement: SQLite takes 32,766, PostgreSQL 65,535
CHUNK_CHARACTERS = 1_000_000  # MariaDB takes one packet per statement, 16 MiB unless configured

Texts: TypeAlias = "MutableMapping[Hashable, Any]"  # of SQL, by what makes a difference to it


@dataclass(frozen=True, slots=True)
class ResolvedInsert:
    """Rows that are ready to be bound; MISSING is left only where a default shall be taken."""

    table: Table
    columns: tuple[Column, ...]
    rows: tuple[tuple[object, ...], ...]
    conflict: OnConflict | None = None
    conflict_columns: tuple[str, ...] = ()


def resolve_insert(insert: Insert, schema: DatabaseSchema, rights: Rights) -> ResolvedInsert:
    """Return *insert* with its columns looked up and its values read.

    Raises:
        QueryError: a column is not there (PGRST204). ValueRefused: a value cannot be read, or the database makes it (428C9).
        AccessError: the caller may not. ReadOnly: nobody can.
    """
    table = get_table(schema, insert.table, "insert", rights)
    columns = tuple([get_column(table, column, "insert", rights) for column in insert.columns])
    twice = {column for column in insert.columns if insert.columns.count(column) > 1}
    if twice:
        raise QueryError(f"column {min(twice)!r} is named twice", code="42701")
    rows = tuple([_read_row(row, columns, schema.engine, keeps_missing=insert.missing_default) for row in insert.rows])
    if insert.on_conflict is None:
        return ResolvedInsert(table, columns, rows)
    if insert.on_conflict.action == "merge":
        get_table(schema, insert.table, "update", rights)
    conflict_columns = _conflict_columns(insert.on_conflict, table)
    return ResolvedInsert(table, columns, rows, insert.on_conflict if conflict_columns else None, conflict_columns)


def resolve_changes(update: Update, schema: DatabaseSchema, rights: Rights) -> tuple[Table, tuple[tuple[str, object], ...]]:
    """Return the table, and the columns to set with the values to bind.

    Raises: as ``resolve_insert``.
    """
    table = get_table(schema, update.table, "update", rights)
    changes = []
    for key, value in update.values:
        column = get_column(table, key, "update", rights)
        if value is not MISSING:
            changes.append((key, _read_value(value, column, schema.engine)))
    return table, tuple(changes)


def resolve_target(delete: Delete, schema: DatabaseSchema, rights: Rights) -> Table:
    """Return the table to delete from.

    Raises: as ``resolve_insert``.
    """
    return get_table(schema, delete.table, "delete", rights)


def get_table(schema: DatabaseSchema, table_name: TableName, operation: Operation, rights: Rights) -> Table:
    """Return a table on which *operation* is possible, and allowed."""
    table = schema.by_name.get(table_name)
    if table is None:
        known = (each.name.name for each in schema.tables)
        message = f"Could not find the table {str(table_name)[:200]!r} in the schema cache"
        raise NotFound(message, code="PGRST205", hint=nearest(table_name.name[:100], known))
    if not rights.allows(operation, *table_name):
        raise _denied(f"permission denied for table {table.name.name}", rights)
    possible = {"insert": table.insertable, "update": table.updatable, "delete": table.deletable}.get(operation, True)
    if not possible:
        kind = table.kind.replace("_", " ")
        message = f"cannot {operation} rows of {kind} {table.name.name!r}: it is read only"
        raise ReadOnly(message, hint="the report of the database says why")
    return table


def get_column(table: Table, column_name: str, operation: Operation, rights: Rights) -> Column:
    """Return a column that *operation* may set."""
    column = table.by_name.get(column_name)
    if column is None:
        message = f"Could not find the {column_name[:100]!r} column of {table.name.name!r} in the schema cache"
        raise QueryError(message, code="PGRST204", hint=nearest(column_name[:100], table.by_name))
    if not rights.allows(operation, *table.name, column_name):
        raise _denied(f"permission denied for column {table.name.name}.{column_name}", rights)
    return column


def _denied(message: str, rights: Rights) -> AccessError:
    return AccessError(message) if rights.authenticated else NotAuthenticated(message, headers={"WWW-Authenticate": "Bearer"})


def _read_row(row: tuple[object, ...], columns: tuple[Column, ...], engine: str, *, keeps_missing: bool) -> tuple[object, ...]:
    return tuple([
        (MISSING if keeps_missing or column.generated == "always" else None) if value is MISSING else _read_value(value, column, engine)
        for value, column in zip(row, columns, strict=True)
    ])


def _read_value(value: object, column: Column, engine: str) -> object:
    if column.generated == "always":
        message = f"column {column.name!r} is made by the database and cannot be written"
        raise ValueRefused(message, code="428C9", hint="leave it out")
    if is_composite(column.type) and get_engine(engine).key == "postgresql":
        return read_composite(value, column.name)
    return read_json(value, column.type, engine, column.name)


def _conflict_columns(conflict: OnConflict, table: Table) -> tuple[str, ...]:
    """Return the columns whose values make two rows the same; none when the table has no primary key to go by."""
    if conflict.columns is None:
        return table.primary_key.columns if table.primary_key else ()
    for column in conflict.columns:
        if column not in table.by_name:
            message = f"Could not find the {column[:100]!r} column of {table.name.name!r} in the schema cache"
            raise QueryError(message, code="PGRST204", hint=nearest(column[:100], table.by_name))
    keys = [key.columns for key in (table.primary_key, *table.unique) if key is not None]
    if set(conflict.columns) not in map(set, keys):
        raise QueryError(
            f"on_conflict={','.join(conflict.columns)}: there is no unique or exclusion constraint on these columns of {table.name.name!r}",
            code="42P10",
            hint=f"there is one on: {'; '.join(','.join(key) for key in keys)}" if keys else None,
        )
    return conflict.columns


# -- statements ---------------------------------------------------------------------------------------------------------------------


def insert_statements(
    insert: ResolvedInsert, engine: str, returning: Sql = NOTHING, texts: Texts | None = None
) -> Iterator[tuple[Statement, int]]:
    """Yield the statements that insert all rows in their order, each with its number of rows.

    Rows that have the same columns go together, up to what one statement takes. Conflicts are left to the engine, which must have
    ``ON CONFLICT``.

    Args:
        texts: what was made before of the same table, conflict and *returning*.
    """
    for present, group in groupby(insert.rows, key=lambda row: tuple([value is not MISSING for value in row])):
        columns = [column.name for column, is_there in zip(insert.columns, present, strict=True) if is_there]
        values = list(group)
        if not all(present):
            values = [tuple([value for value in row if value is not MISSING]) for row in values]
        for chunk in cut_rows(values, len(columns), get_engine(engine)):
            key = (*columns, len(chunk))
            text = texts.get(key) if texts is not None else None
            if text is None:
                text = _keep(texts, key, _insert_text(insert, columns, len(chunk), engine, returning))
            yield Statement(text, chunk[0] if len(chunk) == 1 else tuple([value for row in chunk for value in row])), len(chunk)


def cut_rows(rows: list[tuple[Any, ...]], width: int, engine: Engine | None = None) -> Iterator[list[tuple[Any, ...]]]:
    """Cut *rows* so that one statement can hold each piece; rows without a value come one by one, and where VALUES takes one only."""
    most = max(1, min(CHUNK_ROWS, CHUNK_VALUES // width)) if width and (engine is None or engine.has_many_values) else 1
    chunk: list[tuple[Any, ...]] = []
    characters = 0
    for row in rows:
        size = sum(len(value) for value in row if isinstance(value, str | bytes))
        if chunk and (len(chunk) >= most or characters + size > CHUNK_CHARACTERS):
            yield chunk
            chunk, characters = [], 0
        chunk.append(row)
        characters += size
    if chunk:
        yield chunk


def _insert_text(insert: ResolvedInsert, columns: list[str], count: int, engine: str, returning: Sql) -> str:
    target = name(*insert.table.name)
    if columns:
        one = sql("({})", join(", ", [_place(insert.table, column, Slot(0)) for column in columns]))
        piece = sql("INSERT INTO {} ({}) VALUES {}", target, join(", ", map(name, columns)), join(", ", [one] * count))
    else:
        piece = sql("INSERT INTO {} () VALUES ()" if get_engine(engine).quote == "`" else "INSERT INTO {} DEFAULT VALUES", target)
    if insert.conflict is not None:
        piece = sql("{} ON CONFLICT ({}) {}", piece, join(", ", map(name, insert.conflict_columns)), _on_conflict(insert, columns))
    return write(_with_returning(piece, returning), get_engine(engine))[0]


def _on_conflict(insert: ResolvedInsert, columns: list[str]) -> Sql:
    changed = [column for column in columns if column not in insert.conflict_columns]
    if insert.conflict is not None and insert.conflict.action == "merge" and columns:
        # Without another column the key is set to what it is, so that the row counts as written and comes back.
        settings = [sql("{} = EXCLUDED.{}", name(column), name(column)) for column in changed or columns]
        return sql("DO UPDATE SET {}", join(", ", settings))
    return sql("DO NOTHING")


def _place(table: Table, column: str, slot: Slot) -> Sql:
    """Return where a value of *column* is bound. PostgreSQL makes composites of JSON itself, given the row type that they belong to."""
    found = table.by_name.get(column)
    if found is None or not is_composite(found.type):
        return Sql((slot,))
    return sql("(json_populate_record(CAST(NULL AS {}), {})).{}", name(*table.name), slot, name(column))


def _with_returning(piece: Sql, returning: Sql) -> Sql:
    return sql("{} RETURNING {}", piece, returning) if returning else piece


def column_list(table: Table, columns: Sequence[str]) -> Sql:
    """Return columns of a table under its own name, for SELECT or RETURNING."""
    # Qualified: SQLite reads an unknown "gone" that stands alone as a text.
    return join(", ", [name(table.name.name, column) for column in columns])


def update_statement(
    table: Table,
    changes: Sequence[tuple[str, object]],
    where: Sql,
    operands: Sequence[object],
    engine: str,
    returning: Sql = NOTHING,
    texts: Texts | None = None,
) -> Statement:
    """Return the statement that sets *changes* on the rows that *where*, with its own *operands*, holds for.

    Args:
        texts: what was made before of the same table and *returning*; then *changes* are values only.
    """
    key = (where, *[column for column, _ in changes])
    kept = texts.get(key) if texts is not None else None
    if kept is not None:
        values = (*operands, *[value for _, value in changes])
        return Statement(kept[0], tuple([values[index] for index in kept[1]]))
    bound = list(operands)
    settings = []
    for column, value in changes:
        if isinstance(value, Sql):
            settings.append(sql("{} = {}", name(column), value))
        else:
            settings.append(sql("{} = {}", name(column), _place(table, column, Slot(len(bound)))))
            bound.append(value)
    piece = _with_returning(_where(sql("UPDATE {} SET {}", name(*table.name), join(", ", settings)), where), returning)
    text, order = _keep(texts, key, write(piece, get_engine(engine)))
    return Statement(text, tuple(bound[index] for index in order))


def _keep(texts: Texts | None, key: Hashable, made: Any) -> Any:
    if texts is not None:
        if len(texts) >= MOST_TEXTS:
            texts.clear()
        texts[key] = made
    return made


def delete_statement(table: Table, where: Sql, operands: Sequence[object], engine: str, returning: Sql = NOTHING) -> Statement:
    """Return the statement that deletes the rows that *where* holds for."""
    return _bind(_with_returning(_where(sql("DELETE FROM {}", name(*table.name)), where), returning), operands, engine)


def select_statement(
    table: Table, columns: Sequence[str] | Sql, where: Sql, operands: Sequence[object], engine: str, *, lock: bool = False
) -> Statement:
    """Return the statement that reads *columns*, or an expression, of the rows, and locks them where the engine locks rows."""
    chosen = columns if isinstance(columns, Sql) else column_list(table, columns) if columns else sql("1")
    piece = _where(sql("SELECT {} FROM {}", chosen, name(*table.name)), where)
    if lock and table.kind == "table" and get_engine(engine).locks_rows:
        piece = sql("{} FOR UPDATE", piece)
    return _bind(piece, operands, engine)


def key_where(table: Table, columns: Sequence[str]) -> Sql:
    """Return the condition on the columns of a key, its operands in their order."""
    return join(" AND ", [sql("{} = {}", name(table.name.name, column), Slot(place)) for place, column in enumerate(columns)])


def _where(piece: Sql, where: Sql) -> Sql:
    return sql("{} WHERE {}", piece, where) if where else piece


def _bind(piece: Sql, operands: Sequence[object], engine: str) -> Statement:
    text, order = write(piece, get_engine(engine))
    return Statement(text, tuple(operands[index] for index in order))


def default_of(column: Column, engine: str) -> object:
    """Return what sets a column back to its default in an UPDATE: a piece of SQL, as the catalog has it, or None for NULL."""
    if column.default is None:
        return None
    if get_engine(engine).has_default_keyword:
        return sql("DEFAULT")
    return Sql((f"({column.default})",))
