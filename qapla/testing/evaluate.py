"""SQLAlchemy's conditions, evaluated in Python: what a fake driver knows of ``Vote.votes > 10``.

The rules are SQL's: a comparison with NULL is neither true nor false. What only a database can answer (another table, a function that is
not in ``FUNCTIONS``) is refused by name and never guessed. Text is compared as Python does it, letter by letter; an engine's collation may
be milder.
"""

from __future__ import annotations

import datetime
import operator as python
import re
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import QueryableAttribute
from sqlalchemy.sql import operators

from qapla.errors import NotOffered

if TYPE_CHECKING:
    from collections.abc import Callable

    from qapla.driver.subject import Subject

    Evaluator = Callable[[Any], Any]

DIRECT: dict[Any, Callable[[Any, Any], Any]] = {
    operators.eq: python.eq, operators.ne: python.ne, operators.lt: python.lt, operators.le: python.le,
    operators.gt: python.gt, operators.ge: python.ge,
    operators.add: python.add, operators.sub: python.sub, operators.mul: python.mul,
    operators.truediv: python.truediv, operators.floordiv: python.floordiv, operators.mod: python.mod, operators.concat_op: python.add,
    operators.in_op: lambda value, values: value in values, operators.not_in_op: lambda value, values: value not in values,
    operators.between_op: lambda value, ends: ends[0] <= value <= ends[1],
    operators.not_between_op: lambda value, ends: not ends[0] <= value <= ends[1],
}  # fmt: skip

LIKES: dict[Any, tuple[str, bool, bool]] = {  # {} is the text; does case matter; must it match
    operators.like_op: ("{}", True, True), operators.not_like_op: ("{}", True, False),
    operators.ilike_op: ("{}", False, True), operators.not_ilike_op: ("{}", False, False),
    operators.startswith_op: ("{}%", True, True), operators.not_startswith_op: ("{}%", True, False),
    operators.endswith_op: ("%{}", True, True), operators.not_endswith_op: ("%{}", True, False),
    operators.contains_op: ("%{}%", True, True), operators.not_contains_op: ("%{}%", True, False),
    operators.istartswith_op: ("{}%", False, True), operators.not_istartswith_op: ("{}%", False, False),
    operators.iendswith_op: ("%{}", False, True), operators.not_iendswith_op: ("%{}", False, False),
    operators.icontains_op: ("%{}%", False, True), operators.not_icontains_op: ("%{}%", False, False),
}  # fmt: skip

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "lower": str.lower, "upper": str.upper, "trim": str.strip, "length": len, "char_length": len, "abs": abs,
}  # fmt: skip

NOW = {"now", "current_timestamp", "localtimestamp"}


def compile_expression(subject: Subject, expression: Any) -> Evaluator:
    """Return a function from a row to the value of *expression*; None is NULL.

    Raises:
        NotOffered: only a database can answer it.
    """
    return _Compiler(subject).compile(expression)


class _Compiler:
    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._names = {column: name for name, column in subject.columns.items()}

    def compile(self, expression: Any) -> Evaluator:
        if isinstance(expression, QueryableAttribute):
            expression = expression.__clause_element__()
        visit = getattr(self, f"_{getattr(expression, '__visit_name__', '')}", None)
        if visit is None:
            raise self._refused(type(expression).__name__)
        made: Evaluator = visit(expression)
        return made

    def _column(self, column: Any) -> Evaluator:
        name = self._names.get(column)
        if name is None:
            raise self._refused(f"{column.table}.{column.name}" if column.table is not None else column.name)
        return lambda row: self._subject.value(row, name)

    def _bindparam(self, parameter: Any) -> Evaluator:
        return lambda row: parameter.effective_value

    def _null(self, clause: Any) -> Evaluator:
        return lambda row: None

    def _true(self, clause: Any) -> Evaluator:
        return lambda row: True

    def _false(self, clause: Any) -> Evaluator:
        return lambda row: False

    def _grouping(self, clause: Any) -> Evaluator:
        return self.compile(clause.element)

    def _clauselist(self, clause: Any) -> Evaluator:
        parts = [self.compile(part) for part in clause.clauses]
        if clause.operator not in (operators.and_, operators.or_):
            return lambda row: tuple(part(row) for part in parts)
        ends = clause.operator is operators.or_  # the value that decides, whatever the other parts are

        def evaluate(row: Any) -> Any:
            values = [part(row) for part in parts]
            if any(value is not None and bool(value) is ends for value in values):
                return ends
            return None if None in values else not ends

        return evaluate

    _expression_clauselist = _tuple = _clauselist

    def _unary(self, clause: Any) -> Evaluator:
        inner = self.compile(clause.element)
        if clause.operator in (operators.inv, operators.is_false):
            return lambda row: None if (value := inner(row)) is None else not value
        if clause.operator is operators.is_true:
            return lambda row: None if (value := inner(row)) is None else bool(value)
        if clause.operator is operators.neg:
            return lambda row: None if (value := inner(row)) is None else -value
        raise self._refused(_name(clause.operator))

    def _binary(self, clause: Any) -> Evaluator:
        left = self.compile(clause.left)
        if clause.operator in (operators.is_, operators.is_distinct_from, operators.is_not, operators.is_not_distinct_from):
            right, same = self.compile(clause.right), clause.operator in (operators.is_, operators.is_not_distinct_from)
            return lambda row: (left(row) == right(row)) is same
        if clause.operator in (operators.between_op, operators.not_between_op):
            low, high = (self.compile(end) for end in clause.right.clauses)
            return _strict(DIRECT[clause.operator], left, lambda row: None if None in (ends := (low(row), high(row))) else ends)
        right = self.compile(clause.right)
        if clause.operator in LIKES:
            return _strict(_like(*LIKES[clause.operator], clause.modifiers.get("escape")), left, right)
        if clause.operator not in DIRECT:
            raise self._refused(_name(clause.operator))
        return _strict(DIRECT[clause.operator], left, right)

    def _function(self, clause: Any) -> Evaluator:
        name = clause.name.lower()
        parts = [self.compile(part) for part in clause.clauses]
        if name == "coalesce":
            return lambda row: next((value for part in parts if (value := part(row)) is not None), None)
        if name in NOW:
            return lambda row: datetime.datetime.now()  # without a zone, as most columns are
        if name not in FUNCTIONS:
            raise self._refused(f"{name}()")
        return lambda row: None if None in (values := [part(row) for part in parts]) else FUNCTIONS[name](*values)

    _coalesce = _now = _function

    def _refused(self, what: str) -> NotOffered:
        return NotOffered(f"a fake of {self._subject.name} cannot evaluate {what!r}", hint="test this question against a database")


def _strict(evaluate: Callable[[Any, Any], Any], left: Evaluator, right: Evaluator) -> Evaluator:
    """Return an operator that is NULL when a side is."""

    def both(row: Any) -> Any:
        one, other = left(row), right(row)
        return None if one is None or other is None else evaluate(one, other)

    return both


def _like(around: str, case: bool, matches: bool, escape: str | None) -> Callable[[Any, Any], bool]:
    def compare(text: str, pattern: str) -> bool:
        expression = _regex(around.replace("{}", pattern), escape)
        return (re.fullmatch(expression, text, re.DOTALL | (0 if case else re.IGNORECASE)) is not None) is matches

    return compare


def _regex(pattern: str, escape: str | None) -> str:
    """Return the regular expression for a pattern of LIKE."""
    made, letters = [], iter(pattern)
    for letter in letters:
        if letter == escape:
            made.append(re.escape(next(letters, "")))
        else:
            made.append({"%": ".*", "_": "."}.get(letter) or re.escape(letter))
    return "".join(made)


def _name(operator: Any) -> str:
    return str(getattr(operator, "__name__", operator))
