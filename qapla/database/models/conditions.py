"""What ``where`` was given, checked at once, and made into an expression for each database that is asked.

Conditions behind one relation in one ``where`` are about one related row: ``where(choices__votes__gt=3, choices__choice_text="red")``
finds questions with a red choice of more than three votes. Those of two calls may be met by two rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import ColumnProperty, aliased, object_session
from sqlalchemy.sql.elements import ColumnElement

from qapla.database.models.bound import find_bound
from qapla.database.models.operands import check_list, is_expression, read_operand
from qapla.database.models.operators import Call, check_document, get_builder
from qapla.database.models.paths import attribute, check_tables, column_of, find_path
from qapla.errors import QueryError, ValueRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Protocol

    from sqlalchemy.orm import Mapper, RelationshipProperty

    from qapla.database.models.bound import Bound

    class Condition(Protocol):
        """One condition; an entity is the model, or the alias of a related one."""

        def build(self, entity: Any, bound: Bound) -> ColumnElement[bool]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """An expression of SQLAlchemy, as it was given."""

    expression: ColumnElement[bool]

    def build(self, entity: Any, bound: Bound) -> ColumnElement[bool]:
        """Return it."""
        return self.expression


@dataclass(frozen=True, slots=True, eq=False)
class FieldTest:
    """A field compared by an operator."""

    field: ColumnProperty[Any]
    operator: str
    operand: Any

    def build(self, entity: Any, bound: Bound) -> ColumnElement[bool]:
        """Return the comparison in the words of the engine."""
        operator, builder = get_builder(self.operator)
        value = attribute(entity, self.field)
        if hasattr(self.operand, "key_statement"):
            found = value.in_(self.operand.key_statement(bound))
            return sa.not_(found) if operator == "not_in" else found
        made: ColumnElement[bool] = builder(Call(self.field, value.__clause_element__(), bound.dialect, operator), self.operand)
        return made


@dataclass(frozen=True, slots=True, eq=False)
class KeyTest:
    """A foreign key compared with rows or keys. A row has its key in its own database only, in others it is nobody."""

    relation: RelationshipProperty[Any]
    operator: str
    operands: tuple[Any, ...]

    def build(self, entity: Any, bound: Bound) -> ColumnElement[bool]:
        """Return the comparison of the columns of the key."""
        tests = [self._equals(entity, each, bound) for each in self.operands]
        found = sa.or_(sa.false(), *tests)
        return sa.not_(found) if self.operator in ("neq", "not_in") else found

    def _equals(self, entity: Any, operand: Any, bound: Bound) -> ColumnElement[bool]:
        pairs = self.relation.local_remote_pairs or []
        columns = [attribute(entity, column_of(self.relation.parent, local)) for local, _ in pairs]
        if operand is None:
            return sa.and_(*(column.is_(None) for column in columns))
        if not isinstance(operand, self.relation.mapper.class_):
            keys = list(operand) if isinstance(operand, tuple) else [operand]
        elif is_of(operand, bound):
            keys = [getattr(operand, column_of(self.relation.mapper, remote).key) for _, remote in pairs]
        else:
            return sa.false()
        return sa.and_(*(column == key for column, key in zip(columns, keys, strict=True)))


@dataclass(frozen=True, slots=True, eq=False)
class RowTest:
    """A row that is one of some: what ``choices=choice`` asks of a related row."""

    mapper: Mapper[Any]
    operands: tuple[Any, ...]

    def build(self, entity: Any, bound: Bound) -> ColumnElement[bool]:
        """Return the comparison of the primary key."""
        keys = [column_of(self.mapper, column) for column in self.mapper.primary_key]
        tests = []
        for operand in self.operands:
            is_row = isinstance(operand, self.mapper.class_)
            if is_row and not is_of(operand, bound):
                continue
            values = [getattr(operand, key.key) for key in keys] if is_row else operand if isinstance(operand, tuple) else (operand,)
            tests.append(sa.and_(*(attribute(entity, key) == value for key, value in zip(keys, values, strict=True))))
        return sa.or_(sa.false(), *tests)


@dataclass(frozen=True, slots=True, eq=False)
class Related:
    """At least one related row meets all the conditions; with ``is_absent`` none does."""

    relation: RelationshipProperty[Any]
    conditions: tuple[Condition, ...]
    is_absent: bool = False

    def build(self, entity: Any, bound: Bound) -> ColumnElement[bool]:
        """Return EXISTS."""
        target = aliased(self.relation.mapper.class_)
        there = attribute(entity, self.relation).of_type(target)
        tests = [each.build(target, bound) for each in self.conditions]
        criterion = sa.and_(*tests) if tests else None
        found: ColumnElement[bool] = there.any(criterion) if self.relation.uselist else there.has(criterion)
        return sa.not_(found) if self.is_absent else found


def read_conditions(mapper: Mapper[Any], expressions: Iterable[Any], named: Mapping[str, Any]) -> tuple[Condition, ...]:
    """Return what ``where(*expressions, **named)`` asks of a row.

    Raises:
        QueryError: an unknown field or operator, or something that is no condition. ValueRefused: a value of another type.
    """
    given = [read_expression(each) for each in expressions]
    for each in given:
        check_tables(mapper, each)
    tests = _read_named(mapper, named)
    for test in tests:
        if isinstance(test, FieldTest) and is_expression(test.operand):
            check_tables(mapper, test.operand)
    return (*map(Given, given), *tests)


def read_expression(expression: Any) -> ColumnElement[bool]:
    """Return a condition of SQLAlchemy's.

    Raises:
        QueryError: it is something else; True comes from comparing two things of Python.
    """
    if isinstance(expression, bool | str) or expression is None:
        hint = "compare fields, Choice.votes > 3, or name them: where(votes__gt=3)"
        raise QueryError(f"{str(expression)[:60]!r} is no condition", hint=hint)
    try:
        return sa.and_(expression)
    except ArgumentError:
        raise QueryError(f"a {type(expression).__name__} is no condition", hint="compare fields: Choice.votes > 3") from None


def _read_named(mapper: Mapper[Any], named: Mapping[str, Any]) -> list[Condition]:
    found: list[Condition] = []
    inner: dict[str, dict[str, Any]] = {}
    for name, operand in named.items():
        path = find_path(mapper, name)
        if path.relations:
            first = path.relations[0].key
            inner.setdefault(first, {})[name[len(first) + 2 :]] = operand
        elif isinstance(path.end, ColumnProperty):
            found.append(_read_field_test(path.end, path.rest or "eq", operand))
        else:
            found.append(_read_relation_test(path.end, path.rest or "eq", operand))
    for key, behind in inner.items():
        relation = mapper.relationships[key]
        found.append(Related(relation, tuple(_read_named(relation.mapper, behind))))
    return found


def _read_field_test(field: ColumnProperty[Any], name: str, operand: Any) -> FieldTest:
    operator, _ = get_builder(name)
    check_document(field, operator)
    if hasattr(operand, "key_statement"):
        if operator not in ("in", "not_in"):
            raise QueryError(f"field {field.key!r} is compared with a queryset by 'in' only", hint=f"write {field.key}__in=")
        return FieldTest(field, operator, operand)
    if operator in ("in", "not_in"):  # once, since it may be an iterator and there may be several databases
        operand = tuple(read_operand(field, each) for each in check_list(field, operand))
    elif operator in ("eq", "neq", "gt", "gte", "lt", "lte", "isdistinct"):
        operand = read_operand(field, operand)
    elif operator == "between":
        operand = tuple(check_list(field, operand))
    return FieldTest(field, operator, operand)


def _read_relation_test(relation: RelationshipProperty[Any], name: str, operand: Any) -> Condition:
    operator, _ = get_builder(name)
    target = relation.mapper
    is_key = relation.direction.name == "MANYTOONE"
    if operator in ("is", "isnull"):
        absent = operand in (None, "null") if operator == "is" else operand
        if not isinstance(absent, bool) or (operator == "is" and operand not in (None, "null", "not_null")):
            raise QueryError(f"relation {relation.key!r} is None or 'not_null', not '{str(operand)[:40]}'")
        return KeyTest(relation, "eq" if absent else "neq", (None,)) if is_key else Related(relation, (), is_absent=absent)
    if operator not in ("eq", "neq", "in", "not_in"):
        hint = f"eq, neq, in, not_in or is; or ask a field of it: {relation.key}__…"
        raise QueryError(f"operator {operator!r} is not for relation {relation.key!r}", hint=hint)
    if operator in ("in", "not_in"):
        if hasattr(operand, "key_statement"):
            keys = column_of(target, target.primary_key[0])
            return Related(relation, (FieldTest(keys, "in", operand),), is_absent=operator == "not_in")
        if isinstance(operand, str | bytes) or not hasattr(operand, "__iter__"):
            raise ValueRefused(f"relation {relation.key!r} is compared with a list of rows or keys, and this is a {type(operand).__name__}")
        operands = tuple(operand)
    else:
        operands = (operand,)
    operands = tuple(_read_key(relation, each) for each in operands)
    if is_key:
        return KeyTest(relation, operator, operands)
    if None in operands:
        return Related(relation, (), is_absent=operator == "eq")
    return Related(relation, (RowTest(target, operands),), is_absent=operator in ("neq", "not_in"))


def _read_key(relation: RelationshipProperty[Any], operand: Any) -> Any:
    target = relation.mapper
    if operand is None:
        return None
    if isinstance(operand, target.class_):
        if not sa.inspect(operand).has_identity:
            raise ValueRefused(f"this {target.class_.__name__} has not been saved, so nothing can refer to it", hint="save it first")
        return operand
    if is_expression(operand):
        return operand
    if sa.inspect(operand, raiseerr=False) is not None or isinstance(operand, type):
        raise ValueRefused(f"relation {relation.key!r} is to {target.class_.__name__}, and this is a {type(operand).__name__}")
    keys = operand if isinstance(operand, tuple) else (operand,)
    if len(target.primary_key) != len(keys):
        hint = f"give the row itself, or a tuple of {', '.join(column.name for column in target.primary_key)}"
        raise ValueRefused(f"relation {relation.key!r} has a key of {len(target.primary_key)} columns, not {len(keys)}", hint=hint)
    read = tuple(read_operand(column_of(target, column), key) for column, key in zip(target.primary_key, keys, strict=True))
    return read if len(read) > 1 else read[0]


def is_of(row: Any, bound: Bound) -> bool:
    """Tell whether a row belongs to *bound*; of one whose database is not known, its key is all there is."""
    home = find_bound(object_session(row))
    if home is bound:
        return True
    target = home.target if home is not None else row.__dict__.get("_qapla_target")
    return target is None or target == bound.target
