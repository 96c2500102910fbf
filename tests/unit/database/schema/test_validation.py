"""Forms of tables: what a field takes, and what it was."""

from __future__ import annotations

from typing import Any

import colander
import pytest

from qapla.database.query.description import MISSING, TextValue
from qapla.database.query.values import read_text
from qapla.database.schema.description import Column, ColumnType, Kind, Table, TableName
from qapla.database.schema.validation import Entry, Use, make_entry, make_node, mark


def read(kind: Kind, entry: Entry, use: Use = "update", **parts: Any) -> Any:
    """Return what a form of one column reads in *entry*."""
    table = Table(TableName(None, "t"), "table", (Column("c", ColumnType(kind, kind), **parts),))
    node = make_node(table, use, lambda text, type: read_text(text, type, "sqlite"))
    return node.deserialize({"c0": entry})["c0"]


@pytest.mark.parametrize(
    ("kind", "entry", "use", "parts", "value"),
    [
        ("text", Entry("x"), "update", {}, TextValue("x")),
        ("text", Entry(""), "update", {}, TextValue("")),
        ("text", Entry(is_null=True), "update", {}, None),
        ("text", Entry(""), "insert", {}, TextValue("")),
        ("text", Entry(""), "insert", {"default": "'a'"}, MISSING),
        ("text", Entry("", is_blank=True), "insert", {"nullable": False}, TextValue("")),
        ("integer", Entry("42"), "update", {}, TextValue("42")),
        ("integer", Entry(""), "update", {}, None),
        ("integer", Entry(""), "insert", {"generated": "by_default", "nullable": False}, MISSING),
        ("integer", Entry("abc", is_same=True), "update", {}, MISSING),
        ("array", Entry('["a", 1]'), "update", {}, ["a", 1]),
    ],
)
def test_reads_fields(kind: Kind, entry: Entry, use: Use, parts: dict[str, Any], value: Any) -> None:
    """NULL, the empty text, a default and an untouched field are told apart."""
    assert read(kind, entry, use, **parts) == value


@pytest.mark.parametrize(
    ("kind", "entry", "use", "parts"),
    [
        ("integer", Entry("abc"), "update", {}),
        ("integer", Entry(""), "update", {"nullable": False}),
        ("text", Entry(""), "insert", {"nullable": False}),
        ("json", Entry("{"), "update", {}),
        ("date", Entry("2024-02-30"), "update", {}),
        ("array", Entry("a, b"), "update", {}),
        ("array", Entry('{"a": 1}'), "update", {}),
    ],
)
def test_refuses_fields(kind: Kind, entry: Entry, use: Use, parts: dict[str, Any]) -> None:
    """What cannot be read, and what is missing, is an error of its field."""
    with pytest.raises(colander.Invalid):
        read(kind, entry, use, **parts)


def test_leaves_out_what_the_database_makes() -> None:
    """Columns that are always generated have no field."""
    columns = (Column("a", ColumnType("integer", "integer"), generated="always"), Column("b", ColumnType("text", "text")))

    node = make_node(Table(TableName(None, "t"), "table", columns), "update", lambda text, type: text)

    assert [child.name for child in node.children] == ["c1"]


@pytest.mark.parametrize(
    ("kind", "shown", "sent"),
    [
        ("text", "a\nb", "a\r\nb"),
        ("text", "a\x00b", "a\ufffdb"),
        ("timestamp", "2024-01-01T10:00:00", "2024-01-01T10:00"),
        ("time", "10:00:00", "10:00"),
    ],
)
def test_sees_no_change_in_what_browsers_do_to_texts(kind: Kind, shown: str, sent: str) -> None:
    """What a browser sends back of an untouched field has the mark of what was shown."""
    column = Column("c", ColumnType(kind, kind))

    assert mark(Entry(sent), column) == mark(make_entry(shown, column), column)


def test_sees_every_real_change() -> None:
    """NULL, the empty text and different texts have different marks."""
    column = Column("c", ColumnType("text", "text"))

    assert len({mark(entry, column) for entry in (Entry(""), Entry(is_null=True), Entry("a"), Entry("A"))}) == 4
