"""Views have the relations of the tables that they show, on every engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from qapla.database.schema.inspect import inspect
from qapla.database.schema.storage import from_json, to_json
from qapla.testing.oddities import connected, run_script
from qapla.testing.servers import ENGINE_NAMES, make_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

    from qapla.database.schema.description import DatabaseSchema

TABLES = """
CREATE TABLE site (land varchar(2) NOT NULL, number integer NOT NULL, name varchar(20), PRIMARY KEY (land, number));
CREATE TABLE pump (id integer PRIMARY KEY, land varchar(2), site_number integer, secret varchar(20),
  CONSTRAINT stands FOREIGN KEY (land, site_number) REFERENCES site (land, number));
CREATE TABLE tag (id integer PRIMARY KEY, word varchar(20));
CREATE TABLE pump_tag (pump_id integer NOT NULL, tag_id integer NOT NULL, PRIMARY KEY (pump_id, tag_id),
  CONSTRAINT tagged FOREIGN KEY (pump_id) REFERENCES pump (id), CONSTRAINT tags FOREIGN KEY (tag_id) REFERENCES tag (id));
CREATE TABLE manual (pump_id integer PRIMARY KEY, text varchar(20), CONSTRAINT explains FOREIGN KEY (pump_id) REFERENCES pump (id));
"""
VIEWS = """
CREATE VIEW sites AS SELECT land AS country, number AS no, name FROM site;
CREATE VIEW inner_pumps AS SELECT id AS pump, land, site_number, secret FROM pump;
CREATE VIEW pumps AS SELECT pump AS id, land, site_number AS place FROM inner_pumps;
CREATE VIEW half AS SELECT id, land FROM pump;
CREATE VIEW tags AS SELECT * FROM tag;
CREATE VIEW pump_tags AS SELECT * FROM pump_tag;
CREATE VIEW manuals AS SELECT * FROM manual;
"""
HIDDEN = ("site", "pump", "tag", "pump_tag", "manual", "inner_pumps")


@pytest.fixture(scope="module", params=ENGINE_NAMES)
def url(request: pytest.FixtureRequest) -> Iterator[URL]:
    """Make the pumps on each engine."""
    with make_database(request.param) as found:
        run_script(found, TABLES + VIEWS)
        yield found


def ways(schema: DatabaseSchema) -> set[str]:
    """Return the relations that have a view somewhere, in words."""
    found = set()
    for way in schema.relations:
        through = (way.via.table,) if way.via else ()
        if any(schema.by_name[name].is_view for name in (way.source, way.target, *through)):
            middle = f" through {way.via.table.name}" if way.via else ""
            kind = "one" if way.kind == "to_one" else "many"
            found.add(f"{way.source.name} {', '.join(way.columns)} -> {kind} {way.target.name} {', '.join(way.target_columns)}{middle}")
    return found


def count_statements(url: URL, *exclude: str) -> int:
    """Return how many statements an inspection takes."""
    found: list[str] = []
    with connected(url) as connection:
        sa.event.listen(connection, "before_cursor_execute", lambda *values: found.append(values[2]))
        inspect(connection, exclude=exclude)
    return len(found)


def test_views_alone(url: URL) -> None:
    """Where only views are shown, the keys of the tables behind them relate them, through views of views, and through one in the middle."""
    with connected(url) as connection:
        schema = inspect(connection, exclude=HIDDEN)

    assert {table.name.name for table in schema.tables} == {"sites", "pumps", "half", "tags", "pump_tags", "manuals"}
    assert ways(schema) == {
        "pumps land, place -> one sites country, no",
        "sites country, no -> many pumps land, place",
        "pumps id -> many pump_tags pump_id",
        "pump_tags pump_id -> one pumps id",
        "pump_tags tag_id -> one tags id",
        "tags id -> many pump_tags tag_id",
        "pumps id -> many tags id through pump_tags",
        "tags id -> many pumps id through pump_tags",
        "pumps id -> one manuals pump_id",
        "manuals pump_id -> one pumps id",
        "half id -> many pump_tags pump_id",
        "pump_tags pump_id -> one half id",
        "half id -> many tags id through pump_tags",
        "tags id -> many half id through pump_tags",
        "half id -> one manuals pump_id",
        "manuals pump_id -> one half id",
    }
    assert from_json(to_json(schema)) == schema


def test_views_beside_tables(url: URL) -> None:
    """A table and a view are related as the two tables are; what foreign keys a table has is not changed by it."""
    with connected(url) as connection:
        schema = inspect(connection)

    assert {
        "site land, number -> many pumps land, place",
        "pumps land, place -> one site land, number",
        "pump land, site_number -> one sites country, no",
        "manual pump_id -> one pumps id",
        "pump id -> many tags id through pump_tag",
        "pumps id -> many tag id through pump_tag",
    } <= ways(schema)
    pump = schema.find_table("pump")
    assert pump is not None
    assert [key.target.name for key in pump.foreign_keys] == ["site"]


def test_part_of_a_key_makes_no_relation(url: URL) -> None:
    """A view without one column of a composite key points nowhere."""
    with connected(url) as connection:
        schema = inspect(connection)

    assert not [way for way in ways(schema) if way.startswith("half") and "site" in way]


def test_what_is_hidden_stays_hidden(url: URL) -> None:
    """Neither a table behind a view nor a column that no view shows is told of."""
    with connected(url) as connection:
        schema = inspect(connection, exclude=HIDDEN)

    assert "secret" not in to_json(schema)
    assert {key.target.name for table in schema.tables for key in (*table.foreign_keys, *table.seen_keys)}.isdisjoint(HIDDEN)


def test_statements_do_not_grow_with_views(url: URL) -> None:
    """However many views there are, their text is asked for once."""
    few = count_statements(url, "inner_pumps", "half", "tags", "pump_tags", "manuals", "sites")

    assert count_statements(url, "inner_pumps") == few


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_views_of_another_schema(url: URL) -> None:
    """A schema of views over a schema that is not served: materialized ones, and names with braces and backslashes, too."""
    run_script(
        url,
        """
        CREATE SCHEMA api;
        CREATE MATERIALIZED VIEW api.sites AS SELECT * FROM site;
        CREATE VIEW api.pumps AS SELECT id, land AS "} :resno 9 {\\", site_number, upper(secret) AS secret FROM public.pump
            WHERE id IN (SELECT pump_id FROM pump_tag);
        """,
    )

    with connected(url) as connection:
        alone, both = inspect(connection, schemas=["api"]), inspect(connection, schemas=["api", "public"])

    assert ways(alone) == {
        'pumps } :resno 9 {\\, site_number -> one sites land, number',
        'sites land, number -> many pumps } :resno 9 {\\, site_number',
    }
    assert not [way for way in both.relations if way.source.schema != way.target.schema]


@pytest.mark.parametrize("url", ["mariadb"], indirect=True)
def test_views_of_another_database(url: URL) -> None:
    """A database of views over one that is not served."""
    with make_database("mariadb") as other:
        run_script(
            other,
            f"""
            CREATE VIEW sites AS SELECT * FROM `{url.database}`.site;
            CREATE VIEW pumps AS SELECT * FROM `{url.database}`.pump;
            """,
        )
        with connected(other) as connection:
            schema = inspect(connection)

    assert ways(schema) == {
        "pumps land, site_number -> one sites land, number",
        "sites land, number -> many pumps land, site_number",
    }


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_text_that_nobody_understands_is_reported(url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a view is read like any other, and has no relations; the report says so."""
    monkeypatch.setattr("qapla.database.schema.lineage.parse_one", raises)

    with connected(url) as connection:
        schema = inspect(connection)

    assert ways(schema) == set()
    assert {finding.what for finding in schema.report} >= {"view pumps has no related rows"}


def raises(*_: object, **__: object) -> None:
    raise IndexError("list index out of range")
