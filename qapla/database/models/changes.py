"""Change or delete all rows of a queryset by one statement per database. Nothing is committed here: that is the end of the with-block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import ColumnProperty

from qapla.database.models.conditions import is_of
from qapla.database.models.operands import is_expression, read_operand
from qapla.database.models.paths import get_field
from qapla.errors import QueryError, ValueRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qapla.database.models.bound import Bound
    from qapla.database.models.queryset import QuerySet


def update(queryset: QuerySet[Any], values: Mapping[str, Any], *, all_rows: bool) -> int:
    """Set *values* and return how many rows that was in all databases."""
    if not values:
        raise QueryError("update is given nothing to set", hint="update(votes=0)")
    _refuse(queryset, "update", all_rows=all_rows)
    fields = {name: (get_field(queryset.mapper, name), value) for name, value in values.items()}
    checked = {name: (field, _check(field, value)) for name, (field, value) in fields.items()}

    def run(bound: Bound) -> int:
        given = {key: value for field, value in checked.values() for key, value in _columns(field, value, bound).items()}
        statement = sa.update(queryset.model).values(given)
        return _run(queryset, bound, statement)

    return sum(count for _, count in queryset.ask(run))


def delete(queryset: QuerySet[Any], *, all_rows: bool) -> int:
    """Delete the rows and return how many there were in all databases."""
    _refuse(queryset, "delete", all_rows=all_rows)
    return sum(count for _, count in queryset.ask(lambda bound: _run(queryset, bound, sa.delete(queryset.model))))


def _run(queryset: QuerySet[Any], bound: Bound, statement: Any) -> int:
    """Run it, so that rows which the session has read know what became of them."""
    statement = statement.where(*(each.build(queryset.model, bound) for each in queryset.conditions))
    result: Any = bound.session.execute(statement, execution_options={"synchronize_session": "auto"})
    return int(result.rowcount)


def _refuse(queryset: QuerySet[Any], what: str, *, all_rows: bool) -> None:
    if not queryset.window.is_all or queryset.is_distinct or queryset.selected:
        raise QueryError(f"{what} is for whole rows, and not for slices, distinct rows or columns", hint=f"where(…).{what}(…)")
    if not queryset.conditions and not all_rows:
        raise QueryError(f"{what} without where means all rows of {queryset.model.__name__!r}", hint=f"if so: {what}(…, all_rows=True)")


def _check(field: Any, value: Any) -> Any:
    if is_expression(value):
        return value
    own = getattr(field.parent.class_, "__fields__", {}).get(field.key)
    if own is not None and isinstance(field, ColumnProperty):
        return own.check(value)
    return read_operand(field, value) if isinstance(field, ColumnProperty) else value


def _columns(field: Any, value: Any, bound: Bound) -> dict[str, Any]:
    """Return what to set, by attribute: a foreign key takes a row or its key."""
    if isinstance(field, ColumnProperty):
        return {field.key: value}
    if field.direction.name != "MANYTOONE":
        raise QueryError(f"{field.key!r} has many rows, which no update can set", hint="change the rows that refer to it")
    pairs = field.local_remote_pairs
    keys = [field.parent.get_property_by_column(local).key for local, _ in pairs]
    if value is None:
        return dict.fromkeys(keys)
    if isinstance(value, field.mapper.class_):
        if not is_of(value, bound):
            said = f"{field.key!r} is given a row of another database than {bound.name!r}"
            raise ValueRefused(said, hint="using(…) names the one that is meant")
        return dict(zip(keys, (getattr(value, field.mapper.get_property_by_column(remote).key) for _, remote in pairs), strict=True))
    if len(keys) != 1:
        raise ValueRefused(f"{field.key!r} has a key of several columns", hint="give the row itself")
    return {keys[0]: read_operand(field.parent.attrs[keys[0]], value)}
