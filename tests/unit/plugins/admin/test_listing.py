"""The address of a list: read, changed, printed."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qapla.database.query.description import And, Compare, Order, Path
from qapla.database.schema.description import Column, ColumnType, Identity, Relation, Table, TableName
from qapla.errors import QueryError
from qapla.plugins.admin.listing import Filter, Listing, Sort, make_query, parse
from qapla.plugins.admin.views.records import related_listing

TABLE = Table(
    TableName(None, "orders"),
    "table",
    (Column("id", ColumnType("integer", "integer")), Column('odd:"name', ColumnType("text", "text"))),
    identity=Identity("primary_key", ("id",)),
)
NAMES = st.text(min_size=1)
WORDS = st.text().map(lambda text: " ".join(text.split())[:200].strip())
LISTINGS = st.builds(
    Listing,
    filters=st.lists(st.builds(Filter, NAMES, st.sampled_from(["is", "gt", "has"]), st.text()), max_size=5).map(tuple),
    sorts=st.lists(st.builds(Sort, NAMES, st.booleans()), max_size=3).map(tuple),
    words=WORDS,
    size=st.sampled_from([20, 50, 200]),
    after=st.text(),
    start=st.integers(0, 10**6),
    exact=st.booleans(),
    schema=st.text(),
)


@given(LISTINGS)
def test_reads_what_it_prints(listing: Listing) -> None:
    """Printing and reading are inverse, whatever columns are called and values hold."""
    assert parse(listing.print()) == listing


@given(st.lists(st.tuples(st.sampled_from(["where", "sort", "q", "size", "after", "start", "count", "x"]), st.text())))
def test_reads_or_refuses_any_address(pairs: list[tuple[str, str]]) -> None:
    """Any parameters are a listing or a QueryError."""
    with suppress(QueryError):
        assert isinstance(parse(pairs), Listing)


def test_makes_a_query() -> None:
    """Filters, order and size become those of the query."""
    listing = parse([("where", "id:between:1..5"), ("where", '"odd:\\"name":has:50%'), ("sort", "-id"), ("size", "20")])

    query = make_query(listing, TABLE)

    assert query.where == And(
        (And((Compare(Path("id"), "gte", "1"), Compare(Path("id"), "lte", "5"))), Compare(Path('odd:"name'), "ilike", "%50\\%%"))
    )
    assert query.order == (Order(Path("id"), descending=True),)
    assert query.window.limit == 20


def test_begins_at_the_first_page_when_rows_change() -> None:
    """Another filter or another order starts at the first page; other filters stay."""
    listing = Listing(filters=(Filter("a", "is", "1"),), after="token", exact=True)

    more = listing.with_filter(Filter("b", "gt", "2"))

    assert more == Listing(filters=(Filter("a", "is", "1"), Filter("b", "gt", "2")))
    assert more.without_filter(Filter("b", "gt", "2")).filters == listing.filters
    assert listing.sorted_by("a").after == ""


def test_sorts_in_three_steps() -> None:
    """A header sorts upwards, downwards, then not."""
    once = Listing().sorted_by("a")
    twice = once.sorted_by("a")

    assert (once.sorts, twice.sorts, twice.sorted_by("a").sorts) == ((Sort("a"),), (Sort("a", descending=True),), ())


@pytest.mark.parametrize("pair", [("where", "id"), ("where", "id:GT:1"), ("size", "-1"), ("size", "201"), ("start", "1e3")])
def test_names_the_parameter_that_cannot_be_read(pair: tuple[str, str]) -> None:
    """A refusal says which parameter it is about."""
    with pytest.raises(QueryError, match=f"parameter '{pair[0]}'"):
        parse([pair])


def test_names_the_nearest_column() -> None:
    """An unknown column is refused with the one that was probably meant."""
    with pytest.raises(QueryError, match="did you mean 'id'"):
        make_query(parse([("sort", "idd")]), TABLE)


def test_lists_what_points_at_a_row_by_columns() -> None:
    """A function of the row is no filter of a list."""
    key = Relation("line", "to_many", TABLE.name, TableName(None, "line"), ("id",), ("order_id",))
    function = Relation("lines", "to_many", TABLE.name, TableName(None, "line"), (), (), function=TableName(None, "lines"))

    assert related_listing(key, {"id": 7}) == Listing(filters=(Filter("order_id", "is", "7"),))
    assert related_listing(function, {"id": 7}) is None
