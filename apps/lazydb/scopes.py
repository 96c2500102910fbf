"""What a user or a token may do: in whole databases, and in tables, with some operations, on some columns, in some rows.

Rights are kept by what they are about: ``shop`` is a database, ``*`` every one, ``shop.orders`` or ``shop.sales.orders`` a table. What is
said of a table holds there instead of what is said of its database. Of a table a right may be more than a word::

    {"shop": "read", "shop.orders": {"right": "select+insert", "columns": ["id", "total"], "rows": "customer_id=eq.5"}}

Somebody whose right in a table is narrower than in its database calls no functions: nobody knows what they read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from qapla.database.query.description import ALL_COLUMNS, And, Compare, Condition, Not, Or, Window
from qapla.database.url import shown
from qapla.errors import InputError
from qapla.ports import ALL_RIGHTS, READ_RIGHTS, Operation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from qapla.ports import FixedRights

Right = Literal["none", "read", "write"]
RIGHTS: tuple[Right, ...] = get_args(Right)
EVERY_DATABASE = "*"
TABLE_OPERATIONS: tuple[Operation, ...] = ("select", "insert", "update", "delete")
OPERATIONS: dict[str, frozenset[Operation]] = {
    "none": frozenset(),
    "read": READ_RIGHTS.operations,
    "write": ALL_RIGHTS.operations,
}
_TARGET = re.compile(
    r"(?P<database>[A-Za-z0-9][A-Za-z0-9_-]{0,62}|\*)(?:\.(?P<table>[^()?]+))?(?:\((?P<columns>[^()]+)\))?(?:\?(?P<rows>.+))?"
)
MOST_ENTRIES = 1000


@dataclass(frozen=True, slots=True)
class TableScope:
    """What may be done with one table. None: with all of its columns, in all of its rows."""

    operations: frozenset[Operation]
    columns: frozenset[str] | None = None
    rows: Condition | None = None

    def narrows(self, others: frozenset[Operation]) -> bool:
        """Tell whether this is less than *others* on the whole table."""
        wanted = others & frozenset(TABLE_OPERATIONS)
        return self.columns is not None or self.rows is not None or not wanted <= self.operations


Tables = dict[str, TableScope]  # by name, with or without its schema


def read_pair(text: str) -> tuple[str, Any]:
    """Return what ``--right`` says as a pair of the registry: ``shop=read``, ``shop.orders(id,total)?customer_id=eq.5=select+insert``.

    Raises:
        InputError: it cannot be read.
    """
    target, equals, right = text.rpartition("=")
    found = _TARGET.fullmatch(target) if equals else None
    if found is None:
        hint = "like shop=read, shop.orders=select+insert, or shop.orders(id,total)=read"
        raise InputError(f"right {shown(text)} cannot be read", hint=hint)
    name = found["database"] if found["table"] is None else f"{found['database']}.{found['table']}"
    columns, rows = found["columns"], found["rows"]
    if columns is None and rows is None:
        return name, right
    value: dict[str, Any] = {"right": right}
    if columns is not None:
        value["columns"] = [column.strip() for column in columns.split(",")]
    if rows is not None:
        value["rows"] = rows
    return name, value


def check_rights(rights: Mapping[str, Any]) -> dict[str, Any]:
    """Return *rights*.

    Raises:
        InputError: one of them is not known, or says of a database what is said of tables only.
    """
    if len(rights) > MOST_ENTRIES:
        raise InputError(f"there are {len(rights)} rights, and at most {MOST_ENTRIES} are taken")
    for name, right in rights.items():
        if "." not in name and right not in RIGHTS:
            raise InputError(f"right {shown(right)} on {shown(name)} is not known", hint=f"there are {', '.join(RIGHTS)}; tables have more")
        if "." in name:
            if name.startswith(f"{EVERY_DATABASE}."):
                raise InputError(f"right on {shown(name)} has no database", hint="a table belongs to one: shop.orders")
            read_scope(name, right)
    return dict(rights)


def read_scope(name: str, right: Any) -> TableScope:
    """Return what is said of the table *name*.

    Raises:
        InputError: it cannot be read.
    """
    parts = right if isinstance(right, dict) else {"right": right}
    unknown = set(parts) - {"right", "columns", "rows"}
    columns, rows = parts.get("columns"), parts.get("rows")
    is_list = columns is None or (isinstance(columns, list) and columns and all(isinstance(column, str) and column for column in columns))
    if unknown or not is_list or not (rows is None or isinstance(rows, str)):
        raise InputError(f"right on {shown(name)} cannot be read", hint='like {"right": "read", "columns": ["id"], "rows": "owner=eq.ada"}')
    return TableScope(
        _read_operations(name, parts.get("right")),
        frozenset(columns) if columns is not None else None,
        _read_rows(name, rows) if rows is not None else None,
    )


def read_tables(rights: Mapping[str, Any], database: str) -> Tables:
    """Return what *rights* say of tables of *database*; what cannot be read any more allows nothing."""
    prefix = f"{database}."
    found: Tables = {}
    for name, right in rights.items():
        if name.startswith(prefix):
            try:
                found[name[len(prefix) :]] = read_scope(name, right)
            except InputError:
                found[name[len(prefix) :]] = TableScope(frozenset())
    return found


def right_in(rights: Mapping[str, Any], database: str) -> Right:
    """Return what *rights* say of a database as a whole."""
    return cast("Right", rights.get(database, rights.get(EVERY_DATABASE, "none")))


def databases_of(rights: Iterable[str]) -> set[str]:
    """Return the databases that rights name."""
    return {name.partition(".")[0] for name in rights}


def text_of(rights: Mapping[str, Any]) -> str:
    """Return the rights in one line for people."""
    parts = []
    for name, right in sorted(rights.items()):
        said = right if isinstance(right, dict) else {"right": right}
        columns = f"({', '.join(said['columns'])})" if said.get("columns") else ""
        rows = f" where {said['rows']}" if said.get("rows") else ""
        parts.append(f"{said.get('right')} {'everywhere' if name == EVERY_DATABASE else name}{columns}{rows}")
    return ", ".join(parts) or "none"


@dataclass(frozen=True)
class ScopedRights:
    """The rights of somebody in one database, some of them by table.

    ``anybody`` is what callers without credentials may: at least that is allowed, but a filter of rows holds all the same.
    """

    base: FixedRights
    anybody: FixedRights
    tables: Tables
    default_schema: str | None
    authenticated: bool = True

    def allows(self, operation: Operation, schema: str | None, table: str, column: str | None = None) -> bool:
        """Tell whether *operation* is allowed on the table, or on one column of it."""
        if operation == "execute":
            return "execute" in self.base.operations and not any(scope.narrows(self.base.operations) for scope in self.tables.values())
        if operation in self.anybody.operations:
            return True
        scope = self._find(schema, table)
        if scope is None:
            return operation in self.base.operations
        return operation in scope.operations and (column is None or scope.columns is None or column in scope.columns)

    def rows(self, schema: str | None, table: str) -> Condition | None:
        """Return the condition that a row has to meet to be seen or written, or None."""
        scope = self._find(schema, table)
        return scope.rows if scope is not None else None

    def _find(self, schema: str | None, table: str) -> TableScope | None:
        found = self.tables.get(f"{schema}.{table}") if schema is not None else None
        if found is None and schema == self.default_schema:
            found = self.tables.get(table)
        return found


def _read_operations(name: str, right: Any) -> frozenset[Operation]:
    if right in OPERATIONS:
        return OPERATIONS[right]
    words = right.split("+") if isinstance(right, str) else []
    if not words or not set(words) <= set(TABLE_OPERATIONS):
        there = f"{', '.join(RIGHTS)}, or some of {'+'.join(TABLE_OPERATIONS)}"
        raise InputError(f"right {shown(right)} on {shown(name)} is not known", hint=f"there are {there}")
    return frozenset(cast("list[Operation]", words))


def _read_rows(name: str, text: str) -> Condition:
    from qapla.database.schema.description import TableName
    from qapla.plugins.rest.language import parse_query

    query = parse_query(text, TableName(None, "t"))
    if query.where is None or query.order or query.window != Window() or query.select != ALL_COLUMNS or not _is_plain(query.where):
        hint = "like customer_id=eq.5&state=in.(open,paid)"
        raise InputError(f"rows of {shown(name)} are no filter of columns: {shown(text)}", hint=hint)
    return query.where


def _is_plain(condition: Condition) -> bool:
    """Tell whether a condition is about the columns of the row alone."""
    if isinstance(condition, And | Or):
        return all(map(_is_plain, condition.parts))
    if isinstance(condition, Not):
        return _is_plain(condition.part)
    return isinstance(condition, Compare)
