"""The part of the contract of engines about long lists: pages by keyset cursors, counts, streams."""

from __future__ import annotations

import json

import pytest

from qapla.database.catalog import Served
from qapla.database.query.cursor import read_cursor, write_cursor
from qapla.database.query.description import Or, Order, Path, Query, Selection, Window
from qapla.driver.table_read import TableReadDriver
from qapla.errors import QueryError
from qapla.ports import READ_RIGHTS
from qapla.testing.contracts.questions import Read, ReadingFixtures, fields, ids
from qapla.testing.served import table_name


class PageContract(ReadingFixtures):
    """How a list is read piece by piece."""

    @pytest.mark.parametrize(
        "order",
        [
            (),
            (Order(Path("total")),),
            (Order(Path("total"), descending=True),),
            (Order(Path("total"), nulls="first"),),
            (Order(Path("total"), descending=True, nulls="last"),),
            (Order(Path("client_id")), Order(Path("total"), descending=True)),
            (Order(Path("made"), descending=True, nulls="last"), Order(Path("client_id"), nulls="first")),
            (Order(Path("name"), descending=True, embed="client"), Order(Path("total"))),
        ],
    )
    def test_keyset_pages_are_the_list(self, read: Read, order: tuple[Order, ...]) -> None:
        """Walking forward and back by cursors shows every row once, in the order of the whole list, with NULLs and in any direction."""
        whole = ids(read("orders", order=(*order, Order(Path("id"), descending=bool(order) and order[-1].descending))))

        forward, page = [], read("orders", order=order, window=Window(limit=1))
        while True:
            forward.extend(ids(page))
            if not page.more:
                break
            assert page.last is not None
            cursor = read_cursor(write_cursor(page.last), order)
            page = read("orders", order=order, window=Window(limit=1, after=cursor))
        back = ids(page)
        while page.first is not None:
            page = read("orders", order=order, window=Window(limit=1, after=page.first))
            back[:0] = ids(page)

        assert forward == whole
        assert back == whole

    def test_keyset_pages_by_a_composite_key(self, read: Read) -> None:
        """A key of two columns is a place like any other, also where the rows do not show it."""
        first = read("line", Selection(fields("what")), window=Window(limit=2))

        second = read("line", Selection(fields("what")), window=Window(limit=2, after=first.last))

        assert [row["what"] for row in first.rows() + second.rows()] == ["pen", "ink", "desk"]
        assert (first.more, second.more) == (True, False)

    def test_a_count_does_not_need_rows(self, read: Read) -> None:
        """Behind the last row the page is empty and the total still right."""
        page = read("orders", window=Window(limit=2, offset=10), count="exact")

        assert (page.body, page.count_rows, page.total, page.more) == (b"[]", 0, 4, False)

    def test_streams_print_the_same_rows(self, read: Read, shop: Served) -> None:
        """JSON, lines and CSV hold what a page holds; NULL and the empty text differ in CSV."""
        reader = TableReadDriver(shop, READ_RIGHTS)
        query = Query(table_name(shop, "client"), Selection(fields("id", "name", "vip", "note")), order=(Order(Path("id")),))
        page = reader.page(query)

        whole = b"".join(reader.stream(query, "json", size_rows=2))
        lines = b"".join(reader.stream(query, "ndjson", size_rows=2)).decode().splitlines()
        csv = b"".join(reader.stream(query, "csv", size_rows=2)).decode()

        assert whole == page.body
        assert [json.loads(line) for line in lines] == page.rows()
        assert csv == 'id,name,vip,note\n1,Ann,true,\n2,"bob ""x"" é😀",false,50%_off\n3,Cy,,""\n'

    def test_an_empty_stream_is_well_formed(self, shop: Served) -> None:
        """No row: an empty array, no line, a header."""
        reader = TableReadDriver(shop, READ_RIGHTS)
        query = Query(table_name(shop, "tag"), where=Or(()), window=Window(limit=5))

        assert b"".join(reader.stream(query, "json")) == b"[]"
        assert b"".join(reader.stream(query, "ndjson")) == b""
        assert b"".join(reader.stream(query, "csv")) == b"id,label\n"

    def test_a_stream_keeps_to_its_limit(self, shop: Served) -> None:
        """``limit`` holds for a stream as for a page."""
        reader = TableReadDriver(shop, READ_RIGHTS)
        query = Query(table_name(shop, "orders"), Selection(fields("id")), order=(Order(Path("id")),), window=Window(limit=3))

        assert json.loads(b"".join(reader.stream(query, "json", size_rows=2))) == [{"id": 1}, {"id": 2}, {"id": 3}]

    def test_a_stream_that_fails_fails_before_the_first_byte(self, shop: Served) -> None:
        """What is wrong with the question is an ordinary error, not a broken answer."""
        with pytest.raises(QueryError, match="nope does not exist"):
            TableReadDriver(shop, READ_RIGHTS).stream(Query(table_name(shop, "tag"), Selection(fields("nope"))), "csv")
