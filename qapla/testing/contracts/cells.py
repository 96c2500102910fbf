"""The part of the contract of engines about values: what goes out can be sent back in, unchanged, and means the same."""

from __future__ import annotations

from qapla.database.query.description import ALL_COLUMNS, Insert
from qapla.database.schema.description import TableName
from qapla.database.statement import Statement
from qapla.driver.table_read import TableReadDriver
from qapla.driver.table_write import TableWriteDriver
from qapla.ports import ALL_RIGHTS
from qapla.testing.contracts.base import EngineFixtures, MakeDatabase
from qapla.testing.served import serve


class CellContract(EngineFixtures):
    """How values survive the way out and in; ``cells`` has those of the engine's own types."""

    def test_a_row_written_back_is_the_same(self, make_database: MakeDatabase) -> None:
        """A row is read and inserted again as it came: the database holds the very same values, of the same types."""
        from qapla.plugins.rest.bodies import load_json  # the web, which the other parts do not need

        cells = [(type, value) for type, values in self.cells for value in values]
        columns = ", ".join(f"c{place} {type}" for place, (type, _) in enumerate(cells))
        values = ", ".join(value for _, value in cells)
        setup = [*self.prepare, f"CREATE TABLE odd (id integer PRIMARY KEY, {columns})", f"INSERT INTO odd VALUES (1, {values})"]
        with make_database() as url, serve(url, ";\n".join(setup) + ";\n", writable=True) as served:
            table = TableName(served.schema.default_schema, "odd")
            first = TableReadDriver(served, ALL_RIGHTS).find_row(table, ("id",), ("1",))
            assert first is not None
            row = {**load_json(first.decode(), 64), "id": 2}

            written = TableWriteDriver(served, ALL_RIGHTS).insert(Insert(table, tuple(row), (tuple(row.values()),), returning=ALL_COLUMNS))

            assert load_json((written.body or b"").decode(), 64) == [row]
            prints = ", ".join(self.fingerprint.format(f"odd.c{place}") for place in range(len(cells)))
            before, after = served.bulkhead.fetch(Statement(f"SELECT {prints} FROM odd ORDER BY id"))
            assert [(cells[place], old, new) for place, (old, new) in enumerate(zip(before, after, strict=True)) if old != new] == []
