"""Which open database a row belongs to, and writing it there.

A row belongs to the database that it was read from or saved to, also after that has been closed and opened again. A new row belongs to
none until it is saved. What is refused by a database takes back that one write, not what was saved before in the same block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import object_session
from sqlalchemy.orm.attributes import flag_modified

from qapla.database.direct import MEMORY
from qapla.database.models import binding
from qapla.database.models.bound import find_bound
from qapla.database.models.field import MISSING
from qapla.database.models.fields import JSON
from qapla.errors import ModelError, NotBound, ReadOnly, ValueRefused, nearest

if TYPE_CHECKING:
    from qapla.database.models.bound import Bound

TARGET = "_qapla_target"  # on a row whose database was closed: which one that was


def bound_of(row: Any) -> Bound | None:
    """Return the open database that *row* belongs to, None for a new row or when its database is closed."""
    found = find_bound(object_session(row))
    if found is not None:
        return found
    target = row.__dict__.get(TARGET)
    return next((each for each in reversed(binding.bound()) if each.target == target), None) if target else None


def find_using(using: Any) -> Bound:
    """Return the open database that is meant by itself or by its name.

    Raises:
        NotBound: it is not open here.
    """
    for each in binding.bound():
        if each is using or each.name == using:
            return each
    names = [each.name for each in binding.bound()]
    shown = getattr(using, "name", using)
    hint = nearest(str(shown), names) or (f"open are {', '.join(map(repr, names))}" if names else binding.HINT)
    raise NotBound(f"database {shown!r} is not open in this thread or task", hint=hint)


def refuse_read_only(model: Any) -> None:
    """Refuse to write rows of a view, or of a table elsewhere.

    Raises:
        ReadOnly: *model* is one of those.
    """
    if getattr(model, "__read_only__", False):
        raise ReadOnly(f"rows of {model.__name__!r} are to be read only", hint="it stands for a view, or for a table elsewhere")


def save(row: Any, using: Any = None) -> None:
    """Insert or update *row* where it belongs, a new one in the innermost database or in *using*."""
    refuse_read_only(type(row))
    database = _place(row, using)
    _check_complete(row)
    state: Any = sa.inspect(row)
    for name, field in type(row).__fields__.items():
        if isinstance(field, JSON) and state.persistent and row.__dict__.get(name) is not None:
            flag_modified(row, name)  # what was changed inside leaves no trace
    write(row, database)


def write(row: Any, database: Bound | None = None) -> None:
    """Write what is new or changed, *row* before all.

    Raises:
        DatabaseError: the database refuses it; it is as it was before, and so is everything else.
    """
    database = database or home(row)
    with database.errors(), database.session.begin_nested():
        database.session.add(row)
        database.session.flush()


def delete(row: Any) -> None:
    """Delete *row* from the database that it belongs to."""
    refuse_read_only(type(row))
    database = home(row)
    with database.errors(), database.session.begin_nested():
        database.session.delete(row)
        database.session.flush()


def home(row: Any) -> Bound:
    """Return the open database that *row*, one that was saved, belongs to; it is attached to its session.

    Raises:
        ModelError: it was never saved, is deleted, or has been read anew. NotBound: its database is not open here.
    """
    state: Any = sa.inspect(row)
    if state.transient or state.pending:
        raise ModelError(f"{row!r} was never saved", hint="row.save() first")
    if state.deleted or state.was_deleted:
        raise ModelError(f"{row!r} is deleted", hint="row.copy().save() makes a new one")
    found = bound_of(row)
    if found is None:
        raise _elsewhere(row)
    if state.detached:
        if found.session.identity_map.get(state.key) is not None:
            raise ModelError(f"{row!r} has been read anew since its block ended", hint="use the row that was read")
        found.session.add(row)
    return found


def _place(row: Any, using: Any) -> Bound:
    chosen = None if using is None else find_using(using)
    state: Any = sa.inspect(row)
    if state.transient or state.pending:
        place = chosen or (find_bound(object_session(row)) if state.pending else None) or binding.innermost()
        _check_neighbours(row, place)
        return place
    found = home(row)
    if chosen is not None and chosen is not found:
        hint = "row.copy().save(using=…) makes a new row there"
        raise ModelError(f"{row!r} belongs to database {found.name!r}, not to {chosen.name!r}", hint=hint)
    return found


def _check_neighbours(row: Any, place: Bound) -> None:
    """Refuse a new row that would lead into another database."""
    for name in type(row).__links__:
        value = row.__dict__.get(name)
        for other in value if isinstance(value, list) else [value]:
            found = None if other is None else bound_of(other)
            if found is not None and found is not place:
                raise ModelError(
                    f"{type(row).__name__}.{name} is a row of database {found.name!r}, and the new row would go to {place.name!r}",
                    hint=f"save(using={found.name!r}), or give a row of {place.name!r}",
                )


def _check_complete(row: Any) -> None:
    """Name the first field that has no value and needs one."""
    if not sa.inspect(row).transient:
        return
    links = {attribute: name for name, link in type(row).__links__.items() for attribute in getattr(link, "attributes", ())}
    for attribute in sa.inspect(type(row)).column_attrs:
        column = attribute.columns[0]
        if not isinstance(column, sa.Column) or row.__dict__.get(attribute.key) is not None or _fills_itself(column):
            continue
        name = links.get(attribute.key, attribute.key)
        if name in links.values() and row.__dict__.get(name) is not None:
            continue  # the row that it leads to gets its key when it is saved
        field = type(row).__fields__.get(name)
        if field is not None and field.default is MISSING:
            raise ValueRefused(f"{type(row).__name__}.{name} has no value", hint="give it one, or declare it with null=True or a default")


def _fills_itself(column: sa.Column[Any]) -> bool:
    made = column.default is not None or column.server_default is not None or column.computed is not None or column.identity is not None
    return bool(column.nullable or made or column is column.table.autoincrement_column)


def _elsewhere(row: Any) -> NotBound:
    target = row.__dict__.get(TARGET)
    if target is None:
        return NotBound(f"{row!r} belongs to a session that is not of an open database", hint="use that session")
    where, hint = ":".join(filter(None, target[1:])), "open it again"
    if MEMORY in target:
        where, hint = MEMORY, "a database in memory is gone when its block ends"
    return NotBound(f"{row!r} belongs to {where!r}, which is not open here", hint=hint)
