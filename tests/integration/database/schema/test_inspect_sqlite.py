"""What only SQLite has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from qapla.database.schema.description import DatabaseSchema, Table
from qapla.database.schema.inspect import find_reader, inspect
from qapla.errors import DatabaseError, NotOffered
from qapla.testing.oddities import connected, make_oddities, run_script

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def odd() -> DatabaseSchema:
    """Give the description of a database full of oddities."""
    with make_oddities("sqlite") as url, connected(url) as connection:
        return inspect(connection)


def get(schema: DatabaseSchema, name: str) -> Table:
    table = schema.find_table(name)
    assert table is not None, name
    return table


def said(schema: DatabaseSchema, subject: str) -> list[str]:
    return [f"{finding.severity}: {finding.what}: {finding.why}" for finding in schema.report if finding.subject == subject]


def test_foreign_keys_keep_their_names(odd: DatabaseSchema) -> None:
    """Names stand in the CREATE TABLE text only; most keys have none."""
    assert [(key.name, key.columns) for key in get(odd, "orders").foreign_keys] == [("bill to", ("billing",)), (None, ("shipping",))]
    assert get(odd, "delivery").foreign_keys[0].name == "delivered"


def test_foreign_keys_are_spelled_like_their_targets(odd: DatabaseSchema) -> None:
    """SQLite ignores case and lets the primary key go without saying; the description does not."""
    billing, shipping = get(odd, "orders").foreign_keys

    assert (billing.target.name, billing.target_columns) == ("customer", ("id",))
    assert (shipping.target.name, shipping.target_columns) == ("customer", ("id",))


def test_foreign_key_without_target_is_reported(odd: DatabaseSchema) -> None:
    """A foreign key that SQLite itself could not follow leads nowhere."""
    assert [key.columns for key in get(odd, "lost").foreign_keys] == [("nowhere",)]
    assert said(odd, "lost") == ["skipped: foreign key (keyless) of lost is left out: there is no such table or key no_key"]


def test_only_the_rowid_counts_up(odd: DatabaseSchema) -> None:
    """INTEGER PRIMARY KEY is the rowid, but not descending, not as INT, and not without rowid."""
    generated = {name: get(odd, name).columns[0].generated for name in ("customer", "orders", "descending", "strict_one", "locker")}

    assert generated == {"customer": "by_default", "orders": "by_default", "descending": None, "strict_one": None, "locker": None}


def test_virtual_and_shadow_tables(odd: DatabaseSchema) -> None:
    """A virtual table is shown read only, its shadows are not shown."""
    names = [table.name.name for table in odd.tables if table.name.name.startswith("search")]

    assert names == ["search"]
    assert (get(odd, "search").kind, list(get(odd, "search").by_name), get(odd, "search").insertable) == ("foreign", ["words"], False)


def test_broken_view_stays_listed(odd: DatabaseSchema) -> None:
    """A view that does not compile is there without columns, and spoils no other."""
    assert get(odd, "broken_view").columns == ()
    assert said(odd, "broken_view") == ["degraded: view broken_view cannot be read: no such table: main.soon_gone"]
    assert list(get(odd, "plain_view").by_name) == ["id", "name", "size"]


def test_triggers_make_views_writable(odd: DatabaseSchema) -> None:
    """A view takes those writes that an INSTEAD OF trigger does."""
    written = get(odd, "written_view")

    assert (written.insertable, written.updatable, written.deletable) == (True, False, False)


def test_estimates_come_from_analyze(odd: DatabaseSchema) -> None:
    """A table that ANALYZE has counted has an estimate, others have none."""
    assert (get(odd, "customer").row_estimate, get(odd, "kinds").row_estimate) == (2, None)


def test_many_broken_views(sqlite_path: Path) -> None:
    """Each broken view has its own line, whatever their number; the rest is read."""
    url = sa.URL.create("sqlite", database=str(sqlite_path))
    views = "".join(f"CREATE VIEW v{n} AS SELECT id FROM {'t' if n % 3 else 'gone'};\n" for n in range(9))
    run_script(url, "CREATE TABLE t (id INTEGER PRIMARY KEY);\n" + views)

    with connected(url) as connection:
        schema = inspect(connection)

    assert [finding.subject for finding in schema.report] == ["v0", "v3", "v6"]
    assert [table.name.name for table in schema.tables if table.columns] == ["t", "v1", "v2", "v4", "v5", "v7", "v8"]


def test_missing_module(sqlite_path: Path) -> None:
    """A virtual table of a module that is not there stays listed, with a line in the report."""
    url = sa.URL.create("sqlite", database=str(sqlite_path))
    row = "'table', 'places', 'places', 0, 'CREATE VIRTUAL TABLE places USING no_such_module(x)'"
    run_script(
        url, f"CREATE TABLE t (id INTEGER PRIMARY KEY);\nPRAGMA writable_schema = 1;\nINSERT INTO sqlite_master VALUES ({row});\n"
    )

    with connected(url) as connection:
        schema = inspect(connection)

    assert said(schema, "places") == ["degraded: columns of table places could not be read: no such module: no_such_module"]
    assert get(schema, "t").identity.columns == ("id",)


def test_text_that_is_not_utf8(sqlite_path: Path) -> None:
    """A comment in another encoding spoils nothing, and the connection decodes as before."""
    url = sa.URL.create("sqlite", database=str(sqlite_path))
    table = "CAST('CREATE TABLE t (id INTEGER PRIMARY KEY /* na' || x'ef' || 've */)' AS TEXT)"
    change = f"UPDATE sqlite_master SET sql = {table} WHERE name = 't'"
    run_script(url, f"CREATE TABLE t (id INTEGER PRIMARY KEY);\nPRAGMA writable_schema = 1;\n{change};\n")

    with connected(url) as connection:
        schema = inspect(connection)
        with pytest.raises(sa.exc.OperationalError, match="decode"):
            connection.exec_driver_sql("SELECT sql FROM sqlite_master").fetchall()

    assert get(schema, "t").identity.columns == ("id",)


def test_not_a_database(tmp_path: Path) -> None:
    """A file that is no database is an error, not an empty schema."""
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, " * 100)

    url = sa.URL.create("sqlite", database=str(path))

    with connected(url) as connection, pytest.raises(DatabaseError, match="could not be read") as caught:
        inspect(connection)

    assert caught.value.details == "file is not a database"


def test_engine_without_reader() -> None:
    """An engine that nobody can read is refused by name."""
    with pytest.raises(NotOffered, match="'mssql'"):
        find_reader("mssql")
