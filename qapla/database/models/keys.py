"""The keys of a model's table as introspection finds them: with the names that each engine gives to those that have none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.schema import ForeignKeyConstraint, UniqueConstraint

from qapla.database.schema.description import ForeignKey, Key, TableName

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import Dialect

_LONGEST = 63  # bytes of a name in PostgreSQL


@dataclass(frozen=True, slots=True)
class Keys:
    """Primary key, unique sets and foreign keys of one table."""

    primary: Key | None
    unique: tuple[Key, ...]
    foreign: tuple[ForeignKey, ...]


def describe_keys(table: sa.Table, dialect: Dialect, engine: str, default_schema: str | None) -> Keys:
    """Return the keys of *table* on *engine*; tables that name no schema are in *default_schema*."""
    names = _NAMES[engine](table)
    columns = tuple(column.name for column in table.primary_key.columns)
    primary = Key(names.primary(_given(table.primary_key, dialect)), columns) if columns else None
    unique = [Key(names.unique(_given(each, dialect), _columns(each)), _columns(each)) for each in _in_order(table, UniqueConstraint)]
    unique += [Key(_given(index, dialect), _columns(index)) for index in _unique_indexes(table, engine)]
    foreign = [
        ForeignKey(
            name=names.foreign(_given(each, dialect), _columns(each)),
            columns=_columns(each),
            target=TableName(each.referred_table.schema or default_schema, each.referred_table.name),
            target_columns=tuple(element.column.name for element in each.elements),
            on_delete=names.rule(each.ondelete),
            on_update=names.rule(each.onupdate),
        )
        for each in _in_order(table, ForeignKeyConstraint)
    ]
    return Keys(primary, tuple(unique), tuple(foreign))


def _in_order(table: sa.Table, kind: type) -> list[Any]:
    """Return the constraints of one kind in the order in which a CREATE TABLE has them."""
    return [each for each in table._sorted_constraints if isinstance(each, kind)]


def _columns(constraint: Any) -> tuple[str, ...]:
    return tuple(column.name for column in constraint.columns)


def _unique_indexes(table: sa.Table, engine: str) -> list[sa.Index]:
    """Return the unique indexes that are about whole columns and all rows."""
    found = [index for index in table.indexes if index.unique and all(isinstance(each, sa.Column) for each in index.expressions)]
    return [index for index in found if index.dialect_kwargs.get(f"{engine}_where") is None]


def _given(constraint: Any, dialect: Dialect) -> str | None:
    """Return the name that a constraint has in the model, also by a naming convention, cut as SQLAlchemy cuts it."""
    if constraint.name is None:
        return None
    preparer = dialect.identifier_preparer
    if isinstance(constraint, sa.Index):
        return preparer.truncate_and_render_index_name(constraint.name, _alembic_quote=False)
    return preparer.format_constraint(constraint, _alembic_quote=False)


class _Names:
    """The names of what has none: SQLite leaves it without, and shows no name of a key at all."""

    def __init__(self, table: sa.Table) -> None:
        self.table = table.name

    def primary(self, given: str | None) -> str | None:
        return None

    def unique(self, given: str | None, columns: tuple[str, ...]) -> str | None:
        return None

    def foreign(self, given: str | None, columns: tuple[str, ...]) -> str | None:
        return given

    def rule(self, given: str | None) -> str:
        return (given or "NO ACTION").upper()


class _Postgresql(_Names):
    """``question_pkey``, ``question_text_key``, ``choice_question_id_fkey``; a number behind what is taken."""

    def __init__(self, table: sa.Table) -> None:
        super().__init__(table)
        self._taken: set[str] = set()

    def primary(self, given: str | None) -> str | None:
        return given or self._free("", "pkey")

    def unique(self, given: str | None, columns: tuple[str, ...]) -> str | None:
        return given or self._free("_".join(columns), "key")

    def foreign(self, given: str | None, columns: tuple[str, ...]) -> str | None:
        return given or self._free("_".join(columns), "fkey")

    def _free(self, columns: str, label: str) -> str:
        number = 0
        while (found := make_object_name(self.table, columns, f"{label}{number or ''}")) in self._taken:
            number += 1
        self._taken.add(found)
        return found


class _Mysql(_Names):
    """``PRIMARY``, the first column of a unique set, ``choice_ibfk_1``."""

    def __init__(self, table: sa.Table) -> None:
        super().__init__(table)
        self._taken: set[str] = set()
        self._count = 0

    def primary(self, given: str | None) -> str | None:
        return "PRIMARY"

    def unique(self, given: str | None, columns: tuple[str, ...]) -> str | None:
        found, number = given or columns[0], 1
        while given is None and found in self._taken:
            number += 1
            found = f"{columns[0]}_{number}"
        self._taken.add(found)
        return found

    def foreign(self, given: str | None, columns: tuple[str, ...]) -> str | None:
        if given is not None:
            return given
        self._count += 1
        return f"{self.table}_ibfk_{self._count}"


class _Mariadb(_Mysql):
    """As MySQL, where a rule that is not written is RESTRICT."""

    def rule(self, given: str | None) -> str:
        return (given or "RESTRICT").upper()


_NAMES: dict[str, type[_Names]] = {
    "sqlite": _Names,
    "postgresql": _Postgresql,
    "mysql": _Mysql,
    "mariadb": _Mariadb,
    "oracle": _Names,
}


def make_object_name(table: str, columns: str, label: str) -> str:
    """Return the name that PostgreSQL makes of a table, columns and a label, cut where it is too long.

    Source: ``makeObjectName`` in PostgreSQL's ``indexcmds.c``: the longer of the two parts loses its end first.
    """
    first, second = table.encode(), columns.encode()
    room = _LONGEST - len(label) - 1 - (1 if columns else 0)
    while len(first) + len(second) > room:
        first, second = (first[:-1], second) if len(first) > len(second) else (first, second[:-1])
    parts = [first.decode(errors="ignore"), second.decode(errors="ignore"), label]
    return "_".join(part for part in parts if part)
