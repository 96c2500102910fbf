"""Where a driver's rows are: one table of a session, as dicts (``TableStore``) or as objects of a model (``ModelStore``).

A store does what a driver has checked: the names it gets are there. A constraint that does not hold is raised as the ``DatabaseError`` that
it is on every engine; whatever else the database says (a deadlock, a lost connection) stays SQLAlchemy's, so that whoever repeats
transactions knows it.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from numbers import Number
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Enum,
    Integer,
    SmallInteger,
    String,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    inspect,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from qapla.database import faults
from qapla.driver import upsert
from qapla.driver.position import is_after, order_by
from qapla.driver.subject import ModelSubject, Subject
from qapla.errors import NotFound, QueryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Dialect
    from sqlalchemy.orm import Session

    from qapla.driver.position import Term

    Conditions = Sequence[ColumnElement[bool]]
    Values = Mapping[str, Any]


KEYS_PER_STATEMENT = 200
INTEGER = re.compile(r"\s*[+-]?[0-9]{1,30}\s*")  # longer ones are in no column


class TableStore:
    """The rows of a Core table, as dicts."""

    def __init__(self, session: Session, subject: Subject) -> None:
        self.session = session
        self.subject = subject

    # -- reading

    def find(self, key: tuple[Any, ...]) -> Any | None:
        """Return the row with this primary key, or None."""
        return next(iter(self.fetch((), self._by_key(key))), None) if self.can_be_asked(self.subject.key_names, key) else None

    def fetch(
        self,
        conditions: Conditions,
        values: Values,
        order: tuple[Term, ...] = (),
        limit: int | None = None,
        after: tuple[Any, ...] | None = None,
    ) -> list[Any]:
        """Return rows in *order*, those after a position, at most *limit*."""
        statement = select(self.subject.selectable).where(*self._where(conditions, values)).order_by(*order_by(self.subject, order))
        if after is not None:
            statement = statement.where(is_after(self.subject, order, after))
        return self._rows(statement.limit(limit))

    def count(self, conditions: Conditions, values: Values) -> int:
        """Return the number of rows."""
        statement = select(func.count()).select_from(self.subject.selectable).where(*self._where(conditions, values))
        return int(self.session.scalar(statement) or 0)

    def exists(self, conditions: Conditions, values: Values) -> bool:
        """Tell whether there is a row."""
        found = exists(literal(1)).select_from(self.subject.selectable).where(*self._where(conditions, values))
        return bool(self.session.scalar(select(found)))

    def can_be_asked(self, names: Sequence[str], values: Sequence[Any]) -> bool:
        """Tell whether the engine can be asked for *values*: what no column of such a type has, or half a character, is not there.

        Drivers and PostgreSQL have errors for these, which end the transaction; keys come out of addresses that anybody may type.
        """
        return all(self._can_be(value, self.subject.columns[name].type) for name, value in zip(names, values, strict=True))

    def _can_be(self, value: Any, kind: Any) -> bool:
        is_strict = self._dialect.name == "postgresql"
        if isinstance(value, str) and ((is_strict and "\0" in value) or any("\ud800" <= character <= "\udfff" for character in value)):
            return False
        if value is None or not isinstance(kind, Integer | String) or isinstance(kind, Enum):
            return True
        if isinstance(kind, String):
            return isinstance(value, str) or not is_strict
        if isinstance(value, str):
            if not INTEGER.fullmatch(value):
                return False
            value = int(value)
        if not isinstance(value, int):
            return isinstance(value, Number)
        bits = 63
        if is_strict and not isinstance(kind, BigInteger):
            bits = 15 if isinstance(kind, SmallInteger) else 31
        return -(2**bits) <= value < 2**bits

    # -- changing

    def insert(self, values: Values) -> Any:
        """Insert a row and return it as it is now in the database."""
        statement = insert(self.subject.table).values(dict(values))
        if self._dialect.insert_returning:
            return self._rows(statement.returning(*self.subject.columns.values()))[0]
        key = self.session.execute(statement).inserted_primary_key  # type: ignore[attr-defined]
        return (self.find(tuple(key)) if key else None) or dict(values)

    def insert_all(self, rows: Sequence[Values]) -> None:
        """Insert many rows."""
        for alike in _grouped(rows):
            self.session.execute(insert(self.subject.table), alike)

    def change(self, row: Any, values: Values) -> Any:
        """Change a row and return it as it is now in the database."""
        key = self.subject.key_of_row(row)
        if values and not self.update_where((), self._by_key(key), values):
            raise self._gone(key)
        found = self.find(tuple(values.get(name, part) for name, part in self._by_key(key).items()))
        if found is None:
            raise self._gone(key)
        return found

    def remove(self, row: Any) -> None:
        """Delete a row."""
        key = self.subject.key_of_row(row)
        if not self.delete_where((), self._by_key(key)):
            raise self._gone(key)

    def update_where(self, conditions: Conditions, where: Values, values: Values) -> int:
        """Change rows in one statement; return their number."""
        statement = update(self.subject.selectable).where(*self._where(conditions, where)).values(dict(values))
        return int(self.session.execute(statement).rowcount)  # type: ignore[attr-defined]

    def delete_where(self, conditions: Conditions, where: Values) -> int:
        """Delete rows in one statement; return their number."""
        statement = delete(self.subject.selectable).where(*self._where(conditions, where))
        return int(self.session.execute(statement).rowcount)  # type: ignore[attr-defined]

    def update_all(self, rows: Sequence[Values]) -> int:
        """Change many rows, each by its key; return how many there were."""
        count, columns = 0, self.subject.columns
        for alike in _grouped(rows):
            same = [columns[name] == bindparam(f"qapla_old_{name}", type_=columns[name].type) for name in self.subject.key_names]
            new = {columns[name]: bindparam(f"qapla_new_{name}", type_=columns[name].type) for name in alike[0] if not self._is_key(name)}
            named = [{f"qapla_{'old' if self._is_key(name) else 'new'}_{name}": value for name, value in row.items()} for row in alike]
            count += self.session.execute(update(self.subject.table).where(*same).values(new), named).rowcount  # type: ignore[attr-defined]
        return count

    def delete_all(self, keys: Sequence[tuple[Any, ...]]) -> int:
        """Delete the rows with these keys; return how many there were."""
        attributes = [self.subject.attribute(name) for name in self.subject.key_names]
        count = 0
        for start in range(0, len(keys), KEYS_PER_STATEMENT):
            some = keys[start : start + KEYS_PER_STATEMENT]
            if len(attributes) == 1:
                condition = attributes[0].in_([key[0] for key in some])
            else:
                condition = or_(*(and_(*(a == part for a, part in zip(attributes, key, strict=True))) for key in some))
            count += self.delete_where([condition], {})
        return count

    def upsert_all(self, unique: tuple[str, ...], rows: Sequence[Values]) -> None:
        """Insert rows, or change those whose *unique* values are there already."""
        columns = self.subject.columns
        for alike in _grouped(rows):
            named = [{columns[name]: value for name, value in row.items()} for row in alike]
            upsert.upsert_all(self.session, self.subject.table, [columns[name] for name in unique], named)

    def read_again(self, unique: tuple[str, ...], values: Values) -> Any:
        """Return the row with these *unique* values as it is now in the database."""
        same = {name: values[name] for name in unique}
        found = self.fetch((), same)
        if not found:  # somebody else made it after this transaction's snapshot: only a locking read sees it
            statement = select(self.subject.selectable).where(*self._where((), same))
            found = self._rows(statement.with_for_update(read=True))
        return found[0]

    def done(self, commit: bool) -> None:
        """Flush, or commit."""
        if commit:
            self.session.commit()
        else:
            self.session.flush()

    @contextmanager
    def changing(self, commit: bool) -> Iterator[None]:
        """Run a change in the block, then flush or commit; translate the constraint that it breaks.

        With *commit* what failed is rolled back, else that is left to whoever commits.
        """
        try:
            yield
            self.done(commit)
        except IntegrityError as error:
            engine = upsert.engine_of(self._dialect)
            if commit:
                self.session.rollback()
            if engine is None:
                raise
            raise faults.translate(engine.key, error, self.subject.name) from error
        except BaseException:
            if commit:
                self.session.rollback()
            raise

    # -- parts

    @property
    def _dialect(self) -> Dialect:
        return self.session.get_bind(clause=self.subject.table).dialect

    def _rows(self, statement: Any) -> list[Any]:
        names = tuple(self.subject.columns)
        return [dict(zip(names, row, strict=True)) for row in self.session.execute(statement)]

    def _where(self, conditions: Conditions, values: Values) -> list[Any]:
        return [*(self.subject.attribute(name) == value for name, value in values.items()), *conditions]

    def _by_key(self, key: tuple[Any, ...]) -> dict[str, Any]:
        return dict(zip(self.subject.key_names, key, strict=True))

    def _is_key(self, name: str) -> bool:
        return name in self.subject.key_names

    def _gone(self, key: tuple[Any, ...]) -> NotFound:
        return NotFound(f"{self.subject.name} with the key ({', '.join(map(str, key))[:100]}) is gone", hint="somebody has deleted it")


class ModelStore(TableStore):
    """The objects of a model."""

    subject: ModelSubject

    def find(self, key: tuple[Any, ...]) -> Any | None:
        """Return the object with this primary key, or None; one that the session has costs no statement."""
        if all(part is None for part in key) or not self.can_be_asked(self.subject.key_names, key):  # SQLAlchemy warns of a NULL key
            return None
        return self.session.get(self.subject.model, key)

    def insert(self, values: Values) -> Any:
        """Make an object."""
        made = self.subject.model(**values)
        self.session.add(made)
        return made

    def insert_all(self, rows: Sequence[Values]) -> None:
        """Insert many rows, without objects."""
        self.session.execute(insert(self.subject.model), [dict(row) for row in rows])

    def change(self, row: Any, values: Values) -> Any:
        """Change attributes of an object."""
        self._take(row)
        for name, value in values.items():
            setattr(row, name, value)
        return row

    def remove(self, row: Any) -> None:
        """Delete an object."""
        self._take(row)
        self.session.delete(row)

    def update_where(self, conditions: Conditions, where: Values, values: Values) -> int:
        """Change rows in one statement; objects in the session follow."""
        self.subject.require_single_table("changing many at once")
        return super().update_where(conditions, where, values)

    def delete_where(self, conditions: Conditions, where: Values) -> int:
        """Delete rows in one statement; objects in the session follow."""
        self.subject.require_single_table("deleting many at once")
        return super().delete_where(conditions, where)

    def upsert_all(self, unique: tuple[str, ...], rows: Sequence[Values]) -> None:
        """Insert rows, or change those whose *unique* values are there already; without objects."""
        self.subject.require_single_table("an upsert")
        self.session.flush()  # what objects have changed comes first
        super().upsert_all(unique, rows)
        self._forget()

    def update_all(self, rows: Sequence[Values]) -> int:
        """Change many rows, each by its key; return how many there were."""
        self.subject.require_single_table("changing many at once")
        self.session.flush()
        count = super().update_all(rows)
        self._forget()
        return count

    def _forget(self) -> None:
        """Have the session's objects of this model read again: which of them have changed only the database can tell."""
        for known in self.session.identity_map.values():
            if isinstance(known, self.subject.model):
                self.session.expire(known)

    def _take(self, row: Any) -> None:
        """Refuse an object that was never saved; one that has lost its session comes into this one."""
        self.subject.check_row(row)
        state = inspect(row)
        if state.transient:
            raise QueryError(f"this {self.subject.name} was never saved", hint="use create")
        if state.detached:
            self.session.add(row)

    def _rows(self, statement: Any) -> list[Any]:
        return list(self.session.scalars(statement).unique())


def make_store(session: Session, subject: Subject) -> TableStore:
    """Return the store for *subject*."""
    return ModelStore(session, subject) if isinstance(subject, ModelSubject) else TableStore(session, subject)



def _grouped(rows: Sequence[Values]) -> list[list[dict[str, Any]]]:
    """Return the rows in lists of those that have the same names: one statement can insert those."""
    groups: dict[frozenset[str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(frozenset(row), []).append(dict(row))
    return list(groups.values())
