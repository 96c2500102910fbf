"""Which columns of a view show a table's column as it is, read from the view's own text by sqlglot.

For engines whose catalog keeps nothing but the text. Columns that are computed, cast or united out of several SELECTs show no column
of a table.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from sqlglot import exp, parse_one
from sqlglot.optimizer.normalize_identifiers import normalize_identifiers
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope
from sqlglot.schema import MappingSchema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlglot.schema import Schema

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns of what it cannot read, with the text: that is in our report


class Source(NamedTuple):
    """A column of a table or view, each spelled as the text spells it; ``schema`` is None where the text names none."""

    schema: str | None
    table: str
    column: str


def find_sources(text: str, dialect: str, columns: Schema | None = None) -> list[tuple[str, Source | None]]:
    """Return for each column of a SELECT, in their order, its name and the column that it shows, None where it shows none as it is.

    Args:
        text: the SELECT, or the CREATE VIEW statement.
        dialect: as sqlglot calls it: ``sqlite``, ``mysql``.
        columns: the columns of all tables, for ``*`` and for columns without their table's name. None where the text has neither.

    Raises:
        ValueError: the text cannot be read. Nothing is known of the view then; it is no reason to fail.
    """
    try:
        tree = parse_one(text, dialect=dialect)
        body = tree.expression if isinstance(tree, exp.Create) else tree
        if isinstance(body, exp.Command):  # what it gives up on
            raise ValueError("its SQL is not known")
        body = normalize_identifiers(body, dialect=dialect)
        scope = build_scope(body)
        if columns is not None and scope is not None and any(map(_leaves_open, scope.traverse())):  # what takes most of the time
            body = qualify(body, schema=columns, dialect=dialect, validate_qualify_columns=False, quote_identifiers=False, identify=False)
            scope = build_scope(body)
        if scope is None or not isinstance(body, exp.Select):
            return []
        return [(each.alias_or_name, _find(scope, each)) for each in body.selects]
    except Exception as error:  # the library has no one class for what it cannot read: an IndexError is possible, a RecursionError, too
        raise ValueError(str(error).splitlines()[0][:200] if str(error) else type(error).__name__) from error


def _leaves_open(scope: Scope) -> bool:
    """Tell whether only the columns of the tables say what a SELECT selects: ``*``, or a column that may be of any of several tables."""
    return bool(scope.expression.is_star or (len(scope.selected_sources) > 1 and scope.unqualified_columns))


def _find(scope: Scope, selected: exp.Expr) -> Source | None:
    column = selected.unalias().unnest()
    if not isinstance(column, exp.Column):
        return None
    sources = scope.selected_sources
    _, source = sources.get(column.table or next(iter(sources), ""), (None, None))
    if isinstance(source, exp.Table):
        return Source(source.db or None, source.name, column.name)
    if not isinstance(source, Scope) or not isinstance(source.expression, exp.Select):
        return None
    inner: Sequence[exp.Expr] = [each for each in source.expression.selects if each.alias_or_name == column.name]
    return _find(source, inner[0]) if len(inner) == 1 else None


def make_columns(tables: Mapping[str, Sequence[str]], dialect: str) -> Schema:
    """Return the *tables* with their columns as ``find_sources`` takes them."""
    # A name may have dots and quotes in it: as identifiers they are not taken apart.
    found = MappingSchema(dialect=dialect)
    for table, columns in tables.items():
        named = exp.Table(this=exp.to_identifier(table, quoted=True))
        found.add_table(named, dict.fromkeys(columns, "text"), dialect=dialect)
    return found
