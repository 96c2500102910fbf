"""Tables and rows in the paths of URLs."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qapla.database.schema.description import Column, ColumnType, DatabaseSchema, Identity, Key, Table, TableName
from qapla.driver.keys import find_target, read_key, row_path
from qapla.errors import NotFound

TEXT = ColumnType("text", "text")


def make_table(name: str, *key: str, schema: str | None = "public") -> Table:
    """Make a table with this key."""
    columns = tuple(Column(column, TEXT) for column in key) or (Column("a", TEXT),)
    identity = Identity("primary_key", key) if key else Identity("none")
    return Table(TableName(schema, name), "table", columns, Key(None, key) if key else None, identity)


ORDERS, LINES, LOG = make_table("orders", "id"), make_table("lines", "order_id", "product"), make_table("log")
ODD, DEEP, ELSEWHERE = make_table("a/b c", "id"), make_table("orders/old", "id"), make_table("hidden", "id", schema="other")
SCHEMA = DatabaseSchema(
    "postgresql", "15", "public", ("public", "other"), (ORDERS, LINES, LOG, ODD, DEEP, ELSEWHERE, make_table("rpc", "id"))
)


class TestFindTarget:
    """find_target"""

    @pytest.mark.parametrize(
        ("path", "table", "key"),
        [
            ("orders", ORDERS, None),
            ("orders/", ORDERS, None),
            ("orders/42", ORDERS, ("42",)),
            ('orders/"a/b"', ORDERS, ("a/b",)),
            ('lines/42,"a,b/c"', LINES, ("42", "a,b/c")),
            (r'lines/"","say \"x\" \\"', LINES, ("", 'say "x" \\')),
            ("a/b c", ODD, None),
            ("a/b c/7", ODD, ("7",)),
            ("orders/old", DEEP, None),
            ("orders/old/1", DEEP, ("1",)),
            ('orders/"old"', ORDERS, ("old",)),
        ],
    )
    def test_finds_the_longest_name_that_exists(self, path: str, table: Table, key: tuple[str, ...] | None) -> None:
        """The rest is a key; names may hold slashes, quoted keys, too."""
        assert find_target(SCHEMA, path) == (table, key)

    def test_looks_in_the_schema_that_is_asked_for(self) -> None:
        """The hint says where a table of this name is."""
        assert find_target(SCHEMA, "hidden/1", "other") == (ELSEWHERE, ("1",))

        with pytest.raises(NotFound) as caught:
            find_target(SCHEMA, "hidden")
        assert (caught.value.code, caught.value.hint) == ("PGRST205", "it is in schema 'other': send the header Accept-Profile: other")

    @pytest.mark.parametrize(
        "path", ["order", "rpc", "rpc/1", "-", "", "/", "orders/1,2", "lines/1", 'lines/1,"x', "log/1", "orders/a/b", 'orders/a"b']
    )
    def test_refuses_everything_else(self, path: str) -> None:
        """No such table, not as many values as the key has, quotes that do not match."""
        with pytest.raises(NotFound):
            find_target(SCHEMA, path)


class TestRowPath:
    """row_path"""

    def test_writes_values_as_json_has_them(self) -> None:
        """Booleans are true and false."""
        assert row_path(LINES, (True, 5)) == "lines/true,5"
        assert row_path(ODD, ("ä",)) == "a%2Fb%20c/%C3%A4"

    def test_never_reads_as_another_table(self) -> None:
        """A key that is the name of a table stands in quotes."""
        assert unquote(row_path(ORDERS, ("old",), SCHEMA)) == 'orders/"old"'

    @given(st.tuples(st.text(), st.text()))
    def test_is_the_inverse_of_find_target(self, key: tuple[str, str]) -> None:
        """Whatever the values are."""
        try:
            path = row_path(LINES, key, SCHEMA)
        except UnicodeEncodeError:  # lone surrogates are no text
            return

        assert find_target(SCHEMA, unquote(path)) == (LINES, key)
        assert read_key(LINES, unquote(path).partition("/")[2]) == key
