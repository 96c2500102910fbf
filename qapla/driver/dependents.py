"""What goes along, or stands in the way, when a row is deleted: the rows that point at it, by foreign key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from qapla.database.query.sql import Sql, join, name, sql, write
from qapla.database.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qapla.database.catalog import Served
    from qapla.database.dialects import Engine
    from qapla.database.local import Local
    from qapla.database.schema.description import DatabaseSchema, ForeignKey, Table
    from qapla.ports import Rights

Effect = Literal["deleted", "emptied", "blocking"]

COUNT_UP_TO = 1000  # what a page can say in numbers; counting on would take long in a large table
DEPTH = 3  # of cascades that are followed
_EFFECTS: dict[str, Effect] = {"CASCADE": "deleted", "SET NULL": "emptied", "SET DEFAULT": "emptied"}


@dataclass(frozen=True, slots=True)
class Dependent:
    """Rows of one table that point at the row, or at rows that go along with it.

    ``effect`` is what happens to them: ``deleted`` with it, ``emptied`` (their columns are set to NULL or the default), or they are
    ``blocking``: the row cannot be deleted while they are there. ``count`` stops at ``COUNT_UP_TO`` + 1; it is None when the caller may
    not read the table, or not all of its rows. ``depth`` 1 points at the row itself.
    """

    table: Table
    foreign_key: ForeignKey
    effect: Effect
    count: int | None
    depth: int = 1

    @property
    def is_many(self) -> bool:
        """Tell whether there are more than were counted."""
        return self.count is not None and self.count > COUNT_UP_TO


def find_dependents(
    served: Served, rights: Rights, table: Table, where: Sql, operands: list[object], engine: Engine, local: Local | None = None
) -> tuple[Dependent, ...]:
    """Return every foreign key by which rows depend on the row of *table* that *where* names, with their number; none that has no rows.

    Args:
        where: on the table under its own name.
    """
    found: list[Dependent] = []
    row = sql("SELECT 1 FROM {} WHERE {}", name(*table.name), where)
    for child, key, depth, condition in _walk(served.schema, table, row, table.name.name, 1):
        effect = _EFFECTS.get(key.on_delete.upper(), "blocking")
        rows = getattr(rights, "rows", None)
        if not rights.allows("select", *child.name) or (rows is not None and rows(*child.name) is not None):
            found.append(Dependent(child, key, effect, None, depth))
            continue
        limit = str(COUNT_UP_TO + 1)
        some = sql("SELECT 1 AS one FROM {} AS {} WHERE {} LIMIT {}", name(*child.name), name(_alias(depth)), condition, limit)
        text, order = write(sql("SELECT count(*) FROM ({}) AS c", some), engine)
        count = int(served.bulkhead.fetch(Statement(text, tuple(operands[index] for index in order)), local)[0][0])
        if count:
            found.append(Dependent(child, key, effect, count, depth))
    return tuple(found)


def _walk(schema: DatabaseSchema, table: Table, row: Sql, known_as: str, depth: int) -> Iterator[tuple[Table, ForeignKey, int, Sql]]:
    """Yield every foreign key that points at *table*, and on from where it cascades.

    Args:
        row: a SELECT of the rows of *table* that would go, under the name *known_as*, to which a condition can be added.
    """
    for child in schema.tables:
        for key in child.foreign_keys:
            if key.target != table.name:
                continue
            ties = [
                sql("{} = {}", name(_alias(depth), mine), name(known_as, theirs))
                for mine, theirs in zip(key.columns, key.target_columns, strict=True)
            ]
            condition = sql("EXISTS ({} AND {})", row, join(" AND ", ties))
            yield child, key, depth, condition
            if key.on_delete.upper() == "CASCADE" and depth < DEPTH:
                inner = sql("SELECT 1 FROM {} AS {} WHERE {}", name(*child.name), name(_alias(depth)), condition)
                yield from _walk(schema, child, inner, _alias(depth), depth + 1)


def _alias(depth: int) -> str:
    return f"d{depth}"
