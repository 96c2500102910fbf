"""The part of the contract of engines about what is read of a structure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from qapla.database.catalog import Served
from qapla.database.schema.description import Table
from qapla.database.schema.inspect import inspect
from qapla.database.schema.storage import from_json, to_json
from qapla.testing.contracts import goods
from qapla.testing.contracts.base import EngineFixtures
from qapla.testing.oddities import connected

MAX_STATEMENTS = 12


class InspectionContract(EngineFixtures):
    """What ``inspect`` tells."""

    @pytest.fixture
    def connection(self, empty_database: sa.URL) -> Iterator[sa.Connection]:
        """Give the test a connection to an empty database."""
        with connected(empty_database) as connection:
            yield connection

    def test_round_trip(self, shop: Served, written_desk: Served) -> None:
        """The JSON form reads back equal."""
        for schema in (shop.schema, written_desk.schema):
            assert from_json(to_json(schema)) == schema

    def test_tables(self, shop: Served, written_desk: Served) -> None:
        """Every table is there once, with its columns in their order; a view is told from a table."""
        assert [table.name.name for table in shop.schema.tables] == ["client", "line", "order_tag", "orders", "tag", "worker"]
        assert [column.name for column in self._get(shop, "orders").columns] == ["id", "client_id", "total", "made"]
        assert {table.name.name: table.kind for table in written_desk.schema.tables}["names"] == "view"

    def test_keys(self, shop: Served, written_desk: Served) -> None:
        """Primary keys, unique sets and what names a row."""
        line, customer, log = self._get(shop, "line"), *(self._get(written_desk, name) for name in ("customer", "log"))

        assert line.primary_key is not None
        assert line.primary_key.columns == line.identity.columns == ("order_id", "number")
        assert [key.columns for key in customer.unique] == [("name",)]
        assert (log.primary_key, log.identity.by) == (None, "none")

    def test_columns(self, written_desk: Served) -> None:
        """What may be NULL, what has a default, and what the database makes itself."""
        customer, orders = self._get(written_desk, "customer").by_name, self._get(written_desk, "orders").by_name

        assert (customer["name"].nullable, customer["city"].nullable) == (False, True)
        assert "Kopenhagen" in (customer["city"].default or "")
        assert (customer["id"].generated, customer["name"].generated, orders["twice"].generated) == ("by_default", None, "always")
        assert (orders["total"].type.precision, orders["total"].type.scale, customer["name"].type.length) == (12, 2, 40)

    def test_foreign_keys(self, shop: Served, written_desk: Served) -> None:
        """Columns, their target, and what happens to rows whose target goes."""
        [key], bosses = self._get(written_desk, "orders").foreign_keys, self._get(shop, "worker").foreign_keys

        assert (key.columns, key.target.name, key.target_columns, key.on_delete) == (("customer_id",), "customer", ("id",), "CASCADE")
        assert {(key.columns, key.target.name) for key in bosses} == {(("boss_id",), "worker"), (("deputy_id",), "worker")}

    def test_relations(self, shop: Served) -> None:
        """Ways to one, to many, through a table in the middle, and back to the table itself."""
        ways = {(way.source.name, way.target.name, way.kind) for way in shop.schema.relations}

        assert {
            ("orders", "client", "to_one"),
            ("client", "orders", "to_many"),
            ("orders", "tag", "many_to_many"),
            ("tag", "orders", "many_to_many"),
            ("worker", "worker", "to_one"),
            ("worker", "worker", "to_many"),
        } <= ways

    def test_kinds(self, empty_database: sa.URL, connection: sa.Connection) -> None:
        """A type of SQLAlchemy has its kind; kinds survive the JSON form."""
        metadata = sa.MetaData()
        kinds = {kind: type for kind, type in goods.KINDS.items() if kind not in self.no_kinds}
        sa.Table("kinds", metadata, *(sa.Column(f"a_{kind}", type) for kind, type in kinds.items()))
        goods.make_tables(empty_database, metadata)

        found = from_json(to_json(inspect(connection))).tables[0]

        assert {column.name: column.type.kind for column in found.columns} == {f"a_{kind}": kind for kind in kinds}

    def test_empty_database(self, connection: sa.Connection) -> None:
        """Nothing in it is nothing to report."""
        schema = inspect(connection)

        assert (schema.tables, schema.relations, schema.functions, schema.report) == ((), (), (), ())

    def test_number_of_statements_does_not_grow(self, empty_database: sa.URL, connection: sa.Connection) -> None:
        """Twelve statements at most, for one table or for thirty."""
        goods.make_tables(empty_database, self._tables("t"))
        with counted(connection) as few:
            inspect(connection)
        connection.rollback()
        goods.make_tables(empty_database, self._tables("t", *(f"t{number}" for number in range(30))))

        with counted(connection) as many:
            schema = inspect(connection)

        assert len(schema.tables) == 31
        assert len(few) == len(many) <= MAX_STATEMENTS

    def test_patterns_choose_before_details_are_read(self, empty_database: sa.URL, connection: sa.Connection) -> None:
        """Tables left out are left out of everything; a pattern without effect is reported."""
        goods.make_tables(empty_database, self._tables("a", "a_log", "b"))

        schema = inspect(connection, include=["a*"], exclude=["*_log", "nothing"])

        assert [table.name.name for table in schema.tables] == ["a"]
        assert [finding.what for finding in schema.report] == ["pattern 'nothing' is without effect"]

    def test_two_inspections_agree(self, empty_database: sa.URL, connection: sa.Connection) -> None:
        """The fingerprint is the same as long as nothing changes, rows may."""
        goods.make_tables(empty_database, self._tables("a"))
        before = inspect(connection)
        connection.rollback()
        connection.execute(sa.text("INSERT INTO a (id) VALUES (1)"))
        connection.commit()
        if self.analyze:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(self.analyze.format("a")).close()

        after = inspect(connection)

        assert before.fingerprint == after.fingerprint
        assert before == after or before.tables[0].row_estimate != after.tables[0].row_estimate

    def test_unknown_schema_is_reported(self, connection: sa.Connection) -> None:
        """A schema that is not there is skipped, and the report says so."""
        schema = inspect(connection, schemas=["nowhere"])

        assert schema.tables == ()
        assert "'nowhere'" in schema.report[0].what

    def test_default_schema(self, shop: Served) -> None:
        """The first of the exposed schemas is the default; an engine without schemas has none."""
        schema = shop.schema

        assert schema.default_schema == (schema.schemas[0] if schema.schemas else None)
        assert {table.name.schema for table in schema.tables} == {schema.default_schema}

    def _get(self, served: Served, name: str) -> Table:
        found = served.schema.find_table(name)
        assert found is not None, name
        return found

    def _tables(self, first: str, *others: str) -> sa.MetaData:
        metadata = sa.MetaData()
        sa.Table(first, metadata, sa.Column("id", sa.Integer, primary_key=True))
        for name in others:
            sa.Table(name, metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("a", sa.ForeignKey(f"{first}.id")))
        return metadata


@contextmanager
def counted(connection: sa.Connection) -> Iterator[list[str]]:
    """Collect the statements that a connection sends."""
    sent: list[str] = []

    def record(_connection: object, _cursor: object, statement: str, *others: object) -> None:
        sent.append(statement)

    sa.event.listen(connection, "before_cursor_execute", record)
    yield sent
    sa.event.remove(connection, "before_cursor_execute", record)
