"""What a row is called."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qapla.database.schema.description import (
    Column,
    ColumnType,
    DatabaseSchema,
    ForeignKey,
    Identity,
    Key,
    Kind,
    Table,
    TableName,
)
from qapla.database.schema.relations import derive
from qapla.plugins.admin.labels import find_references, label_columns, make_label


def table(*columns: tuple[str, Kind], key: tuple[str, ...] = ("id",), pointer: str | None = None) -> Table:
    """Return a table with these columns."""
    keys = (ForeignKey(None, (pointer,), TableName(None, "other"), ("id",)),) if pointer else ()
    made = tuple(Column(name, ColumnType(kind, kind)) for name, kind in columns)
    return Table(TableName(None, "t"), "table", made, Key(None, key), Identity("primary_key", key), foreign_keys=keys)


@pytest.mark.parametrize(
    ("found", "names"),
    [
        (table(("id", "integer"), ("title", "text"), ("name", "text")), ("name",)),
        (table(("id", "integer"), ("FirstName", "text"), ("LastName", "text")), ("FirstName", "LastName")),
        (table(("id", "integer"), ("product_name", "text")), ("product_name",)),
        (table(("id", "integer"), ("status", "text"), ("remark", "text")), ("remark",)),
        (table(("id", "integer"), ("tail", "text"), pointer="tail"), ("id",)),
        (table(("code2", "text"), ("maker", "text"), key=("code2",)), ("code2",)),
        (table(("id", "integer"), ("total", "decimal")), ("id",)),
    ],
)
def test_finds_what_names_a_row(found: Table, names: tuple[str, ...]) -> None:
    """A name, else a text that is no state and points nowhere, else the key."""
    assert label_columns(found) == names


def test_falls_back_to_the_key() -> None:
    """A row without a name is called by its key; a long name is cut."""
    named = table(("id", "integer"), ("name", "text"))

    assert make_label(named, {"id": 7, "name": None}) == "7"
    assert len(make_label(named, {"id": 7, "name": "x" * 500})) == 80


def view(name: str, *seen: ForeignKey) -> Table:
    """Return a view of people, with the foreign keys that are seen through it."""
    return replace(table(("id", "integer"), ("boss", "integer"), ("name", "text")), name=TableName(None, name), kind="view", seen_keys=seen)


def references(*tables: Table) -> dict[str, str]:
    """Return where the columns of the first of *tables* lead."""
    schema = DatabaseSchema("sqlite", "3", None, (), tables, derive(tables))
    return {column: reference.target.name.name for column, reference in find_references(schema, tables[0]).items()}


def test_a_view_refers_to_what_its_table_refers_to() -> None:
    """A column that shows a foreign key leads where that leads."""
    boss = ForeignKey("led", ("boss",), TableName(None, "bosses"), ("id",))

    assert references(view("people", boss), view("bosses")) == {"boss": "bosses"}


def test_a_reference_that_no_embed_can_mean_is_none() -> None:
    """Two views of a table that refers to itself point at each other under one name: the list shows the values."""
    there, back = (ForeignKey("led", ("boss",), TableName(None, name), ("id",)) for name in ("bosses", "people"))

    assert references(view("people", there), view("bosses", back)) == {}
