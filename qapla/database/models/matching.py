"""Tests that SQLAlchemy has no words for, or other words on each engine: printed by the templates of the table of operators.

``Matched("like", column, pattern)`` is ``LIKE`` on PostgreSQL and ``GLOB`` on SQLite: whatever ``query.lookups`` says for the engine that
the statement is compiled for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.visitors import InternalTraversal

from qapla.database.dialects import get_engine
from qapla.database.query.lookups import OPERATORS, get_template

if TYPE_CHECKING:
    from collections.abc import Mapping

# What the table has no template for: an ilike with letters beyond a to z on SQLite, JSON that SQLAlchemy binds as text.
MORE: Mapping[tuple[str, str], str] = {
    ("ilike.folded", "sqlite"): "qapla_lower(CAST({} AS BLOB)) LIKE qapla_lower(CAST({} AS BLOB)) ESCAPE '\\'",
    ("cs.json", "postgresql"): "CAST({} AS JSONB) @> CAST({} AS JSONB)",
    ("cd.json", "postgresql"): "CAST({} AS JSONB) <@ CAST({} AS JSONB)",
    ("cs.json", "sqlite"): "qapla_contains({}, {})",
    ("cd.json", "sqlite"): "qapla_contained({}, {})",
}


class Matched(sa.ColumnElement[bool]):
    """A test of a value by an operator of the table."""

    __visit_name__ = "qapla_matched"
    inherit_cache = True
    _traverse_internals = [
        ("operator", InternalTraversal.dp_string),
        ("value", InternalTraversal.dp_clauseelement),
        ("operands", InternalTraversal.dp_clauseelement_tuple),
    ]

    def __init__(self, operator: str, value: sa.ColumnElement[Any], *operands: sa.ColumnElement[Any]) -> None:
        self.type = sa.Boolean()
        self.operator = operator
        self.value = value
        self.operands = operands

    def self_group(self, against: Any = None) -> Matched:
        """Need no parentheses: it is printed with some."""
        return self


@compiles(Matched)
def _print(element: Matched, compiler: Any, **options: Any) -> str:
    engine = get_engine(compiler.dialect.name)
    template = MORE.get((element.operator, engine.key))
    if template is None:
        template = get_template(OPERATORS[element.operator.partition(".")[0]], engine.key, engine.label)
    parts = [compiler.process(each, **options) for each in (element.value, *element.operands)]
    if template.count("{}") < len(parts):
        parts = [parts[0], ", ".join(parts[1:])]
    return f"({template.format(*parts)})"


class InCodePoints(sa.ColumnElement[str]):
    """A text as it is compared by code points on every engine, whatever the collation of its column: so that Python sorts it the same."""

    __visit_name__ = "qapla_in_code_points"
    inherit_cache = True
    _traverse_internals = [("value", InternalTraversal.dp_clauseelement)]

    def __init__(self, value: sa.ColumnElement[Any]) -> None:
        self.type = sa.String()
        self.value = value

    def self_group(self, against: Any = None) -> InCodePoints:
        """Need no parentheses: it is printed with some."""
        return self


@compiles(InCodePoints)
def _print_in_code_points(element: InCodePoints, compiler: Any, **options: Any) -> str:
    return f"({get_engine(compiler.dialect.name).code_points.format(compiler.process(element.value, **options))})"
