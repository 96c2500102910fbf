"""``MERGE``: an upsert as one statement where the engine has that, and no ``ON CONFLICT``. Oracle.

The given rows are a table of their own; each is matched by the columns of the conflict, and those alone: what clashes with another key is
an error, as it should be.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from qapla.database.dialects import get_engine
from qapla.database.query.description import MISSING
from qapla.database.query.sql import Slot, join, name, sql, write
from qapla.database.query.write import cut_rows
from qapla.database.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qapla.database.query.sql import Sql
    from qapla.database.query.write import ResolvedInsert

GIVEN = "given"  # the rows of the caller


def merge_statements(insert: ResolvedInsert, engine: str) -> Iterator[tuple[Statement, int]]:
    """Yield the statements that write all rows of an upsert in their order, each with its number of rows.

    Every row has values for the columns of the conflict; rows that have the same columns go together.
    """
    for present, group in groupby(insert.rows, key=lambda row: tuple(value is not MISSING for value in row)):
        columns = [column.name for column, is_there in zip(insert.columns, present, strict=True) if is_there]
        rows = [tuple(value for value in row if value is not MISSING) for row in group]
        for chunk in cut_rows(rows, len(columns)):
            text, _ = write(_merge(insert, columns, len(chunk)), get_engine(engine))
            yield Statement(text, tuple(value for row in chunk for value in row)), len(chunk)


def _merge(insert: ResolvedInsert, columns: Sequence[str], count: int) -> Sql:
    table = insert.table.name.name
    row = join(", ", [sql("{} AS {}", Slot(0), name(column)) for column in columns])
    given = join(" UNION ALL ", [sql("SELECT {} FROM DUAL", row)] * count)
    same = join(" AND ", [sql("{} = {}", name(table, column), name(GIVEN, column)) for column in insert.conflict_columns])
    listed = join(", ", [name(column) for column in columns])
    values = join(", ", [name(GIVEN, column) for column in columns])
    piece = sql("MERGE INTO {} USING ({}) {} ON ({})", name(*insert.table.name), given, name(GIVEN), same)
    changed = [column for column in columns if column not in insert.conflict_columns]
    if insert.conflict is not None and insert.conflict.action == "merge" and changed:
        settings = join(", ", [sql("{} = {}", name(table, column), name(GIVEN, column)) for column in changed])
        piece = sql("{} WHEN MATCHED THEN UPDATE SET {}", piece, settings)
    return sql("{} WHEN NOT MATCHED THEN INSERT ({}) VALUES ({})", piece, listed, values)
