"""What only MariaDB has, and what an account that may not everything sees of it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from qapla.database.schema import inspect_mysql
from qapla.database.schema.description import ColumnType, DatabaseSchema, Table, TableName
from qapla.database.schema.inspect import inspect
from qapla.testing.oddities import connected, make_oddities, run_script
from qapla.testing.servers import make_database

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def url() -> Iterator[sa.URL]:
    """Give the URL of a database full of oddities."""
    with make_oddities("mariadb") as url:
        yield url


@pytest.fixture(scope="module")
def odd(url: sa.URL) -> DatabaseSchema:
    """Give its description."""
    with connected(url) as connection:
        return inspect(connection)


def get(schema: DatabaseSchema, name: str) -> Table:
    table = schema.find_table(name)
    assert table is not None, name
    return table


def test_connection_names_its_database(odd: DatabaseSchema, url: sa.URL) -> None:
    """The database in the URL is the one that is exposed."""
    assert odd.schemas == (url.database,)
    assert (odd.engine, odd.capabilities) == ("mariadb", ("two_phase",))


def test_another_database_when_chosen(odd: DatabaseSchema, url: sa.URL) -> None:
    """Chosen databases are schemas of one description; foreign keys may cross them."""
    with make_database("mariadb") as other:
        run_script(other, f"CREATE TABLE far (id int PRIMARY KEY, FOREIGN KEY (id) REFERENCES `{url.database}`.customer (id));\n")
        with connected(url) as connection:
            schema = inspect(connection, schemas=[str(url.database), str(other.database)])

    relation = next(found for found in schema.relations if found.source.name == "far")
    assert (relation.source.schema, relation.target) == (other.database, get(odd, "customer").name)


def test_names_equal_but_for_case(odd: DatabaseSchema) -> None:
    """Tables whose names differ by case only are different ones."""
    assert (list(get(odd, "Customer").by_name), list(get(odd, "customer").by_name)) == (["ID"], ["id", "name", "code"])


def test_json_is_text_with_a_check(odd: DatabaseSchema) -> None:
    """A column that must hold valid JSON is JSON, however it was declared."""
    columns = get(odd, "kinds").by_name

    assert columns["m"].type == columns["x"].type == ColumnType("json", "json")
    assert columns["h"].type.kind == "text"


def test_enum_values(odd: DatabaseSchema) -> None:
    """Quotes in values are undone."""
    assert get(odd, "kinds").by_name["r"].type.values == ("sad", "it's ok", "happy")


def test_invisible_columns_are_columns(odd: DatabaseSchema) -> None:
    """An invisible column can be read and written by name."""
    assert get(odd, "orders").by_name["secret"].default == "3"


def test_sequences_are_left_out(odd: DatabaseSchema) -> None:
    """A sequence is no table, a partitioned or versioned table is one."""
    assert odd.find_table("counter") is None
    assert get(odd, "partitioned").kind == get(odd, "versioned").kind == "table"


def test_broken_views_stay_listed(odd: DatabaseSchema) -> None:
    """A view whose table or definer is gone is there, cannot be written, and has a line in the report; others are as they were."""
    why = {finding.what: finding.why for finding in odd.report if "cannot be read" in finding.what}

    assert list(why) == [f"view {odd.default_schema}.broken_view cannot be read", f"view {odd.default_schema}.orphan % view cannot be read"]
    assert "references invalid table(s)" in next(iter(why.values()))
    assert "does not exist" in why[f"view {odd.default_schema}.orphan % view cannot be read"]
    assert get(odd, "broken_view").columns == ()
    assert not get(odd, "orphan % view").insertable
    assert get(odd, "plain_view").insertable


def test_views_of_several_tables_take_no_delete(url: sa.URL) -> None:
    """Rows of a join may be changed, not deleted; a join in a subquery, a text or a name makes no difference."""
    views = {
        "joined": "SELECT goes, name FROM item JOIN customer ON customer.id = goes",
        "crossed": "SELECT goes, name FROM item, customer",
        "narrowed": "SELECT id, name FROM customer WHERE id IN (SELECT i.goes FROM item i JOIN item j ON (i.goes = j.goes))",
        "worded": "SELECT id, 'a '' join (' AS `of join )` FROM customer",
    }
    run_script(url, "".join(f"CREATE VIEW {name} AS {text};\n" for name, text in views.items()))
    try:
        with connected(url) as connection:
            schema = inspect(connection)
    finally:
        run_script(url, f"DROP VIEW {', '.join(views)};\n")

    assert {name: get(schema, name).deletable for name in views} == {
        "joined": False,
        "crossed": False,
        "narrowed": True,
        "worded": True,
    }
    assert get(schema, "joined").updatable


def test_functions(odd: DatabaseSchema) -> None:
    """Functions and procedures have parameters, types and a volatility."""
    add_up, clean_up, how_many = odd.functions

    assert [(p.name, p.type.kind) for p in add_up.parameters] == [("a", "integer"), ("b", "decimal")]
    assert (add_up.returns, add_up.volatility, add_up.comment) == (
        ColumnType("decimal", "decimal(8,2)", precision=8, scale=2),
        "immutable",
        "Adds",
    )
    assert ([p.mode for p in clean_up.parameters], clean_up.kind, clean_up.returns) == (["in", "inout", "out"], "procedure", None)
    assert how_many.volatility == "stable"


def test_clerk_sees_what_it_may_read(url: sa.URL) -> None:
    """Columns that the account may not read are left out; rights to write are known."""
    user = f"clerk_{secrets.token_hex(4)}"
    run_script(
        url,
        f"""
        CREATE USER {user}@'%' IDENTIFIED BY 'pw';
        GRANT SELECT, INSERT ON `{url.database}`.customer TO {user}@'%';
        GRANT SELECT, DELETE ON `{url.database}`.course TO {user}@'%';
        GRANT SELECT (line, goes), INSERT (order_id) ON `{url.database}`.item TO {user}@'%';
        GRANT INSERT ON `{url.database}`.student TO {user}@'%';
        """,
    )
    try:
        with connected(url.set(username=user, password="pw")) as connection:
            schema = inspect(connection)
    finally:
        run_script(url, f"DROP USER {user}@'%';\n")

    ways = {table.name.name: (table.insertable, table.updatable, table.deletable) for table in schema.tables}
    assert ways == {"customer": (True, False, False), "course": (False, False, True), "item": (True, False, False)}
    assert list(get(schema, "item").by_name) == ["line", "goes"]
    said = [f"{finding.what}: {finding.why}" for finding in schema.report]
    assert f"table {url.database}.item is shown without order_id: the account may not read these columns" in said
    assert f"table {url.database}.student is left out: the account may not read it" in said


@pytest.mark.parametrize("kind", ["JSON_CHECKS", "COLUMNS", "INDEXES", "FOREIGN_KEYS", "VIEWS", "PRIVILEGES", "ROUTINES"])
def test_kind_that_cannot_be_read_is_reported(url: sa.URL, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """One kind of thing that fails costs one line of the report, not the rest."""
    monkeypatch.setattr(inspect_mysql, kind, "SELECT nothing FROM nowhere WHERE 1 IN %s")

    with connected(url) as connection:
        schema = inspect(connection)

    assert get(schema, "customer").comment == "Who buys"
    assert [finding.severity for finding in schema.report if "could not be read" in finding.what] == ["degraded"]


@pytest.mark.parametrize(
    ("schema", "table", "expected"),
    [
        (None, None, True),
        ("shop", None, True),
        ("sh%", None, True),
        ("sho_", None, True),
        (r"sho\_", None, False),
        ("shop", "orders", True),
        ("shop", "items", False),
        ("sh.p", None, False),
    ],
)
def test_grants_cover_tables(schema: str | None, table: str | None, expected: bool) -> None:
    """A grant is on everything, on databases like a pattern, or on one table."""
    assert inspect_mysql.covers(schema, table, TableName("shop", "orders")) is expected
