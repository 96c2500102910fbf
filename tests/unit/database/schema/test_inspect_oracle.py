"""Oracle's dictionary is read by recorded rows: what each statement would answer, and what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.exc import DatabaseError as DriverError

from qapla.database.schema import inspect_oracle as oracle
from qapla.database.schema.description import ColumnType, DatabaseSchema, ForeignKey, Key, Table, TableName
from qapla.database.schema.inspect import build
from qapla.database.schema.patterns import Patterns

RECORDED: dict[str, list[tuple[Any, ...]]] = {
    oracle.SERVER: [("19.0.0.0.0", "SHOP", "SHOP")],
    oracle.SCHEMAS: [("ARCHIVE",), ("SHOP",)],
    oracle.OBJECTS: [
        ("SHOP", "CUSTOMER", "TABLE", "VALID"),
        ("SHOP", "ORDERS", "TABLE", "VALID"),
        ("SHOP", "Lower Case", "TABLE", "VALID"),
        ("SHOP", "TOTALS", "TABLE", "VALID"),
        ("SHOP", "TOTALS", "MATERIALIZED VIEW", "VALID"),
        ("SHOP", "NAMES", "VIEW", "VALID"),
        ("SHOP", "BROKEN", "VIEW", "INVALID"),
        ("SHOP", "STORE_OF_NESTED", "TABLE", "VALID"),
        ("ARCHIVE", "OLD", "TABLE", "VALID"),
        ("ARCHIVE", "CLOSED", "TABLE", "VALID"),
    ],
    oracle.TABLES: [("SHOP", "CUSTOMER", 42, "NO"), ("SHOP", "ORDERS", None, "NO"), ("SHOP", "STORE_OF_NESTED", 1, "YES")],
    oracle.TABLE_COMMENTS: [("SHOP", "CUSTOMER", "Who buys")],
    oracle.COLUMN_COMMENTS: [("SHOP", "CUSTOMER", "NAME", "As on the invoice")],
    oracle.COLUMNS: [
        ("SHOP", "CUSTOMER", "ID", "NUMBER", 22, 10, 0, "N", '"SHOP"."ISEQ$$_1".nextval', "NO"),
        ("SHOP", "CUSTOMER", "NAME", "VARCHAR2", 80, None, None, "N", None, "NO"),
        ("SHOP", "ORDERS", "ID", "NUMBER", 22, 10, 0, "N", '"SHOP"."ORDER_SEQ"."NEXTVAL"', "NO"),
        ("SHOP", "ORDERS", "CUSTOMER_ID", "NUMBER", 22, 10, 0, "Y", "NULL", "NO"),
        ("SHOP", "ORDERS", "TOTAL", "NUMBER", 22, 10, 2, "Y", "0.00 ", "NO"),
        ("SHOP", "ORDERS", "TAXED", "NUMBER", 22, None, None, "Y", '"TOTAL"*1.19', "YES"),
        ("SHOP", "Lower Case", "a column", "DATE", 7, None, None, "Y", None, "NO"),
        ("SHOP", "NAMES", "NAME", "VARCHAR2", 80, None, None, "N", None, "NO"),
        ("SHOP", "TOTALS", "SUM", "NUMBER", 22, None, None, "Y", None, "NO"),
        ("ARCHIVE", "OLD", "ID", "NUMBER", 22, 10, 0, "N", None, "NO"),
    ],
    oracle.IDENTITIES: [("SHOP", "CUSTOMER", "ID", "ALWAYS")],
    oracle.CONSTRAINTS: [
        ("SHOP", "CUSTOMER", "CUSTOMER_PK", "P", None, None, None),
        ("SHOP", "CUSTOMER", "CUSTOMER_NAME", "U", None, None, None),
        ("SHOP", "ORDERS", "ORDERS_PK", "P", None, None, None),
        ("SHOP", "ORDERS", "ORDERED_BY", "R", "SHOP", "CUSTOMER_PK", "CASCADE"),
        ("SHOP", "ORDERS", "SENT_BY", "R", "HIDDEN", "SENDER_PK", "NO ACTION"),
    ],
    oracle.CONSTRAINT_COLUMNS: [
        ("SHOP", "CUSTOMER_PK", "CUSTOMER", "ID"),
        ("SHOP", "CUSTOMER_NAME", "CUSTOMER", "NAME"),
        ("SHOP", "ORDERS_PK", "ORDERS", "ID"),
        ("SHOP", "ORDERED_BY", "ORDERS", "CUSTOMER_ID"),
        ("SHOP", "SENT_BY", "ORDERS", "ID"),
    ],
    oracle.UPDATABLE: [("SHOP", "NAMES", "NO", "YES", "NO"), ("SHOP", "CUSTOMER", "NO", "NO", "NO")],
    oracle.PRIVILEGES: [("ARCHIVE", "OLD", "SELECT"), ("ARCHIVE", "OLD", "INSERT"), ("ARCHIVE", "CLOSED", "UPDATE")],
    oracle.ARGUMENTS: [
        ("SHOP", "ADD_UP", "FUNCTION", 0, None, "NUMBER", "OUT", "N", 0, None, None),
        ("SHOP", "ADD_UP", "FUNCTION", 1, "A", "NUMBER", "IN", "N", 0, 10, 0),
        ("SHOP", "ADD_UP", "FUNCTION", 2, "B", "VARCHAR2", "IN/OUT", "Y", 20, None, None),
        ("SHOP", "TIDY", "PROCEDURE", None, None, None, None, None, None, None, None),
    ],
}


class RecordedConnection:
    """Answers each statement with the rows recorded for it; *failing* ones with an error."""

    def __init__(self, failing: str | None = None) -> None:
        self.failing = failing
        self.sent: list[str] = []
        self.rolled_back = 0

    def exec_driver_sql(self, sql: str, values: tuple[Any, ...]) -> RecordedConnection:
        template = next(known for known in RECORDED if sql == known.format(owners=":1, :2") or sql == known)
        assert values == (("SHOP", "ARCHIVE") if "{owners}" in template else ())
        self.sent.append(template)
        if template == self.failing:
            raise DriverError("SELECT …", values, Exception("ORA-00942: table or view does not exist"))
        self.rows = RECORDED[template]
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.rows

    def rollback(self) -> None:
        self.rolled_back += 1


def read(connection: RecordedConnection | None = None) -> DatabaseSchema:
    return build(oracle.OracleReader(connection or RecordedConnection(), (), Patterns()).read())  # type: ignore[arg-type]


def get(schema: DatabaseSchema, name: str, owner: str = "SHOP") -> Table:
    return schema.by_name[TableName(owner, name)]


def test_one_statement_per_kind() -> None:
    """Each statement is sent once, whatever the number of tables."""
    connection = RecordedConnection()

    read(connection)

    assert sorted(connection.sent) == sorted(RECORDED)


def test_schemas_default_first() -> None:
    """The account's current schema is the default."""
    schema = read()

    assert (schema.engine, schema.version, schema.schemas) == ("oracle", "19.0.0.0.0", ("SHOP", "ARCHIVE"))


def test_tables_views_and_materialized_views() -> None:
    """A materialized view is listed once, storage of nested tables is not, closed tables are reported."""
    schema = read()

    assert {(table.name.name, table.kind) for table in schema.tables} == {
        ("CUSTOMER", "table"),
        ("ORDERS", "table"),
        ("Lower Case", "table"),
        ("TOTALS", "materialized_view"),
        ("NAMES", "view"),
        ("BROKEN", "view"),
        ("OLD", "table"),
    }
    assert "table ARCHIVE.CLOSED is left out" in [finding.what for finding in schema.report]
    assert "view SHOP.BROKEN cannot be read" in [finding.what for finding in schema.report]


def test_columns() -> None:
    """Types, defaults, identities, sequences, virtual columns and comments."""
    schema = read()
    customer, orders = get(schema, "CUSTOMER"), get(schema, "ORDERS")

    assert (customer.by_name["ID"].generated, customer.by_name["ID"].default) == ("always", None)
    assert (customer.comment, customer.by_name["NAME"].comment, customer.row_estimate) == ("Who buys", "As on the invoice", 42)
    assert orders.by_name["ID"].generated == "by_default"
    assert (orders.by_name["CUSTOMER_ID"].default, orders.by_name["TOTAL"].default) == (None, "0.00")
    assert (orders.by_name["TAXED"].generated, orders.by_name["TAXED"].default) == ("always", '"TOTAL"*1.19')
    assert get(schema, "Lower Case").by_name["a column"].type == ColumnType("timestamp", "DATE")


def test_keys() -> None:
    """Foreign keys find their columns by the constraint that they name; one to a hidden schema is reported."""
    schema = read()
    customer, orders = get(schema, "CUSTOMER"), get(schema, "ORDERS")

    assert (customer.primary_key, customer.unique) == (Key("CUSTOMER_PK", ("ID",)), (Key("CUSTOMER_NAME", ("NAME",)),))
    assert orders.foreign_keys == (ForeignKey("ORDERED_BY", ("CUSTOMER_ID",), customer.name, ("ID",), on_delete="CASCADE"),)
    assert [relation.kind for relation in schema.relations] == ["to_many", "to_one"]
    assert "foreign key (ID) of SHOP.ORDERS is left out" in [finding.what for finding in schema.report]


def test_what_can_be_written() -> None:
    """Views by their updatable columns, others' tables by privileges, own tables always."""
    schema = read()
    ways = {t.name.name: (t.insertable, t.updatable, t.deletable) for t in schema.tables}

    assert ways["CUSTOMER"] == (True, True, True)
    assert ways["NAMES"] == (False, True, False)
    assert ways["OLD"] == (True, False, False)
    assert ways["TOTALS"] == (False, False, False)


def test_functions() -> None:
    """What stands at place 0 is what comes back."""
    add_up, tidy = read().functions

    assert add_up.returns == ColumnType("decimal", "NUMBER")
    assert [(p.name, p.mode, p.has_default) for p in add_up.parameters] == [("A", "in", False), ("B", "inout", True)]
    assert (tidy.kind, tidy.parameters, tidy.returns) == ("procedure", (), None)


@pytest.mark.parametrize("failing", [oracle.IDENTITIES, oracle.CONSTRAINTS, oracle.PRIVILEGES, oracle.ARGUMENTS, oracle.TABLE_COMMENTS])
def test_kind_that_cannot_be_read_is_reported(failing: str) -> None:
    """One kind of thing that fails costs one line of the report, not the rest."""
    connection = RecordedConnection(failing)

    schema = read(connection)

    assert get(schema, "CUSTOMER").columns
    assert connection.rolled_back == 1
    assert [finding.why for finding in schema.report if "could not be read" in finding.what] == ["ORA-00942: table or view does not exist"]
