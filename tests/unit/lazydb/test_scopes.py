"""Rights by database, table, operation, column and row, as they are written and kept."""

from __future__ import annotations

from typing import Any

import pytest

from lazydb.scopes import OPERATIONS, ScopedRights, check_rights, read_pair, read_tables, text_of
from qapla.errors import InputError
from qapla.ports import FixedRights


def make(rights: dict[str, Any], base: str = "none", anybody: str = "none") -> ScopedRights:
    """Return the rights of somebody in the database ``shop``."""
    return ScopedRights(FixedRights(OPERATIONS[base]), FixedRights(OPERATIONS[anybody]), read_tables(rights, "shop"), "public")


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("shop=read", ("shop", "read")),
        ("*=write", ("*", "write")),
        ("shop.orders=select+insert", ("shop.orders", "select+insert")),
        ("shop.sales.orders=none", ("shop.sales.orders", "none")),
        ("shop.orders(id, total)=read", ("shop.orders", {"right": "read", "columns": ["id", "total"]})),
        ("shop.orders?customer_id=eq.5&total=gt.1=read", ("shop.orders", {"right": "read", "rows": "customer_id=eq.5&total=gt.1"})),
        ("shop.o(id)?id=in.(1,2)=write", ("shop.o", {"right": "write", "columns": ["id"], "rows": "id=in.(1,2)"})),
    ],
)
def test_is_read_from_one_text(text: str, pair: tuple[str, Any]) -> None:
    """The right is what stands behind the last sign of equality."""
    assert read_pair(text) == pair
    assert check_rights(dict([pair])) == dict([pair])


@pytest.mark.parametrize("text", ["", "shop", "=read", "shop.=read", "shop.orders()=read", "../x=read", "a b=read"])
def test_is_refused_where_it_cannot_be_read(text: str) -> None:
    """With what was written."""
    with pytest.raises(InputError, match="cannot be read"):
        read_pair(text)


@pytest.mark.parametrize(
    "rights",
    [
        {"shop": "all"},
        {"shop": {"right": "read"}},
        {"shop": "select"},
        {"*.orders": "read"},
        {"shop.orders": "drop"},
        {"shop.orders": "select+execute"},
        {"shop.orders": {"right": "read", "columns": []}},
        {"shop.orders": {"right": "read", "columns": "id"}},
        {"shop.orders": {"right": "read", "rows": "id"}},
        {"shop.orders": {"right": "read", "rows": "order=id"}},
        {"shop.orders": {"right": "read", "rows": "id=eq.1&limit=1"}},
        {"shop.orders": {"right": "read", "rows": "id=eq.1&select=id"}},
        {"shop.orders": {"right": "read", "rows": "customer.id=eq.1"}},
        {"shop.orders": {"right": "read", "rows": ""}},
        {"shop.orders": {"right": "read", "role": "x"}},
        {"shop.orders": {"columns": ["id"]}},
        {f"shop.t{number}": "read" for number in range(1001)},
    ],
)
def test_is_checked_before_it_is_kept(rights: dict[str, Any]) -> None:
    """What nobody would understand later is refused."""
    with pytest.raises(InputError):
        check_rights(rights)


def test_holds_for_a_table_in_place_of_its_database() -> None:
    """By its name with the schema, or without it in the default one."""
    rights = make({"shop.orders": "none", "shop.other.orders": "write", "shop.people": {"right": "read", "columns": ["id"]}}, "read")

    assert not rights.allows("select", "public", "orders")
    assert rights.allows("delete", "other", "orders")
    assert rights.allows("select", "public", "items", "id")
    assert not rights.allows("insert", "public", "items")
    assert rights.allows("select", "public", "people", "id")
    assert not rights.allows("select", "public", "people", "name")


def test_is_at_least_what_anybody_may() -> None:
    """Somebody known is not shut out; the rows are those of the right all the same."""
    rights = make({"shop.orders": {"right": "none", "rows": "id=eq.1"}}, anybody="read")

    assert rights.allows("select", "public", "orders", "total")
    assert not rights.allows("update", "public", "orders")
    assert rights.rows("public", "orders") is not None
    assert rights.rows("public", "items") is None


@pytest.mark.parametrize(
    ("tables", "may_call"),
    [
        ({"shop.orders": "write"}, True),
        ({"shop.orders": "none"}, False),
        ({"shop.orders": {"right": "write", "columns": ["id"]}}, False),
        ({"shop.orders": {"right": "write", "rows": "id=eq.1"}}, False),
    ],
)
def test_lets_nobody_call_functions_around_it(tables: dict[str, Any], may_call: bool) -> None:
    """A function may read what its caller may not."""
    assert make(tables, "read").allows("execute", "public", "f") is may_call


def test_allows_nothing_where_it_is_not_understood_any_more() -> None:
    """A registry of another release opens no table."""
    assert not make({"shop.orders": {"right": "everything"}}, "write").allows("select", "public", "orders")


def test_is_told_in_one_line() -> None:
    """For lists."""
    rights = {"*": "read", "shop.orders": {"right": "write", "columns": ["id", "total"], "rows": "id=eq.1"}}

    assert text_of(rights) == "read everywhere, write shop.orders(id, total) where id=eq.1"
    assert text_of({}) == "none"
