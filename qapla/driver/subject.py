"""What a driver is about: a mapped class or a Core table, seen by the names that both have in common.

Attributes of a model and columns of a table are asked for by name here, and nowhere else; what is not there is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Enum, String, Table, UniqueConstraint, and_, inspect, true
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.hybrid import HybridExtensionType
from sqlalchemy.orm import Mapper

from qapla.errors import ConfigurationError, NotOffered, QueryError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable


class Subject:
    """A Core table; what ``ModelSubject`` has in common with it.

    Attributes:
        selectable: what a SELECT is made of.
        noun: what the parts of it are called in messages.
    """

    noun = "column"

    def __init__(self, selectable: Any, table: Table, name: str) -> None:
        self.selectable = selectable
        self.table = table
        self.name = name

    @cached_property
    def columns(self) -> Mapping[str, Column[Any]]:
        """Return the columns by the name that a program calls them."""
        return dict(self.table.c.items())

    @property
    def readable(self) -> Iterable[str]:
        """Return the names that a condition may use."""
        return self.columns

    @property
    def writable(self) -> Iterable[str]:
        """Return the names that a change may use."""
        return self.columns

    @cached_property
    def key_names(self) -> tuple[str, ...]:
        """Return the names of the primary key, in its order; empty where there is none."""
        return tuple(column.key for column in self.table.primary_key)

    @cached_property
    def unique_sets(self) -> tuple[tuple[str, ...], ...]:
        """Return the sets of names whose values are there only once, the primary key first."""
        names = {column: name for name, column in self.columns.items()}
        sets: list[Iterable[Any]] = [self.table.primary_key.columns]
        sets += [made.columns for made in _in_order(getattr(self.table, "constraints", ())) if isinstance(made, UniqueConstraint)]
        # A partial index says where it holds; what is unique only there does not count.
        sets += [index.columns for index in _in_order(getattr(self.table, "indexes", ())) if index.unique and not _is_partial(index)]
        found = [tuple(names[column] for column in columns) for columns in sets if columns and all(column in names for column in columns)]
        return tuple(dict.fromkeys(found))

    def attribute(self, name: str) -> Any:
        """Return the expression for *name*.

        Raises:
            QueryError: there is none; the nearest name is the hint.
        """
        self.check([name], self.readable)
        return self._expression(name)

    def column(self, name: str) -> Column[Any]:
        """Return the column called *name*.

        Raises:
            QueryError: there is none; the nearest name is the hint.
        """
        self.check([name], self.columns)
        return self.columns[name]

    def check(self, names: Iterable[str], known: Iterable[str]) -> None:
        """Refuse a name that is not *known*.

        Raises:
            QueryError: the nearest name is the hint.
        """
        known = list(known)
        for name in names:
            if name not in known:
                raise QueryError(f"{self.name} has no {self.noun} {str(name)[:100]!r}", code="42703", hint=nearest(str(name), known))

    def check_conditions(self, conditions: Sequence[Any]) -> None:
        """Refuse a condition that is none.

        Raises:
            QueryError: it is text, for instance.
        """
        if not conditions:
            return
        try:
            and_(true(), *conditions)
        except ArgumentError as error:
            hint = f"an expression: {self.name}.{next(iter(self.columns))} == …"
            raise QueryError(f"a condition on {self.name} is none", hint=hint) from error

    def key_of(self, key: Any) -> tuple[Any, ...]:
        """Return *key*, a single value, a tuple or a mapping, as a tuple in the order of the primary key; numbers of texts as texts.

        Raises:
            QueryError: it has other parts than the primary key, or there is no primary key.
        """
        if not self.key_names:
            raise QueryError(f"{self.name} has no primary key", hint="mark the columns that identify a row with primary_key=True")
        if isinstance(key, Mapping):
            self._check_key(set(key) == set(self.key_names), f"({', '.join(map(str, key))})")
            values = tuple(key[name] for name in self.key_names)
        else:
            values = tuple(key) if isinstance(key, tuple | list) else (key,)
            self._check_key(len(values) == len(self.key_names), f"{len(values)} value{'s' * (len(values) != 1)}")
        named = zip(self.key_names, values, strict=True)
        return tuple(self._as_text(name, value) if type(value) is int else value for name, value in named)

    def _as_text(self, name: str, value: int) -> Any:
        """Return a number as a text where the column has texts: engines differ in whether they compare the two."""
        kind = self.columns[name].type
        return str(value) if isinstance(kind, String) and not isinstance(kind, Enum) else value

    def key_of_row(self, row: Any) -> tuple[Any, ...]:
        """Return the key of a row that was read.

        Raises:
            QueryError: it is no row of this subject.
        """
        self.check_row(row)
        return self.key_of({name: self.value(row, name) for name in self.key_names})

    def check_row(self, row: Any) -> None:
        """Refuse what is no row of this subject.

        Raises:
            QueryError: it is none.
        """
        if not isinstance(row, Mapping) or not set(self.key_names) <= set(row):
            raise QueryError(f"{type(row).__name__!r} is no row of {self.name}", hint=f"a mapping with {', '.join(self.key_names)}")

    def is_row(self, value: Any) -> bool:
        """Tell whether *value* is a row and not a key."""
        return isinstance(value, Mapping)

    def value(self, row: Any, name: str) -> Any:
        """Return one value of a row."""
        return row[name]

    def unique_set(self, names: Sequence[str] | str | None) -> tuple[str, ...]:
        """Return the unique set that *names* are, in its own order; the primary key for None.

        Raises:
            QueryError: they are not unique.
        """
        if names is None:
            wanted = self.key_names
        else:
            wanted = (names,) if isinstance(names, str) else tuple(names)
        self.check(wanted, self.columns)
        for unique in self.unique_sets:
            if set(unique) == set(wanted):
                return unique
        hint = "one of " + " or ".join(f"({', '.join(unique)})" for unique in self.unique_sets) if self.unique_sets else None
        raise QueryError(f"{self.name} is not unique by ({', '.join(wanted)})", hint=hint)

    def _expression(self, name: str) -> Any:
        return self.table.c[name]

    def _check_key(self, fits: bool, given: str) -> None:
        if not fits:
            raise QueryError(f"the key of {self.name} is ({', '.join(self.key_names)}) and not {given[:100]}")


class ModelSubject(Subject):
    """A mapped class."""

    noun = "attribute"

    def __init__(self, model: type[Any], mapper: Mapper[Any]) -> None:
        super().__init__(model, mapper.local_table, model.__name__)  # type: ignore[arg-type]
        self.model = model
        self.mapper = mapper

    @cached_property
    def columns(self) -> Mapping[str, Column[Any]]:
        """Return the columns by the name of their attribute."""
        found = {attribute.key: attribute.columns[0] for attribute in self.mapper.column_attrs}
        return {name: column for name, column in found.items() if isinstance(column, Column)}

    @cached_property
    def readable(self) -> tuple[str, ...]:
        """Return the names that a condition may use."""
        descriptors = self.mapper.all_orm_descriptors.items()
        return tuple(name for name, found in descriptors if found.extension_type is not HybridExtensionType.HYBRID_METHOD)

    @cached_property
    def writable(self) -> tuple[str, ...]:
        """Return the names that a change may use."""
        computed = {attribute.key for attribute in self.mapper.column_attrs} - set(self.columns)
        hybrids = [
            name
            for name, found in self.mapper.all_orm_descriptors.items()
            if found.extension_type is HybridExtensionType.HYBRID_PROPERTY and found.fset is not None  # type: ignore[attr-defined]
        ]
        names = [attribute.key for attribute in self.mapper.attrs]
        return (*(name for name in names if name not in computed), *hybrids)

    @cached_property
    def key_names(self) -> tuple[str, ...]:
        """Return the attributes of the primary key, in its order."""
        return tuple(self.mapper.get_property_by_column(column).key for column in self.mapper.primary_key)

    def check_row(self, row: Any) -> None:
        """Refuse what is no object of the model."""
        if not isinstance(row, self.model):
            raise QueryError(f"{type(row).__name__!r} is no {self.name}", hint=f"an object of {self.name}")

    def is_row(self, value: Any) -> bool:
        """Tell whether *value* is an object and not a key."""
        return isinstance(value, self.model)

    def value(self, row: Any, name: str) -> Any:
        """Return one attribute of an object."""
        return getattr(row, name)

    def require_single_table(self, what: str) -> None:
        """Refuse what one statement can do only where a model is one table.

        Raises:
            NotOffered: the model inherits from another table.
        """
        if len(self.mapper.tables) > 1:
            raise NotOffered(f"{self.name} lives in {len(self.mapper.tables)} tables: {what} is not offered", hint="change its objects")

    def _expression(self, name: str) -> Any:
        return getattr(self.model, name)


def make_subject(model: Any, owner: str) -> Subject:
    """Return what the driver called *owner* is about.

    Raises:
        ConfigurationError: *model* is missing, or neither a mapped class nor a table.
    """
    if model is None:
        raise ConfigurationError(f"driver {owner!r} has no model", hint="set the class attribute 'model' to a mapped class or a Table")
    if isinstance(model, Table):
        return Subject(model, model, model.name)
    if is_mapped(model):
        return ModelSubject(model, inspect(model))
    shown = getattr(model, "__name__", type(model).__name__)
    raise ConfigurationError(f"driver {owner!r} has the model {shown!r}, which is not mapped", hint="a mapped class or a Table")


def is_mapped(model: Any) -> bool:
    """Tell whether *model* is a mapped class."""
    return isinstance(model, type) and isinstance(inspect(model, raiseerr=False), Mapper)


def _in_order(things: Iterable[Any]) -> list[Any]:
    """Return constraints or indexes, which SQLAlchemy keeps in sets, always in the same order."""
    return sorted(things, key=lambda thing: (str(thing.name), [column.name for column in thing.columns]))


def _is_partial(index: Any) -> bool:
    return any(key.endswith("_where") and value is not None for key, value in index.dialect_kwargs.items()) or any(
        not isinstance(expression, Column) for expression in index.expressions
    )
