"""Reads that are looked up, allowed and compiled, kept for whoever asks the same again: all that is left is to run them.

A plan belongs to one ``Served``, whose schema and options never change, and to one set of rights. It is found by what a caller typed, so
that a question that comes a second time is not even parsed; the plan of a row is that of every row of its table.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qapla.database.query.lookups import get_operator
from qapla.database.query.operands import read_operand
from qapla.database.query.shape import All, Ref, Test
from qapla.ports import FixedRights

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from qapla.database.catalog import Served
    from qapla.database.query.compile import Template
    from qapla.database.query.description import Query
    from qapla.database.query.printing import Body
    from qapla.database.query.shape import Resolved
    from qapla.database.schema.description import Column, Table
    from qapla.database.statement import Statement
    from qapla.ports import Rights

MOST = 500  # kept per database
LONGEST = 5000  # characters of a key that is kept
KEYLESS_KINDS = frozenset({"json", "array", "composite", "unknown"})  # read in other ways than an operand of ``eq``
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Plan:
    """A read that is ready to run; ``change`` makes the wished form of each body, where the database does not."""

    query: Query
    resolved: Resolved
    template: Template
    statement: Statement
    change: Callable[[Body], bytes] | None = None
    operands: tuple[object, ...] | None = None  # instead of those in ``resolved``, which costs more to copy than a row to read

    @property
    def full(self) -> Resolved:
        """Return what was resolved, with the operands of this plan."""
        return self.resolved if self.operands is None else replace(self.resolved, operands=self.operands)


@dataclass(frozen=True, slots=True)
class RowPlan:
    """The plan of one row, and where in its operands the values of the key are."""

    plan: Plan
    places: tuple[tuple[int, Column], ...]
    engine: str

    def bind(self, values: Sequence[str]) -> Plan:
        """Return the plan of the row whose key has these *values*, as text.

        Raises:
            ValueRefused: one of them cannot be read as its column's type.
        """
        operands = list(self.plan.resolved.operands)
        equal = get_operator("eq")
        for (slot, column), value in zip(self.places, values, strict=True):
            operands[slot] = read_operand(equal, value, column, self.engine, is_plain=True)
        plan, bound = self.plan, tuple(operands)
        return Plan(plan.query, plan.resolved, plan.template, plan.template.bind(bound), plan.change, bound)


def find(served: Served, rights: Rights, key: Hashable) -> Any:
    """Return what was kept under *key* for a caller with *rights*, or None."""
    return served.plans.get((key, rights)) if type(rights) is FixedRights else None


def keep(served: Served, rights: Rights, key: Hashable, value: Any) -> None:
    """Keep a plan, or what a caller puts around it, unless it was a long question.

    Rights that are no plain value may change their mind; nothing is kept for them.
    """
    if type(rights) is FixedRights and len(repr(key)) <= LONGEST:
        with _lock:
            while len(served.plans) >= MOST:
                del served.plans[next(iter(served.plans))]
            served.plans[key, rights] = value


def find_places(resolved: Resolved, table: Table) -> tuple[tuple[int, Column], ...] | None:
    """Return where the operands of the row's key are in *resolved*; None where its conditions are more than that, or other ones."""
    where = resolved.shape.where
    tests = where.parts if isinstance(where, All) else (where,)
    columns = table.identity.columns
    if len(tests) != len(columns):
        return None
    found: list[tuple[int, Column]] = []
    for test, name in zip(tests, columns, strict=True):
        column = table.by_name[name]
        if not isinstance(test, Test) or test != Test(Ref(name), "eq", test.slots[:1]) or column.type.kind in KEYLESS_KINDS:
            return None
        found.append((test.slots[0], column))
    return tuple(found)
