"""Partitions as an expression of Dask's, so that its optimiser can tell them what is wanted: columns, filters, a count.

==============================================  ====================================================================================
``frame.votes``, ``frame[["id", "votes"]]``     the other columns are not read
``frame[frame.votes > 3]``, also with ``&``     conditions on columns reach the database where it surely means the same as pandas;
and ``|``, ``isin``, ``notnull``                pandas applies them again as soon as a partition is read
``frame[frame.database == "shop"]``             the other databases are not even connected to
``len(frame)``, ``frame.index.size``            rows are counted, not read
``frame.partitions[3]``, ``frame.loc[…]``       the other partitions are not read; ``loc`` needs known divisions
==============================================  ====================================================================================

Imported only with Dask at hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from dask._task_spec import Task
from dask.dataframe import from_pandas
from dask.dataframe.dask_expr._collection import new_collection
from dask.dataframe.dask_expr._expr import (
    EQ,
    GE,
    GT,
    LE,
    LT,
    NE,
    And,
    Expr,
    Filter,
    Index,
    Isin,
    Lengths,
    NotNull,
    Or,
    PartitionsFiltered,
    Projection,
    _DelayedExpr,
    determine_column_projection,
)
from dask.dataframe.dask_expr._reductions import Len
from dask.dataframe.dask_expr.io import BlockwiseIO

from qapla.database.frames.conditions import FLIPPED, Both, Compare, Either, OneOf, Present
from qapla.database.frames.parts import read_partition

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from dask.dataframe import DataFrame

    from qapla.database.frames.conditions import Condition
    from qapla.database.frames.partitions import Partition

PLAIN = tuple("biufUO")  # kinds of arrays whose values are Python's own
_SIGNS = {EQ: "==", NE: "!=", LT: "<", LE: "<=", GT: ">", GE: ">="}


class ReadPartitions(PartitionsFiltered, BlockwiseIO):
    """A frame of partitions that nobody has read.

    ``columns`` and ``conditions`` are what is wanted of them; ``empty`` is a frame of no rows with every column, and the index.
    """

    _parameters = ["partitions_", "columns", "conditions", "empty", "limits", "options", "asked", "_partitions"]
    _defaults = {"columns": None, "conditions": (), "limits": None, "options": None, "asked": "", "_partitions": None}
    _absorb_projections = True

    @property
    def _funcname(self) -> str:
        return "read_partitions"

    @property
    def _name(self) -> str:
        return f"read-partitions-{self.deterministic_token}"

    @property
    def columns(self) -> list[str]:
        """Return the names of the columns that are wanted, in the order of the frame."""
        wanted = self.operand("columns")
        return list(self.operand("empty").columns) if wanted is None else list(wanted)

    @property
    def _meta(self) -> pd.DataFrame:
        return self.operand("empty")[self.columns]

    def _divisions(self) -> tuple[Any, ...]:
        return self.operand("limits") or (None,) * (len(self.operand("partitions_")) + 1)

    def _filtered_task(self, name: Any, index: int) -> Task:
        partition = self.operand("partitions_")[index]
        wanted = (tuple(self.columns), self.operand("conditions"), self.operand("empty"), self.operand("options"))
        return Task(name, read_partition, partition, *wanted, _data_producer=True)

    def _tree_repr_argument_construction(self, i: int, op: Any, header: str) -> str:
        """Show how many partitions there are in a printed expression, and what is wanted of them."""
        if self._parameters[i] == "partitions_":
            return f"{header} partitions={len(op)}"
        return f"{header} {self._parameters[i]}={op!r}" if self._parameters[i] in ("columns", "conditions") and op else header

    def _simplify_up(self, parent: Expr, dependents: Any) -> Any:
        if isinstance(parent, Index):
            return self._read_index(parent, dependents)
        if isinstance(parent, Len | Lengths) and self.columns and len(dependents[self._name]) == 1:
            return type(parent)(self.substitute_parameters({"columns": []}))
        if isinstance(parent, Filter) and self._filter_passthrough_available(parent, dependents):
            return self._take(parent)
        return super()._simplify_up(parent, dependents)

    _filter_passthrough = True

    def _read_index(self, parent: Index, dependents: Any) -> Any:
        wanted: Any = determine_column_projection(self, parent, dependents)
        columns = [name for name in self.columns if name in wanted]
        return type(parent)(self.substitute_parameters({"columns": columns})) if columns != self.columns else None

    def _filter_passthrough_available(self, parent: Filter, dependents: Any) -> bool:
        return bool(super()._filter_passthrough_available(parent, dependents)) and bool(self._split(parent.predicate)[0])

    def _take(self, parent: Filter) -> Any:
        """Take the conditions that can be told to a partition out of a filter, and leave the others."""
        taken, left = self._split(parent.predicate)
        reads = self.keep(taken)
        if not left:
            return reads
        predicate = left[0]
        for each in left[1:]:
            predicate = And(predicate, each)
        return Filter(reads, predicate.substitute(self, reads))

    def keep(self, conditions: Sequence[Condition]) -> ReadPartitions:
        """Return the same with conditions."""
        found: Any = self.substitute_parameters({"conditions": (*self.operand("conditions"), *conditions)})
        return found

    def _split(self, predicate: Any) -> tuple[list[Condition], list[Any]]:
        if isinstance(predicate, And):
            left, right = self._split(predicate.left), self._split(predicate.right)
            return left[0] + right[0], left[1] + right[1]
        found = self._read_condition(predicate)
        return ([found], []) if found is not None else ([], [predicate])

    def _read_condition(self, predicate: Any) -> Condition | None:
        if isinstance(predicate, And | Or):
            left, right = self._read_condition(predicate.left), self._read_condition(predicate.right)
            if left is None or right is None:
                return None
            return Both(left, right) if isinstance(predicate, And) else Either(left, right)
        if isinstance(predicate, NotNull):
            column = self._column_of(predicate.frame)
            return Present(column) if column is not None else None
        if isinstance(predicate, Isin):
            return self._read_list(predicate)
        sign = _SIGNS.get(type(predicate))
        return self._read_comparison(predicate, sign) if sign is not None else None

    def _read_comparison(self, predicate: Any, sign: str) -> Condition | None:
        for side, other, turned in ((predicate.left, predicate.right, sign), (predicate.right, predicate.left, FLIPPED.get(sign, sign))):
            column = self._column_of(side)
            if column is not None and _is_value(other):
                return Compare(column, turned, other)
        return None

    def _read_list(self, predicate: Isin) -> Condition | None:
        column, values = self._column_of(predicate.frame), predicate.operand("values")
        if isinstance(values, _DelayedExpr) and len(values.obj.dask) == 1:  # a list that Dask keeps as something delayed
            values = values.obj.compute(scheduler="synchronous")
            values = values.tolist() if getattr(getattr(values, "dtype", None), "kind", "") in PLAIN else values
        if column is None or not isinstance(values, list | tuple | set | frozenset) or not all(_is_value(value) for value in values):
            return None
        return OneOf(column, tuple(values))

    def _column_of(self, side: Any) -> str | None:
        """Return the column of this frame that *side* is, None where it is anything else."""
        if isinstance(side, Projection) and side.ndim == 1 and isinstance(side.frame, ReadPartitions) and self._has_rows_of(side.frame):
            return str(side.columns[0])
        return None

    def _has_rows_of(self, other: ReadPartitions) -> bool:
        """Tell whether *other* reads the same rows, whatever columns of them."""
        return all(self.operand(name) == other.operand(name) for name in ("asked", "conditions", "_partitions"))

    @property
    def index(self) -> PartitionIndex:
        """Return the index, which is what Dask counts rows by."""
        return PartitionIndex(self)


class PartitionIndex(Index):
    """The index of partitions, through which filters reach them."""

    def _simplify_up(self, parent: Expr, dependents: Any) -> Any:
        if isinstance(parent, Filter) and isinstance(self.frame, ReadPartitions):
            taken, left = self.frame._split(parent.predicate)
            if taken and not left:
                return type(self)(self.frame.keep(taken))
        return super()._simplify_up(parent, dependents)


def _is_value(side: Any) -> bool:
    return isinstance(side, str | bytes) or not (isinstance(side, Expr) or hasattr(side, "__len__"))


def make(partitions: tuple[Partition, ...], empty: pd.DataFrame, limits: tuple[Any, ...] | None, options: dict[str, Any]) -> DataFrame:
    """Return the frame of *partitions*; without any a frame of no rows.

    Each frame is another one, even of the same question: what a cluster has kept of an earlier one may be out of date.
    """
    if not partitions:
        return from_pandas(empty, npartitions=1)
    return new_collection(ReadPartitions(partitions, None, (), empty, limits, options, uuid4().hex))
