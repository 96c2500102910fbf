"""``MemoryStore``: the rows of a fake driver, in a list, with the rules that a table has by itself.

A primary key is counted up, column defaults are filled in, NOT NULL and unique sets hold, a change is made wholly or not at all. What only
a database knows is not pretended: server defaults and computed columns stay None, foreign keys and CHECKs hold nothing up.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect
from sqlalchemy.orm import RelationshipDirection

from qapla.driver.store import TableStore
from qapla.driver.subject import ModelSubject, Subject
from qapla.errors import DatabaseError
from qapla.testing.evaluate import compile_expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Column

    from qapla.driver.position import Term


class MemoryStore(TableStore):
    """Rows in memory: objects of a model, or dicts for a table.

    Attributes:
        rows: the rows, in the order in which they were made.
        commits: how often a driver with ``commit`` has committed.
    """

    def __init__(self, subject: Subject, rows: Iterable[Any] = ()) -> None:
        self.subject = subject
        self.rows: list[Any] = []
        self.commits = 0
        for row in rows:
            self._add(row if isinstance(subject, ModelSubject) and subject.is_row(row) else self._make(row))

    # -- reading

    def find(self, key: tuple[Any, ...]) -> Any | None:
        """Return the row with this primary key, or None."""
        found = self._find(self.subject.key_names, key)
        return None if found is None else self._lent(found)

    def fetch(
        self,
        conditions: Sequence[Any],
        values: Mapping[str, Any],
        order: tuple[Term, ...] = (),
        limit: int | None = None,
        after: tuple[Any, ...] | None = None,
    ) -> list[Any]:
        """Return rows in *order*, those after a position, at most *limit*."""
        found = self._where(conditions, values)
        for term in reversed(order):  # a stable sort: the first term, sorted last, decides
            found.sort(key=lambda row: self._sortable(row, term), reverse=term.descending)
            found.sort(key=lambda row: self.subject.value(row, term.name) is None)
        if after is not None:
            found = [row for row in found if self._is_beyond(row, order, after)]
        return [self._lent(row) for row in found[:limit]]

    def count(self, conditions: Sequence[Any], values: Mapping[str, Any]) -> int:
        """Return the number of rows."""
        return len(self._where(conditions, values))

    def exists(self, conditions: Sequence[Any], values: Mapping[str, Any]) -> bool:
        """Tell whether there is a row."""
        return bool(self._where(conditions, values))

    def can_be_asked(self, names: Sequence[str], values: Sequence[Any]) -> bool:
        """Tell that anything may be compared here."""
        return True

    # -- changing

    def insert(self, values: Mapping[str, Any]) -> Any:
        """Add a row and return it."""
        return self._lent(self._add(self._make(values)))

    def insert_all(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add many rows."""
        for row in rows:
            self._add(self._make(row))

    def change(self, row: Any, values: Mapping[str, Any]) -> Any:
        """Change a row and return it."""
        return self._lent(self._write(self._own(row), values))

    def remove(self, row: Any) -> None:
        """Take a row out."""
        self._drop(self._own(row))

    def update_where(self, conditions: Sequence[Any], where: Mapping[str, Any], values: Mapping[str, Any]) -> int:
        """Change rows; return their number."""
        found = self._where(conditions, where)
        for row in found:
            self._write(row, values)
        return len(found)

    def delete_where(self, conditions: Sequence[Any], where: Mapping[str, Any]) -> int:
        """Take rows out; return their number."""
        found = self._where(conditions, where)
        for row in found:
            self._drop(row)
        return len(found)

    def update_all(self, rows: Sequence[Mapping[str, Any]]) -> int:
        """Change many rows, each by its key; return how many there were."""
        names = self.subject.key_names
        count = 0
        for values in rows:
            found = self._find(names, tuple(values[name] for name in names))
            if found is not None:
                self._write(found, values)
                count += 1
        return count

    def delete_all(self, keys: Sequence[tuple[Any, ...]]) -> int:
        """Take out the rows with these keys; return how many there were."""
        return sum(self.delete_where((), self._by_key(key)) for key in keys)

    def upsert_all(self, unique: tuple[str, ...], rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows, or change those whose *unique* values are there already."""
        for values in rows:
            found = self._find(unique, tuple(values[name] for name in unique))
            if found is None:
                self._add(self._make(values))
            elif len(values) > len(unique):
                self._write(found, values)

    @contextmanager
    def changing(self, commit: bool) -> Iterator[None]:
        """Run a change in the block; what it has done is undone when it fails."""
        before = [(row, {name: self.subject.value(row, name) for name in self.subject.columns}) for row in self.rows]
        try:
            yield
        except BaseException:
            self.rows[:] = [row for row, _ in before]
            for row, values in before:
                self._set(row, values)
            raise
        self.commits += commit

    # -- parts

    def _where(self, conditions: Sequence[Any], values: Mapping[str, Any]) -> list[Any]:
        tests = [compile_expression(self.subject, condition) for condition in conditions]
        tests += [compile_expression(self.subject, self.subject.attribute(name) == value) for name, value in values.items()]
        return [row for row in self.rows if all(test(row) for test in tests)]

    def _find(self, names: Sequence[str], values: tuple[Any, ...]) -> Any | None:
        return next((row for row in self.rows if tuple(self.subject.value(row, name) for name in names) == values), None)

    def _own(self, row: Any) -> Any:
        """Return our row for the one that a caller has."""
        key = self.subject.key_of_row(row)
        found = next((own for own in self.rows if own is row), None) or self._find(self.subject.key_names, key)
        if found is None:
            raise self._gone(key)
        return found

    def _lent(self, row: Any) -> Any:
        return dict(row) if isinstance(row, dict) else row

    def _sortable(self, row: Any, term: Term) -> Any:
        value = self.subject.value(row, term.name)
        return (value is not None, value) if value is not None else (False,)

    def _is_beyond(self, row: Any, order: tuple[Term, ...], position: tuple[Any, ...]) -> bool:
        for term, seen in zip(order, position, strict=True):
            value = self.subject.value(row, term.name)
            if value == seen:
                continue
            if value is None or seen is None:
                return value is None
            return bool(value < seen) if term.descending else bool(value > seen)
        return False

    def _make(self, values: Mapping[str, Any]) -> Any:
        if isinstance(self.subject, ModelSubject):
            return self.subject.model(**values)
        return dict(values)

    def _add(self, row: Any) -> Any:
        if isinstance(self.subject, ModelSubject):
            _follow_relations(self.subject, row)
        given = row if isinstance(row, dict) else inspect(row).dict
        missing = [name for name in self.subject.columns if name not in given or (name in self.subject.key_names and given[name] is None)]
        self._set(row, {name: self._default(name, self.subject.columns[name]) for name in missing})
        self._check(row)
        self.rows.append(row)
        return row

    def _write(self, row: Any, values: Mapping[str, Any]) -> Any:
        self._set(row, {name: self._evaluated(row, value) for name, value in values.items()})
        changing = {name: column.onupdate for name, column in self.subject.columns.items() if name not in values}
        self._set(row, {name: self._computed(default) for name, default in changing.items() if default is not None})
        if isinstance(self.subject, ModelSubject):
            _follow_relations(self.subject, row)
        self._check(row)
        return row

    def _drop(self, row: Any) -> None:
        self.rows[:] = [other for other in self.rows if other is not row]

    def _set(self, row: Any, values: Mapping[str, Any]) -> None:
        if isinstance(row, dict):
            row.update(values)
            return
        for name, value in values.items():
            setattr(row, name, value)

    def _evaluated(self, row: Any, value: Any) -> Any:
        is_expression = hasattr(value, "__clause_element__") or hasattr(value, "__visit_name__")
        return compile_expression(self.subject, value)(row) if is_expression else value

    def _default(self, name: str, column: Column[Any]) -> Any:
        if column.default is not None:
            return self._computed(column.default)
        if column is getattr(self.subject.table, "autoincrement_column", None):
            return max((self.subject.value(row, name) or 0 for row in self.rows), default=0) + 1
        return None

    def _computed(self, default: Any) -> Any:
        if default.is_callable:
            return default.arg(None)
        return None if default.is_sequence else self._evaluated(None, default.arg)

    def _check(self, row: Any) -> None:
        for name, column in self.subject.columns.items():
            made_there = column.server_default is not None or column.computed is not None or column.identity is not None
            if self.subject.value(row, name) is None and not column.nullable and not made_there:
                said = f'null value in column "{column.name}" violates not-null constraint'
                raise DatabaseError(said, code="23502", status=400, column=column.name, table=self.subject.table.name)
        for unique in self.subject.unique_sets:
            values = tuple(self.subject.value(row, name) for name in unique)
            others = [tuple(self.subject.value(other, name) for name in unique) for other in self.rows if other is not row]
            if values in others and None not in values:
                said = f"duplicate key value violates unique constraint on ({', '.join(unique)})"
                column_name = self.subject.columns[unique[0]].name if len(unique) == 1 else None
                raise DatabaseError(said, code="23505", status=409, column=column_name, table=self.subject.table.name)


def _follow_relations(subject: ModelSubject, row: Any) -> None:
    """Give the columns of a foreign key the key of the object that is set beside them, as a flush does."""
    for relation in subject.mapper.relationships:
        other = inspect(row).dict.get(relation.key)
        if relation.direction is RelationshipDirection.MANYTOONE and other is not None:
            remote_mapper = relation.mapper
            for local, remote in relation.local_remote_pairs or ():
                name = subject.mapper.get_property_by_column(local).key
                setattr(row, name, getattr(other, remote_mapper.get_property_by_column(remote).key))
