"""What may stand behind a field's name in ``where``: ``votes__gt=3``. Each is an operator of ``query.lookups``, with the same meaning.

There is one table of operators, that one; here is how each becomes an expression of SQLAlchemy. ``ALIASES`` are other names for them that
people know from elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from qapla.database.models.matching import MORE, Matched
from qapla.database.models.operands import check_list, is_expression, read_operand, read_text
from qapla.database.query.lookups import KEYWORDS, OPERATORS, get_template
from qapla.database.query.operands import contain_pattern, read_pattern, write_pattern
from qapla.database.query.renderers import get_renderer
from qapla.errors import NotOffered, QueryError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.orm import ColumnProperty
    from sqlalchemy.sql import ColumnElement

    from qapla.database.dialects import Engine


@dataclass(frozen=True, slots=True)
class Call:
    """One use of an operator: the column and its value, on one engine."""

    column: ColumnProperty[Any]
    value: ColumnElement[Any]
    engine: Engine
    operator: str

    def literal(self, operand: Any) -> ColumnElement[Any]:
        """Return *operand* as a bound parameter of the column's type."""
        value = read_operand(self.column, operand)
        return value if is_expression(value) else sa.literal(value, self.value.type)

    def match(self, *operands: Any) -> ColumnElement[bool]:
        """Return the test by the template of the table of operators."""
        get_template(OPERATORS[self.operator], self.engine.key, self.engine.label)
        return Matched(self.operator, self.value, *operands)


def _equals(call: Call, operand: Any) -> ColumnElement[bool]:
    return call.value.is_(None) if operand is None else call.value == call.literal(operand)


def _differs(call: Call, operand: Any) -> ColumnElement[bool]:
    return call.value.is_not(None) if operand is None else call.value != call.literal(operand)


def _compares(make: Callable[[Any, Any], Any]) -> Builder:
    def build(call: Call, operand: Any) -> ColumnElement[bool]:
        if operand is None:
            said = f"{call.column.key!r} cannot be compared with None by {call.operator!r}"
            raise QueryError(said, hint="ask for NULL with is: field__is=None")
        return make(call.value, call.literal(operand))

    return build


def _in(call: Call, operand: Any) -> ColumnElement[bool]:
    found = [read_operand(call.column, each) for each in check_list(call.column, operand)]
    return call.value.in_(found) if found else sa.false()


def _is(call: Call, operand: Any) -> ColumnElement[bool]:
    words: dict[Any, str] = {None: "null", True: "true", False: "false"}
    keyword = words.get(operand) if operand is None or isinstance(operand, bool) else str(operand).lower()
    if keyword not in KEYWORDS:
        raise QueryError(f"{call.column.key!r} cannot be {str(operand)[:40]!r}", hint="is None, 'not_null', True, False or 'unknown'")
    if keyword in ("null", "not_null"):
        return call.value.is_(None) if keyword == "null" else call.value.is_not(None)
    if not isinstance(call.value.type, sa.Boolean):
        raise QueryError(f"'is {keyword}' is for booleans, and {call.column.key!r} is none", code="42804", hint="use eq")
    return call.value.is_(None) if keyword == "unknown" else call.value.is_(keyword == "true")


def _is_distinct(call: Call, operand: Any) -> ColumnElement[bool]:
    return call.value.is_not(None) if operand is None else call.value.is_distinct_from(call.literal(operand))


def _like(call: Call, operand: Any) -> ColumnElement[bool]:
    return _matches(call, call.operator, read_pattern(call.operator, read_text(call.column, operand), call.engine.key))


def _matches(call: Call, operator: str, pattern: str) -> ColumnElement[bool]:
    is_folded = operator == "ilike" and get_renderer(call.engine.key).needs_folding(pattern)
    return Matched("ilike.folded" if is_folded else operator, call.value, sa.literal(pattern, sa.String()))


def _match(call: Call, operand: Any) -> ColumnElement[bool]:
    text = read_text(call.column, operand)
    get_renderer(call.engine.key).check_regex(text)
    return call.match(sa.literal(text, sa.String()))


def _contains(call: Call, operand: Any) -> ColumnElement[bool]:
    if isinstance(call.value.type, sa.JSON):
        if (f"{call.operator}.json", call.engine.key) not in MORE:
            hint = "compare a value in it: Model.field['key'].as_integer() == 5"
            raise NotOffered(f"operator {call.operator!r} of JSON is not offered by {call.engine.label} here", hint=hint)
        return Matched(f"{call.operator}.json", call.value, sa.literal(operand, call.value.type))
    return call.match(sa.literal(operand, call.value.type))


def _overlaps(call: Call, operand: Any) -> ColumnElement[bool]:
    return call.match(sa.literal(operand, call.value.type))


def _searches(call: Call, operand: Any) -> ColumnElement[bool]:
    get_template(OPERATORS[call.operator], call.engine.key, call.engine.label)
    text = sa.literal(read_text(call.column, operand), sa.String())
    value = call.value if type(call.value.type).__name__ == "TSVECTOR" else sa.func.to_tsvector(call.value)
    return Matched(call.operator, value, text)


def _is_null(call: Call, operand: Any) -> ColumnElement[bool]:
    if not isinstance(operand, bool):
        raise QueryError(f"{call.column.key}__isnull is True or False, not '{str(operand)[:40]}'")
    return call.value.is_(None) if operand else call.value.is_not(None)


def _between(call: Call, operand: Any) -> ColumnElement[bool]:
    bounds = check_list(call.column, operand)
    if len(bounds) != 2 or None in bounds:
        raise QueryError(f"{call.column.key}__between takes two values, the first and the last one")
    low, high = (call.literal(each) for each in bounds)
    return sa.and_(call.value >= low, call.value <= high)


def _not_in(call: Call, operand: Any) -> ColumnElement[bool]:
    return sa.not_(_in(call, operand))


def _text(operator: str, before: str, after: str) -> Builder:
    """Return how texts are found that have another one in them, at their beginning or end; it is no pattern."""

    def build(call: Call, operand: Any) -> ColumnElement[bool]:
        escaped = contain_pattern(read_text(call.column, operand))[1:-1]
        return _matches(call, operator, write_pattern(operator, f"{before}{escaped}{after}", call.engine.key))

    return build


Builder = Any  # Callable[[Call, Any], ColumnElement[bool]]

BUILDERS: Mapping[str, Builder] = {
    "eq": _equals,
    "neq": _differs,
    "gt": _compares(lambda value, operand: value > operand),
    "gte": _compares(lambda value, operand: value >= operand),
    "lt": _compares(lambda value, operand: value < operand),
    "lte": _compares(lambda value, operand: value <= operand),
    "like": _like,
    "ilike": _like,
    "match": _match,
    "imatch": _match,
    "in": _in,
    "is": _is,
    "isdistinct": _is_distinct,
    "cs": _contains,
    "cd": _contains,
    **dict.fromkeys(("ov", "sl", "sr", "nxr", "nxl", "adj"), _overlaps),
    **dict.fromkeys(("fts", "plfts", "phfts", "wfts"), _searches),
}
EXTRAS: Mapping[str, Builder] = {
    "not_in": _not_in,
    "isnull": _is_null,
    "between": _between,
    "contains": _text("like", "%", "%"),
    "icontains": _text("ilike", "%", "%"),
    "startswith": _text("like", "", "%"),
    "istartswith": _text("ilike", "", "%"),
    "endswith": _text("like", "%", ""),
    "iendswith": _text("ilike", "%", ""),
    "iexact": _text("ilike", "", ""),
}
ALIASES: Mapping[str, str] = {"exact": "eq", "ne": "neq", "ge": "gte", "le": "lte", "regex": "match", "iregex": "imatch", "notin": "not_in"}
NAMES = frozenset((*BUILDERS, *EXTRAS, *ALIASES))


def get_builder(name: str) -> tuple[str, Builder]:
    """Return an operator's own name and how it is built.

    Raises:
        QueryError: there is no such operator.
    """
    own = ALIASES.get(name, name)
    builder = BUILDERS.get(own) or EXTRAS.get(own)
    if builder is None:
        hint = nearest(name[:40], NAMES) or "the manual lists them: eq, gt, like, in, …"
        raise QueryError(f"operator {name[:40]!r} is not known", hint=hint)
    return own, builder


def check_document(column: ColumnProperty[Any], operator: str) -> None:
    """Refuse to compare JSON as a whole: engines differ in when two documents are equal.

    Raises:
        NotOffered: use a value in it.
    """
    if isinstance(column.columns[0].type, sa.JSON) and operator not in ("is", "isnull", "cs", "cd"):
        hint = "compare a value in it, Model.field['key'].as_integer() == 5, or use cs (contains)"
        raise NotOffered(f"operator {operator!r} is not offered for {column.key!r}, which is JSON", hint=hint)
