"""Computed fields: a function that takes a row of a table and gives a value is read like a column of it, by its name.

They are chosen, filtered and sorted by, and never among ``*``. Only catalogs that say what a function takes have them.

Source: https://docs.postgrest.org/en/stable/references/api/computed_fields.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qapla.database.query.sql import name, sql
from qapla.database.schema.computed import row_types
from qapla.database.schema.description import Column, TableName

if TYPE_CHECKING:
    from qapla.database.query.sql import Sql
    from qapla.database.schema.description import DatabaseSchema, Function, Table


def find_computed(schema: DatabaseSchema, table: Table, field: str) -> Function | None:
    """Return the function called *field* that takes a row of *table* and nothing else."""
    written = row_types(table)
    for function in schema.functions:
        if function.name == field and function.kind == "function" and not function.returns_set and function.returns is not None:
            parameters = function.parameters
            if len(parameters) == 1 and parameters[0].mode == "in" and parameters[0].cast in written:
                return function
    return None


def find_column(schema: DatabaseSchema, table: Table, field: str) -> Column | None:
    """Return the column of *table* called *field*, or the computed field as if it were one."""
    found = table.by_name.get(field)
    if found is not None:
        return found
    function = find_computed(schema, table, field)
    return Column(field, function.returns, comment=function.comment) if function is not None and function.returns is not None else None


def get_column(schema: DatabaseSchema, table: Table, field: str) -> Column:
    """Return a column or a computed field that is there for sure: the query is resolved.

    Raises:
        KeyError: it is not.
    """
    found = find_column(schema, table, field)
    if found is None:
        raise KeyError(field)
    return found


def read_field(schema: DatabaseSchema, table: Table, alias: str, field: str) -> Sql:
    """Return the SQL of a column or of a computed field of the row called *alias*."""
    function = find_computed(schema, table, field) if field not in table.by_name else None
    if function is None:
        return name(alias, field)
    return call_with_row(TableName(function.schema, function.name), table.name, alias)


def call_with_row(function: TableName, table: TableName, alias: str) -> Sql:
    """Return the call of a function with the row of *table* that is called *alias*."""
    # A row of a derived table has no type of its own: it gets the table's.
    return sql("{}(CAST(ROW({}.*) AS {}))", name(*function), name(alias), name(*table))
