"""What only PostgreSQL has, and what an account that may not everything sees of it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from qapla.database.schema import inspect_postgresql
from qapla.database.schema.description import ColumnType, DatabaseSchema, Function, Table, TableName
from qapla.database.schema.inspect import inspect
from qapla.errors import Unavailable
from qapla.testing.oddities import connected, make_oddities, run_script

if TYPE_CHECKING:
    from collections.abc import Iterator

INTEGER = ColumnType("integer", "integer")


@pytest.fixture(scope="module")
def url() -> Iterator[sa.URL]:
    """Give the URL of a database full of oddities."""
    with make_oddities("postgresql") as url:
        yield url


@pytest.fixture(scope="module")
def odd(url: sa.URL) -> DatabaseSchema:
    """Give its description."""
    with connected(url) as connection:
        return inspect(connection)


@pytest.fixture
def clerk(url: sa.URL) -> Iterator[sa.URL]:
    """Give the URL of an account that may read little and write less."""
    role = f"clerk_{secrets.token_hex(4)}"
    run_script(
        url,
        f"""
        CREATE ROLE {role} LOGIN;
        GRANT SELECT ON customer, orders, plain_view TO {role};
        GRANT INSERT (name) ON customer TO {role};
        GRANT SELECT (line, goes) ON item TO {role};
        REVOKE USAGE ON SCHEMA "Sales & Co." FROM PUBLIC;
        """,
    )
    yield url.set(username=role)
    run_script(url, f"DROP OWNED BY {role};\nDROP ROLE {role};\n")


def get(schema: DatabaseSchema, name: str, in_schema: str | None = None) -> Table:
    table = schema.find_table(name, in_schema)
    assert table is not None, name
    return table


def type_of(schema: DatabaseSchema, column: str) -> ColumnType:
    return get(schema, "kinds").by_name[column].type


def function(schema: DatabaseSchema, name: str) -> Function:
    return next(found for found in schema.functions if found.name == name)


def said(schema: DatabaseSchema, subject: str) -> list[str]:
    return [f"{finding.severity}: {finding.what}: {finding.why}" for finding in schema.report if finding.subject == subject]


def test_names_equal_but_for_case(odd: DatabaseSchema) -> None:
    """Tables and columns whose names differ by case only are different ones."""
    assert list(get(odd, "Customer").by_name) == ["ID", "id", "Id"]
    assert get(odd, "Customer").by_name["ID"].generated == "always"
    assert list(get(odd, "customer").by_name) == ["id", "name", "mail", "code"]


def test_all_schemas_default_first(odd: DatabaseSchema) -> None:
    """All schemas that the account may use are exposed; foreign keys cross them."""
    deal = get(odd, "deal", "Sales & Co.")

    assert odd.schemas == ("public", "Sales & Co.")
    assert {key.target for key in deal.foreign_keys} == {TableName("public", "orders"), TableName("public", "Customer")}


def test_chosen_schemas(url: sa.URL) -> None:
    """The first of the chosen schemas is the default; a target elsewhere gives no relation."""
    with connected(url) as connection:
        schema = inspect(connection, schemas=["Sales & Co."])

    assert (schema.default_schema, [table.name.name for table in schema.tables], schema.relations) == ("Sales & Co.", ["deal"], ())


def test_enum_domain_array_range(odd: DatabaseSchema) -> None:
    """Made-up types say what they are made of."""
    assert type_of(odd, "y") == ColumnType("enum", "mood", values=("sad", "it's ok", "happy"))
    assert type_of(odd, "u") == ColumnType("array", "numeric(6,2)[]", item=ColumnType("decimal", "numeric(6,2)", precision=6, scale=2))
    assert type_of(odd, "v").item == ColumnType("enum", "mood", values=("sad", "it's ok", "happy"))
    assert type_of(odd, "w") == ColumnType("range", "int4range", item=INTEGER)
    assert type_of(odd, "jj").item == ColumnType("text", "work_email", length=80)


def test_domain_lends_default_and_nullability(odd: DatabaseSchema) -> None:
    """A column of a domain has the domain's kind, default and NOT NULL, also from the domain beneath."""
    mail = get(odd, "customer").by_name["mail"]

    assert (mail.type, mail.nullable) == (ColumnType("text", "work_email", length=80), False)
    assert mail.default == "'nobody@example.org'::character varying"


def test_only_the_parent_of_partitions(odd: DatabaseSchema) -> None:
    """Partitions are not listed, and add no foreign keys of their own."""
    measures = [table.name.name for table in odd.tables if table.name.name.startswith("measure")]

    assert measures == ["measure"]
    assert len(get(odd, "measure").foreign_keys) == len(get(odd, "reading").foreign_keys) == 1


def test_materialized_views(odd: DatabaseSchema) -> None:
    """They are never written; one that holds nothing yet is reported."""
    stored = get(odd, "stored_view")

    assert (stored.kind, stored.insertable, stored.updatable, stored.deletable) == ("materialized_view", False, False, False)
    assert said(odd, "public.empty_view") == ["degraded: materialized view public.empty_view cannot be read: it has not been populated"]


def test_views_that_cannot_be_written(odd: DatabaseSchema) -> None:
    """A join cannot be written, a plain selection can."""
    assert not get(odd, "joined_view").updatable
    assert get(odd, "plain_view").updatable


def test_foreign_tables(odd: DatabaseSchema) -> None:
    """A foreign table is listed; one whose wrapper has no handler cannot be read, and the report says so."""
    far = get(odd, "far_table")

    assert (far.kind, list(far.by_name), far.insertable) == ("foreign", ["id", "name"], False)
    assert said(odd, "public.far_table") == ["degraded: foreign table public.far_table cannot be read: its wrapper has no handler"]


def test_dropped_and_missing_columns(odd: DatabaseSchema) -> None:
    """A dropped column is gone; a table may have none at all."""
    assert list(get(odd, "dropped").by_name) == ["a", "z"]
    assert get(odd, "dropped").identity.columns == ("z",)
    assert get(odd, "no_columns").columns == ()


def test_columns_that_an_index_only_carries(odd: DatabaseSchema) -> None:
    """INCLUDE columns are no part of a unique set."""
    assert get(odd, "covering").identity.columns == ("a",)


def test_functions(odd: DatabaseSchema) -> None:
    """Arguments, defaults, modes and what comes back are known; trigger functions are not listed."""
    add, total, called = function(odd, "add"), function(odd, "total"), function(odd, "customers_called")

    assert [(p.name, p.type, p.has_default) for p in add.parameters] == [("a", INTEGER, False), ("b", INTEGER, True)]
    assert (add.returns, add.volatility, add.comment) == (INTEGER, "immutable", "Adds")
    assert (total.parameters[0].mode, total.parameters[0].type.kind) == ("variadic", "array")
    assert (called.returns_set, called.returns_table) == (True, TableName("public", "customer"))
    assert [(p.name, p.mode) for p in function(odd, "rows_of").parameters] == [("n", "in"), ("x", "table"), ("y", "table")]
    assert [(p.name, p.mode) for p in function(odd, "pairs").parameters] == [("n", "in"), ("a", "out"), ("b", "out")]
    assert function(odd, "nothing").returns is None
    assert function(odd, "clean_up").kind == "procedure"
    assert "on_change" not in {found.name for found in odd.functions}


def test_clerk_sees_what_it_may_read(clerk: sa.URL) -> None:
    """Closed schemas, tables and columns are left out, and the report says so; rights to write are known."""
    with connected(clerk) as connection:
        schema = inspect(connection)

    assert schema.schemas == ("public",)
    assert [table.name.name for table in schema.tables] == ["customer", "item", "orders", "plain_view"]
    customer, item = get(schema, "customer"), get(schema, "item")
    assert (customer.insertable, customer.updatable, customer.deletable) == (True, False, False)
    assert (list(item.by_name), item.identity.by, item.foreign_keys) == (["line", "goes"], "none", ())
    unread = "degraded: table public.item is shown without order_id: the account may not read these columns"
    assert unread in said(schema, "public.item")
    assert said(schema, "public.kinds") == ["skipped: table public.kinds is left out: the account may not read it"]


def test_enormous_comment_is_cut(url: sa.URL) -> None:
    """A comment of a megabyte does not end up in every answer."""
    with connected(url) as connection:
        connection.exec_driver_sql(f"COMMENT ON TABLE chatty IS '{'x' * 1_000_000}'")

        comment = get(inspect(connection), "chatty").comment

    assert comment is not None
    assert (len(comment), comment[-2:]) == (4001, "x…")


def test_uncommitted_tables_are_seen(url: sa.URL) -> None:
    """An inspection looks through its connection's eyes and ends no transaction."""
    with connected(url) as connection:
        connection.exec_driver_sql("CREATE TABLE brand_new (id integer PRIMARY KEY)")

        assert get(inspect(connection), "brand_new")
        assert get(inspect(connection), "brand_new")


@pytest.mark.parametrize("kind", ["KEYS", "FOREIGN_KEYS", "FUNCTIONS", "UPDATABLE", "TYPES", "COLUMNS"])
def test_kind_that_cannot_be_read_is_reported(url: sa.URL, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """One kind of thing that fails costs one line of the report, not the rest."""
    monkeypatch.setattr(inspect_postgresql, kind, "SELECT 1 / 0, %s")

    with connected(url) as connection:
        schema = inspect(connection)

    assert get(schema, "customer").comment == "Who buys"
    assert [finding.why for finding in schema.report if "could not be read" in finding.what] == ["division by zero"]


def test_lost_connection_is_unavailable(url: sa.URL) -> None:
    """When the connection is lost there is no half a schema."""
    with connected(url) as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        run_script(url, f"SELECT pg_terminate_backend({pid});\n")

        with pytest.raises(Unavailable, match="connection was lost"):
            inspect(connection)
