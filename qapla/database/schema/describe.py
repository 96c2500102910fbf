"""The public description of a database, as plain values for JSON: what ``/-/schema`` and ``/-/schema/{table}`` answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qapla.database.schema.description import Identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from qapla.database.schema.description import Column, ColumnType, DatabaseSchema, Finding, ForeignKey, Function, Key, Parameter, Table
    from qapla.ports import Operation, Rights

ON_COLUMNS: tuple[Operation, ...] = ("select", "insert", "update")


def describe_database(
    name: str,
    schema: DatabaseSchema,
    visible: Callable[[Table], bool] = lambda table: True,
    callable_: Callable[[Function], bool] = lambda function: True,
) -> dict[str, Any]:
    """Return the description of the database called *name*.

    Args:
        visible: which tables the caller may know of; of the others nothing is said, in the report neither.
        callable_: which functions the caller may call; of the others nothing is said.
    """
    tables = [table for table in schema.tables if visible(table)]
    closed = {str(table.name) for table in schema.tables} - {str(table.name) for table in tables}
    return {
        "database": name,
        "engine": schema.engine,
        "version": schema.version,
        "schemas": list(schema.schemas),
        "tables": [describe_table(table) for table in tables if not table.is_view],
        "views": [describe_table(table) for table in tables if table.is_view],
        "functions": [describe_function(function) for function in schema.functions if callable_(function)],
        "report": [describe_finding(finding) for finding in schema.report if finding.subject not in closed],
    }


def narrow(table: Table, rights: Rights) -> Table:
    """Return what somebody with *rights* may know of a table: columns that he may read or write, and what is made of those alone."""
    names = frozenset(
        column.name for column in table.columns if any(rights.allows(operation, *table.name, column.name) for operation in ON_COLUMNS)
    )
    rows = getattr(rights, "rows", None)
    table = table if rows is None or rows(*table.name) is None else replace(table, row_estimate=None)
    if len(names) == len(table.columns):
        return table
    key = table.primary_key
    return replace(
        table,
        columns=tuple(column for column in table.columns if column.name in names),
        primary_key=key if key is not None and names.issuperset(key.columns) else None,
        identity=table.identity if names.issuperset(table.identity.columns) else Identity("none"),
        unique=tuple(each for each in table.unique if names.issuperset(each.columns)),
        foreign_keys=tuple(each for each in table.foreign_keys if names.issuperset(each.columns)),
    )


def describe_table(table: Table) -> dict[str, Any]:
    """Return the description of one table or view."""
    return {
        "schema": table.name.schema,
        "name": table.name.name,
        "kind": table.kind,
        "comment": table.comment,
        "columns": [describe_column(column) for column in table.columns],
        "primary_key": describe_key(table.primary_key) if table.primary_key else None,
        "unique": [describe_key(key) for key in table.unique],
        "foreign_keys": [describe_foreign_key(key) for key in table.foreign_keys],
        "row_identity": {"by": table.identity.by, "columns": list(table.identity.columns)},
        "row_estimate": table.row_estimate,
        "insertable": table.insertable,
        "updatable": table.updatable,
        "deletable": table.deletable,
    }


def describe_column(column: Column) -> dict[str, Any]:
    """Return the description of one column; ``values`` is there for enums only."""
    found = {
        "name": column.name,
        "type": column.type.name,
        "kind": column.type.kind,
        "nullable": column.nullable,
        "default": column.default,
        "generated": column.generated,
        "comment": column.comment,
    }
    if column.type.values:
        found["values"] = list(column.type.values)
    return found


def describe_key(key: Key) -> dict[str, Any]:
    """Return the description of a primary key or unique set."""
    return {"name": key.name, "columns": list(key.columns)}


def describe_foreign_key(key: ForeignKey) -> dict[str, Any]:
    """Return the description of a foreign key."""
    return {
        "name": key.name,
        "columns": list(key.columns),
        "target": {"schema": key.target.schema, "table": key.target.name, "columns": list(key.target_columns)},
        "on_delete": key.on_delete,
        "on_update": key.on_update,
    }


def describe_function(function: Function) -> dict[str, Any]:
    """Return the description of a stored function or procedure."""
    return {
        "schema": function.schema,
        "name": function.name,
        "kind": function.kind,
        "parameters": [describe_parameter(parameter) for parameter in function.parameters],
        "returns": describe_type(function.returns),
        "returns_set": function.returns_set,
        "returns_table": function.returns_table.name if function.returns_table else None,
        "volatility": function.volatility,
        "comment": function.comment,
    }


def describe_parameter(parameter: Parameter) -> dict[str, Any]:
    """Return the description of a function's parameter."""
    return {"name": parameter.name, "type": parameter.type.name, "mode": parameter.mode, "has_default": parameter.has_default}


def describe_type(found: ColumnType | None) -> str | None:
    """Return the name of a type as the engine prints it."""
    return found.name if found else None


def describe_finding(finding: Finding) -> dict[str, Any]:
    """Return one line of the report."""
    return {
        "subject": finding.subject,
        "severity": finding.severity,
        "what": finding.what,
        "why": finding.why,
        "hint": finding.hint,
    }
