"""Computed relationships: a function that takes a row of a table and gives rows of another leads there, under its own name.

To one where it returns a single row, or a set that is declared ``ROWS 1``; else to many. Only catalogs that say what a function takes
have them.

Source: https://docs.postgrest.org/en/stable/references/api/resource_embedding.html#computed-relationships
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qapla.database.schema.description import Relation, TableName

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qapla.database.schema.description import Function, Table


def derive_computed(tables: Sequence[Table], functions: Iterable[Function]) -> tuple[Relation, ...]:
    """Return the relations that *functions* make between *tables*; of two with one name the one in the table's own schema."""
    sources = {written: table.name for table in tables for written in row_types(table)}
    known = {table.name for table in tables}
    found: dict[tuple[TableName, str], Relation] = {}
    for function in functions:
        source = sources.get(_row_type(function) or "")
        if source is None or function.returns_table is None or function.returns_table not in known:
            continue
        if (source, function.name) not in found or function.schema == source.schema:
            found[source, function.name] = Relation(
                name=function.name,
                kind="to_many" if function.returns_set and not function.returns_one else "to_one",
                source=source,
                target=function.returns_table,
                columns=(),
                target_columns=(),
                function=TableName(function.schema, function.name),
            )
    return tuple(found.values())


def row_types(table: Table) -> set[str]:
    """Return the ways in which a catalog may write the type of a table's rows."""
    own, schema = table.name.name, table.name.schema or ""
    quoted, quoted_schema = (f'"{each.replace(chr(34), chr(34) * 2)}"' for each in (own, schema))
    return {f"{first}.{second}" for first in (schema, quoted_schema) for second in (own, quoted)}


def _row_type(function: Function) -> str | None:
    """Return the type of the one thing that a function takes, where it is a composite."""
    inputs = function.inputs
    return inputs[0].cast if len(inputs) == 1 and inputs[0].mode == "in" and function.kind == "function" else None
