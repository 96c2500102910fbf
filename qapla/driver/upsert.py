"""Insert rows, or change those that are there: an upsert by any unique set, on every engine.

Where an engine has INSERT … ON CONFLICT (columns) that is one statement. MariaDB and MySQL have only ON DUPLICATE KEY UPDATE, which fires
on *any* unique key: a new name with an old id would change another row. There a row is looked for first, then changed or inserted. The
first look takes no lock, because two transactions that lock the same gap and then insert into it deadlock. Then the row is inserted with an
ON DUPLICATE KEY UPDATE that changes nothing: it locks the row of somebody who was faster, which is changed after that. Other engines notice
him by the error, inside a savepoint. Another unique key's clash is an error on every engine.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, insert, literal, not_, select, true, update
from sqlalchemy.exc import IntegrityError

from qapla.database import dialects

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Column, Dialect, Table
    from sqlalchemy.orm import Session

    Row = Mapping[Column[Any], Any]


def upsert_all(
    session: Session, table: Table, unique: Sequence[Column[Any]], rows: Sequence[Row], *, is_only: bool = False
) -> None:
    """Upsert *rows*, all of the same columns.

    Args:
        is_only: whether nothing else is unique in the table: one statement does for all rows, then, on every engine that has one.

    Raises:
        IntegrityError: a constraint does not hold, or another unique key than *unique* has the values already.
    """
    dialect = session.get_bind(clause=table).dialect
    statement = _make_insert(table, dialect)
    if hasattr(statement, "on_conflict_do_update"):
        _upsert_on_conflict(session, statement, table, unique, rows)
        return
    if is_only and hasattr(statement, "on_duplicate_key_update"):
        changed = {column.name: statement.inserted[column.name] for column in rows[0]}
        values = [{column.key: value for column, value in row.items()} for row in rows]
        session.execute(statement.on_duplicate_key_update(changed), values)
        return
    for row in rows:
        _upsert_in_steps(session, table, unique, row)


def engine_of(dialect: Dialect) -> dialects.Engine | None:
    """Return what is known of the engine behind *dialect*, or None."""
    return dialects.ENGINES.get("mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name)


def _make_insert(table: Table, dialect: Dialect) -> Any:
    """Return an INSERT with what SQLAlchemy offers for this engine beyond the common one."""
    for base in type(dialect).__mro__:
        make = getattr(import_module(base.__module__.rpartition(".")[0] or base.__module__), "insert", None)
        if make is not None:
            return make(table)
    return insert(table)


def _upsert_on_conflict(session: Session, statement: Any, table: Table, unique: Sequence[Column[Any]], rows: Sequence[Row]) -> None:
    changed: dict[Any, Any] = {column: statement.excluded[column.key] for column in rows[0] if column not in unique}
    if changed:
        for column in table.c:  # ON CONFLICT is no UPDATE for SQLAlchemy: what a column gets on each one is added here
            if column.onupdate is not None and column not in rows[0]:
                changed[column] = _on_update(column)
        statement = statement.on_conflict_do_update(index_elements=list(unique), set_=changed)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=list(unique))
    session.execute(statement, [{column.key: value for column, value in row.items()} for row in rows])


def _on_update(column: Column[Any]) -> Any:
    default: Any = column.onupdate
    return default.arg(None) if default.is_callable else default.arg


def _upsert_in_steps(session: Session, table: Table, unique: Sequence[Column[Any]], row: Row) -> None:
    same = [column == row[column] for column in unique]
    changed = {column: value for column, value in row.items() if column not in unique}
    if session.scalar(select(literal(1)).select_from(table).where(*same)) and _change(session, table, same, changed):
        return
    statement = _on_duplicate_nothing(table, unique, row, session.get_bind(clause=table).dialect)
    if statement is None:
        _insert_or_change(session, table, same, changed, row)
        return
    session.execute(statement)
    differs = not_(and_(true(), *(column.is_not_distinct_from(value) for column, value in changed.items())))
    if not _change(session, table, [*same, differs], changed) and not _is_there(session, table, same):
        session.execute(insert(table).values(row))  # another unique key has its values: this says which


def _on_duplicate_nothing(table: Table, unique: Sequence[Column[Any]], row: Row, dialect: Dialect) -> Any | None:
    """Return an INSERT that leaves alone what is there, but locks it for a change; None where the engine has none.

    A plain INSERT that fails leaves a shared lock behind, and two who then want to change the row deadlock.
    """
    statement = _make_insert(table, dialect)
    if not hasattr(statement, "on_duplicate_key_update"):
        return None
    return statement.values(dict(row)).on_duplicate_key_update({unique[0].name: unique[0]})


def _insert_or_change(session: Session, table: Table, same: list[Any], changed: Row, row: Row) -> None:
    try:
        with session.begin_nested():
            session.execute(insert(table).values(row))
    except IntegrityError:
        if not _change(session, table, same, changed):
            raise


def _change(session: Session, table: Table, same: list[Any], changed: Row) -> bool:
    """Change the row; tell whether it was there."""
    if not changed:
        return _is_there(session, table, same)
    return bool(session.execute(update(table).where(*same).values(dict(changed))).rowcount)  # type: ignore[attr-defined]


def _is_there(session: Session, table: Table, same: list[Any]) -> bool:
    """Tell whether the row is there now, whatever this transaction saw when it began."""
    return bool(session.scalar(select(literal(1)).select_from(table).where(*same).with_for_update()))
