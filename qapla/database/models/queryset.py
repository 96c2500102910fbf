"""``Model.select()``: a question about the rows of a model, asked of all databases that are open.

A queryset asks nothing until somebody wants an answer, and asks anew each time. Every method that narrows it returns another one. The
answers of several databases are one answer: counts are added up, averages weighted, an order goes over all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, TypeVar

import sqlalchemy as sa

from qapla.database.models import aggregates, changes
from qapla.database.models.asking import Asking, asked_now
from qapla.database.models.binding import require_bound
from qapla.database.models.building import build, read_keyed
from qapla.database.models.conditions import read_conditions
from qapla.database.models.merging import merge_lists
from qapla.database.models.model import find_using
from qapla.database.models.ordering import directions, read_terms
from qapla.database.models.paths import get_mapper
from qapla.database.models.selection import Selected, all_columns, read_columns
from qapla.database.models.streaming import stream
from qapla.database.models.windows import ALL, Window, read_subscript
from qapla.errors import NotOffered, QueryError, RowNotFound, SeveralRows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Select
    from sqlalchemy.orm import Mapper

    from qapla.database.models.bound import Bound
    from qapla.database.models.conditions import Condition
    from qapla.database.models.merging import Keyed
    from qapla.database.models.ordering import Term

Row = TypeVar("Row")
Answer = TypeVar("Answer")
Form = Literal["rows", "dicts", "tuples"]

BATCH = 1000  # rows


@dataclass(frozen=True, eq=False, repr=False)
class QuerySet(Generic[Row]):
    """Rows of one model; see the module. Made by ``Model.select()``, or ``select(AnyMappedClass)``."""

    model: Any
    selected: tuple[Selected, ...] = ()
    conditions: tuple[Condition, ...] = ()
    terms: tuple[Term, ...] = ()
    window: Window = ALL
    databases: Window = ALL
    chosen: tuple[Any, ...] = ()
    form: Form = "rows"
    is_distinct: bool = False
    loading: tuple[Any, ...] = ()
    asking: Asking = field(default_factory=Asking)

    # -- what is asked --------------------------------------------------------------------

    def where(self, *expressions: Any, **named: Any) -> QuerySet[Row]:
        """Keep the rows that meet all conditions: ``where(Choice.votes > 3, choice_text__like="r%", question__pub_date__lt=day)``.

        Raises:
            QueryError: an unknown field or operator; the queryset is sliced already.
            ValueRefused: a value of another type than its field.
        """
        self._refuse_sliced("where")
        return self._but(conditions=(*self.conditions, *read_conditions(self.mapper, expressions, named)))

    def like(self, **patterns: str) -> QuerySet[Row]:
        """Keep the rows whose fields match: ``like(choice_text="r%")``; ``%`` or ``*`` stands for anything, ``_`` for one character."""
        return self.where(**{f"{name}__like": pattern for name, pattern in patterns.items()})

    def orderby(self, *fields: Any) -> QuerySet[Row]:
        """Put the rows in order: ``orderby("-votes", "question__pub_date")``; without fields in no order. It replaces a former order."""
        self._refuse_sliced("orderby")
        return self._but(terms=read_terms(self.mapper, fields))

    order_by = orderby

    def distinct(self) -> QuerySet[Row]:
        """Keep one of several equal rows, over all databases; for selected columns."""
        self._refuse_sliced("distinct")
        odd = [each.name for each in self.selected if isinstance(each.type, sa.JSON)]
        if odd:
            raise NotOffered(f"rows with {odd[0]!r} cannot be compared: it is JSON", hint="select other columns")
        return self._but(is_distinct=True)

    def values(self, *columns: Any) -> QuerySet[dict[str, Any]]:
        """Give rows as dictionaries, of *columns* or of those that are selected."""
        return self._as("dicts", columns)

    def tuples(self, *columns: Any) -> QuerySet[tuple[Any, ...]]:
        """Give rows as plain tuples, of *columns* or of those that are selected."""
        return self._as("tuples", columns)

    def using(self, *databases: Any) -> QuerySet[Row]:
        """Ask these of the open databases only, in this order: themselves or their names."""
        return self._but(chosen=databases)

    def on_error(self, action: Literal["raise", "report"]) -> QuerySet[Row]:
        """Say what happens when one of several databases fails.

        ``"raise"``: a ``DatabasesFailed``, which has the answers of the others. ``"report"``: the others' rows are the answer, and
        ``errors`` says who is missing. When all fail it is an error in any case.
        """
        if action not in ("raise", "report"):
            raise QueryError(f"on_error {action!r} is not known", hint="'raise' or 'report'")
        return self._but(asking=replace(self.asking, on_error=action))

    def timeout(self, seconds: float | None) -> QuerySet[Row]:
        """Give each database so many seconds, on top of the limits of its connection; None takes that away."""
        if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0):
            raise QueryError(f"a timeout is a number of seconds, and {seconds!r} is none")
        return self._but(asking=replace(self.asking, timeout_s=seconds))

    def options(self, *options: Any) -> QuerySet[Row]:
        """Load related rows in a way of SQLAlchemy's: ``options(selectinload(Question.choices))``."""
        return self._but(loading=(*self.loading, *options))

    def __getitem__(self, key: Any) -> Any:
        """Take ``[a:b]`` rows of each database, ``[a:b, c:d]`` rows and databases; ``[n]`` is one row of the whole.

        Raises:
            QueryError: counting from the end, steps, or something that is no slice. RowNotFound: ``[n]`` is behind the last row.
        """
        rows, databases = read_subscript(key)
        chosen = Window(databases, databases + 1) if isinstance(databases, int) else databases
        found = self._but(databases=self.databases.within(chosen))
        if isinstance(rows, Window):
            return found._but(window=self.window.within(rows))
        answer = found._first(rows + 1)
        self.asking.errors = found.asking.errors
        if len(answer) <= rows:
            raise RowNotFound(f"there is no row {rows}: {self._name!r} has {len(answer)} here")
        return answer[rows]

    # -- answers --------------------------------------------------------------------------

    def all(self) -> list[Row]:
        """Return all rows."""
        answers = [rows for _, rows in self.ask(self._load)]
        if self._merges:
            rows: Sequence[Any] = merge_lists(answers, directions(self.terms))
        else:
            rows = answers[0] if len(answers) == 1 else [row for answer in answers for row in answer]
        if len(answers) > 1 and self._is_compared:
            rows = list(dict.fromkeys(rows))
        return [*map(_FORMS[self.form], rows)] if self.form != "rows" else list(rows)

    def first(self) -> Row | None:
        """Return the first row of all, or None; without an order that of the smallest key in the first database that has one."""
        found = self._first(1)
        return found[0] if found else None

    def one(self) -> Row:
        """Return the only row.

        Raises:
            RowNotFound: there is none. SeveralRows: there are more.
        """
        found = self.one_or_none()
        if found is None:
            raise RowNotFound(f"there is no such {self._name}")
        return found

    def one_or_none(self) -> Row | None:
        """Return the only row, or None.

        Raises:
            SeveralRows: there are more.
        """
        found = self._first(2)
        if len(found) > 1:
            raise SeveralRows(f"there are several such {self._name}", hint="where() more, or first()")
        return found[0] if found else None

    def count(self) -> int:
        """Return how many rows there are in all databases."""
        return aggregates.count(self)

    def exists(self) -> bool:
        """Tell whether there is any row in any of the databases."""
        return aggregates.exists(self)

    def min(self, column: Any) -> Any:
        """Return the smallest value of a column, None where there is none. Texts of several databases are compared by code points."""
        return aggregates.extreme(self, column, descending=False)

    def max(self, column: Any) -> Any:
        """Return the largest value of a column, None where there is none."""
        return aggregates.extreme(self, column, descending=True)

    def sum(self, column: Any) -> Any:
        """Return the sum of a column of numbers, exact for whole and decimal ones; None where there is nothing to add up."""
        return aggregates.add_up(self, column)

    def avg(self, column: Any) -> Any:
        """Return the average of a column over the rows of all databases: a Decimal of decimal numbers, else a float; None of nothing."""
        return aggregates.average(self, column)

    def by_database(self) -> dict[str, list[Row]]:
        """Return the rows of each database, by its name."""
        read = _FORMS[self.form]
        merges = self._merges
        found = self.ask(self._load)
        return {bound.name: [read(row[1] if merges else row) for row in rows] for bound, rows in found}

    def __iter__(self) -> Iterator[Row]:
        return self.iterate()

    def iterate(self, size: int = BATCH) -> Iterator[Row]:
        """Yield rows, reading *size* of each database at a time: however many there are, no more are in memory.

        Without an order one database comes after the other, in the order in which they were opened.
        """
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise QueryError(f"a batch has a whole number of rows, and {size!r} is none")
        read = _FORMS[self.form]
        return (read(row) for row in stream(self, size))

    # -- changes --------------------------------------------------------------------------

    def update(self, values: dict[str, Any] | None = None, /, *, all_rows: bool = False, **named: Any) -> int:
        """Change the rows in one statement per database, and return how many there are.

        Args:
            values: by field; for names that are no Python names. An expression is computed in the database: ``votes=Choice.votes + 1``.
            all_rows: has to be said where there is no ``where``.

        Raises:
            QueryError: it is sliced, or means all rows and does not say so.
        """
        return changes.update(self, {**(values or {}), **named}, all_rows=all_rows)

    def delete(self, *, all_rows: bool = False) -> int:
        """Delete the rows in one statement per database, and return how many there were; *all_rows* as for ``update``."""
        return changes.delete(self, all_rows=all_rows)

    # -- frames ---------------------------------------------------------------------------

    def as_df(self, **options: Any) -> Any:
        """Return a pandas data frame; see ``qapla.database.frames.pandas``."""
        return _frames("pandas").read_frame(self, **options)

    def as_arrow(self, **options: Any) -> Any:
        """Return a table of Arrow; see ``qapla.database.frames.arrow``."""
        return _frames("arrow").read_table(self, **options)

    def as_polars(self, **options: Any) -> Any:
        """Return a data frame of Polars; see ``qapla.database.frames.polars``."""
        return _frames("polars").read_frame(self, **options)

    def as_distributed_df(self, **options: Any) -> Any:
        """Return a data frame of Dask, of which nothing is read yet; see ``qapla.database.frames.dask``."""
        return _frames("dask").read_frame(self, **options)

    # -- for those who read by themselves -------------------------------------------------

    @property
    def mapper(self) -> Mapper[Any]:
        """Return SQLAlchemy's mapper of the model."""
        return get_mapper(self.model)

    @property
    def columns(self) -> tuple[Selected, ...]:
        """Return the columns of the answer, in order."""
        return self.selected or all_columns(self.mapper)

    @property
    def key_columns(self) -> tuple[Any, ...]:
        """Return the columns of the primary key, as attributes of the model."""
        return tuple(self.mapper.get_property_by_column(column).class_attribute for column in self.mapper.primary_key)

    @property
    def errors(self) -> dict[str, Exception]:
        """Return what databases failed with when this queryset was asked last, by their names."""
        return dict(self.asking.errors)

    @property
    def order_is_global(self) -> bool:
        """Tell whether the rows of several databases have to be merged by an order."""
        return self._merges

    def bounds(self) -> tuple[Bound, ...]:
        """Return the databases that are asked.

        Raises:
            NotBound: none is open, or not one that ``using`` names.
        """
        asked = asked_now()
        if asked is not None:  # in the thread that asks one of them, where nothing is bound
            return asked
        found = tuple(dict.fromkeys(map(find_using, self.chosen))) if self.chosen else require_bound()
        return found[self.databases.start : self.databases.stop]

    def ask(self, read: Callable[[Bound], Answer]) -> list[tuple[Bound, Answer]]:
        """Return what *read* gives for each database, asked side by side. ``[]`` for a slice of nothing, which asks nobody.

        Raises:
            QaplaError: the only database failed. DatabasesFailed: one of several did; not with ``on_error("report")``.
        """
        return [] if self.is_nothing else self.asking.ask(self.bounds(), read, self.mapper)

    def statement(self, bound: Bound, *, with_order: bool = False) -> Select[Any]:
        """Return the SELECT for one database: its columns under their names, without mapped objects.

        Args:
            with_order: adds the columns ``qapla_order_0``, … by which rows of several databases are merged.
        """
        return self.build(bound, columns=self.columns, with_order=with_order)

    def build(
        self,
        bound: Bound,
        *,
        columns: tuple[Selected, ...] | None = None,
        merges: bool | None = None,
        with_order: bool | None = None,
        only_keys: bool = False,
        among: Any = None,
    ) -> Select[Any]:
        """Return the SELECT for one database, with its part of the window.

        Args:
            columns: what to select instead of what is selected; none of them is the mapped row.
            merges: whether its rows are merged with those of others; by default as many as are asked now say.
            with_order: adds the columns that rows are merged by; by default where they are merged.
            only_keys: selects the primary key.
            among: a condition in place of the window.
        """
        merges = self._merges if merges is None else merges
        selected = self.selected if columns is None else columns
        return build(self, bound, selected, merges=merges, with_order=with_order, only_keys=only_keys, among=among)

    def read_rows(self, rows: Sequence[Any]) -> list[Keyed]:
        """Return rows of ``build`` that are to be merged, each with what it is sorted by."""
        return read_keyed(rows, self.selected, len(self.terms))

    # -- how ------------------------------------------------------------------------------

    def __repr__(self) -> str:
        parts = [f"{self._name}.select({', '.join(repr(each.name) for each in self.selected)})"]
        parts += [f"where({len(self.conditions)})"] * bool(self.conditions) + [f"orderby({len(self.terms)})"] * bool(self.terms)
        window = "" if self.window.is_all else f"[{self.window.start}:{'' if self.window.stop is None else self.window.stop}]"
        return f"<{'.'.join(parts)}{window}>"

    def __len__(self) -> NoReturn:
        raise TypeError("a queryset has no length before it is asked: use .count(), or len() of .all()")

    def __bool__(self) -> NoReturn:
        raise TypeError("a queryset is neither true nor false before it is asked: use .exists()")

    def key_statement(self, bound: Bound) -> Select[Any]:
        """Return the SELECT of one column, for ``field__in=queryset``: the selected one, or the primary key.

        Raises:
            QueryError: several are selected.
        """
        if len(self.selected) > 1 or (not self.selected and len(self.key_columns) > 1):
            raise QueryError("a queryset to be compared with has one column", hint="select('id')")
        return self.build(bound, with_order=False) if self.selected else self.build(bound, only_keys=True)

    @property
    def _name(self) -> str:
        return str(self.model.__name__)

    @property
    def is_nothing(self) -> bool:
        """Tell whether it is a slice of nothing, for which nobody is asked."""
        return self.window.is_empty or self.databases.is_empty

    @property
    def _merges(self) -> bool:
        return bool(self.terms) and not self.is_nothing and len(self.bounds()) > 1

    @property
    def _is_compared(self) -> bool:
        return self.is_distinct and bool(self.selected)

    def _but(self, **changes: Any) -> Any:
        return replace(self, **{"asking": self.asking.again(), **changes})

    def _as(self, form: Form, columns: Sequence[Any]) -> Any:
        return self._but(form=form, selected=read_columns(self.mapper, columns) or self.columns)

    def _refuse_sliced(self, method: str) -> None:
        if not self.window.is_all:
            hint = f"write .{method}(…) before the slice"
            raise QueryError(f"a slice of {self._name!r} cannot be changed by {method!r}: its rows are chosen already", hint=hint)

    def _first(self, count: int) -> list[Row]:
        """Return so many rows of each database, merged."""
        found = self._but(window=self.window.within(Window(0, count)))
        try:
            rows: list[Row] = found.all()
        finally:
            self.asking.errors = found.asking.errors
        return rows

    def _load(self, bound: Bound) -> Sequence[Any]:
        """Return the rows of one database; where they are merged, each with what it is sorted by."""
        merges = self._merges
        result = bound.session.execute(self.build(bound, merges=merges))
        if self.loading:
            result = result.unique()
        if merges:
            return self.read_rows(result.all())
        return result.all() if self.selected else result.scalars().all()


def select(model: Any, *columns: Any) -> QuerySet[Any]:
    """Return the queryset of any mapped class, whoever declared it: ``select(Choice).where(votes__gt=3)``.

    Raises:
        ModelError: *model* has no table. QueryError: it has no such column.
    """
    return QuerySet(model, read_columns(get_mapper(model), columns))


def _frames(name: str) -> Any:
    """Return a module of the layer above, which nothing here imports by itself."""
    return import_module(f"qapla.database.frames.{name}")


_FORMS: dict[str, Callable[[Any], Any]] = {"rows": lambda row: row, "dicts": lambda row: row._asdict(), "tuples": tuple}
