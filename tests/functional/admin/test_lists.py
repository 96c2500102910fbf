"""Lists: /admin/{database}/{table}"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import NullPool, create_engine, text
from webob import Request

from qapla.ports import READ_RIGHTS, FixedRights, Identity
from qapla.testing.statements import at_most

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webtest import TestApp


def first_column(page: object) -> list[str]:
    """Return the keys of the rows of a list."""
    return [row.select("td.num")[0].text.strip() for row in page.html.select("table.data tbody tr")]  # type: ignore[attr-defined]


def test_shows_rows_with_the_labels_of_what_they_point_at(web: TestApp) -> None:
    """A foreign key is shown as the name of its row and leads there."""
    page = web.get("/admin/shop/orders")

    link = page.html.select_one('table.data a[href="/admin/shop/customer/1"]')
    assert link.text == "Ada Lovelace"
    assert page.html.select_one("#count").text == "3 rows"


def test_costs_one_statement(web: TestApp, source: object) -> None:
    """A page of a list is one statement, labels and filters and all."""
    web.get("/admin/shop/orders")

    with at_most(1, source.bulkhead):  # type: ignore[attr-defined]
        web.get("/admin/shop/orders?where=total:gt:1&sort=-total&q=new")


def test_escapes_what_is_in_the_database(web: TestApp) -> None:
    """Text of the database is text in the page."""
    page = web.get("/admin/shop/customer")

    assert "<b>Bobby</b>" not in page.text
    assert "&lt;b&gt;Bobby&lt;/b&gt;" in page.text


def test_tells_null_from_the_empty_text(web: TestApp) -> None:
    """NULL and the empty text look different."""
    row = web.get("/admin/shop/customer?where=id:is:2").html.select("table.data tbody td")

    assert [cell.text for cell in row if "null" in str(cell)] == ["NULL", "NULL", "NULL", "empty text"]


@pytest.mark.parametrize(
    ("table", "filter", "keys"),
    [
        ("customer", "last_name:has:LOVE", ["1"]),
        ("customer", "last_name:hasnot:love", ["2", "3"]),
        ("customer", "email:hasnot:ada", ["2", "3"]),
        ("customer", "first_name:starts:e", ["2"]),
        ("customer", "notes:empty:", ["2"]),
        ("customer", "email:null:", ["2"]),
        ("customer", "email:notnull:", ["1", "3"]),
        ("customer", "email:isnot:ada@example.org", ["2", "3"]),
        ("customer", "is_regular:true:", ["1"]),
        ("customer", "is_regular:false:", ["3"]),
        ("customer", "birthday:lt:1900-01-01", ["1"]),
        ("orders", "total:between:10..20", ["2"]),
        ("orders", "id:in:1, 3", ["1", "3"]),
        ("orders", "ordered_at:on:2024-02-01", ["2"]),
        ("orders", "ordered_at:gte:2024-02-01 11:30:15", ["2", "3"]),
    ],
)
def test_filters(web: TestApp, table: str, filter: str, keys: list[str]) -> None:
    """Each filter keeps the rows it says."""
    page = web.get(f"/admin/shop/{table}", {"where": filter})

    assert first_column(page) == keys


def test_shows_each_filter_as_a_chip_that_takes_it_back(web: TestApp) -> None:
    """A chip says its filter in words and leads to the list without it."""
    page = web.get("/admin/shop/orders?where=total:gt:1&where=state:is:sent")
    chips = page.html.select(".chip")

    assert [" ".join(chip.select_one(".chip-text").text.split()) for chip in chips] == ["total is greater than 1", "state is sent"]
    assert chips[0].a["href"] == "/admin/shop/orders?where=state%3Ais%3Asent"


def test_adds_a_filter_from_a_plain_form(web: TestApp) -> None:
    """The filter form works without a script: it leads to the address with the filter in it."""
    form = next(form for form in web.get("/admin/shop/orders?sort=-id").forms.values() if "column" in form.fields)
    form["column"] = "total"
    form["op"].force_value("gt")
    form["value"] = "100"

    page = form.submit().follow()

    assert page.request.params.getall("where") == ["total:gt:100"]
    assert page.request.params.getall("sort") == ["-id"]
    assert first_column(page) == ["1"]


def test_searches_in_texts(web: TestApp) -> None:
    """The quick search finds rows by any text in them."""
    page = web.get("/admin/shop/customer?q=noether")

    assert first_column(page) == ["2"]


def test_sorts_by_a_header(web: TestApp) -> None:
    """A header sorts upwards, then downwards, and says so."""
    page = web.get("/admin/shop/customer").click("last_name")
    assert page.html.select_one('th[aria-sort="ascending"]').text.strip() == "last_name"
    assert first_column(page) == ["1", "2", "3"]

    page = page.click("last_name")
    assert page.html.select_one('th[aria-sort="descending"]').text.strip() == "last_name"
    assert first_column(page) == ["3", "2", "1"]


@pytest.fixture
def many(web: TestApp, source: object) -> Iterator[TestApp]:
    """Give the table empty_one 45 rows, many with equal words."""
    engine = create_engine(source.url, poolclass=NullPool)  # type: ignore[attr-defined]
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO empty_one (id, word) VALUES (:id, :word)"), [{"id": n, "word": f"w{n % 3}"} for n in range(1, 46)]
        )
    yield web
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM empty_one"))


@pytest.mark.parametrize("sort", ["", "&sort=word", "&sort=-word"])
def test_pages_there_and_back(many: TestApp, sort: str) -> None:
    """Next and previous show every row once, in the list's order, whatever it is sorted by."""
    page = many.get(f"/admin/shop/empty_one?size=20{sort}")
    seen = [first_column(page)]
    while page.html.select_one("[data-key-next]"):
        page = page.click(linkid=None, description="Next")
        seen.append(first_column(page))
    back = []
    while page.html.select_one("[data-key-previous]"):
        page = page.click(description="Previous")
        back.append(first_column(page))

    assert sorted(int(key) for keys in seen for key in keys) == list(range(1, 46))
    assert back == seen[-2::-1]


def test_counts_exactly_when_asked(many: TestApp) -> None:
    """A list that goes on says so, and counts on demand."""
    page = many.get("/admin/shop/empty_one?size=20&where=word:is:w1")
    counted = many.get("/admin/shop/-/count/empty_one?size=20&where=word:isnot:w1")

    assert page.html.select_one("#count").text.strip() == "15 rows"
    assert counted.text.strip() == "30 rows"
    assert many.get("/admin/shop/empty_one?size=20&count=exact").html.select_one("#count").text.strip() == "45 rows"


def test_pages_by_offset_where_rows_have_no_key(web: TestApp) -> None:
    """A table without a key is shown too, read only, and says why."""
    page = web.get("/admin/shop/note")

    assert len(page.html.select("table.data tbody tr")) == 3
    assert "cannot be told apart" in page.text
    assert not page.html.select("td.open")


def test_says_why_a_list_is_empty(web: TestApp) -> None:
    """An empty table and filters that nothing passes are told apart."""
    assert "This table is empty" in web.get("/admin/shop/empty_one").text
    assert "No rows match" in web.get("/admin/shop/customer?q=nobody-is-called-that").text


def test_sends_csv_that_no_spreadsheet_runs(web: TestApp) -> None:
    """The CSV has all rows of the list, and formulas in it are text."""
    answer = web.get("/admin/shop/-/csv/customer?where=id:gt:1")

    assert answer.content_type == "text/csv"
    lines = answer.text.splitlines()
    assert len(lines) == 3
    assert lines[2].endswith(",'=1+1")


@pytest.mark.parametrize(
    "query",
    [
        "where=nonsense", "where=gone:is:1", "where=total:has:1", "where=total:gt:abc", "where=total:between:1", "where=ordered_at:on:soon",
        "where=ordered_at:gt:soon", "sort=gone", "after=nonsense", "size=9999", "size=x", "where=id:gt:" + "9" * 5000,
    ],
)  # fmt: skip
def test_says_what_is_wrong_with_an_address(web: TestApp, query: str) -> None:
    """An address that makes no list is answered with what is wrong in it, as a page with the way back."""
    page = web.get(f"/admin/shop/orders?{query}", status=400)

    assert "This list cannot be made." in page.text


def test_survives_characters_that_no_text_has(web: TestApp) -> None:
    """A NUL in a filter finds nothing, or is refused where the engine has no such text."""
    assert web.get("/admin/shop/orders?where=state:is:%00", expect_errors=True).status_int in {200, 400}


def test_keeps_the_other_filters_of_a_list_that_cannot_be_made(web: TestApp) -> None:
    """A wrong filter stays as a chip that can be removed."""
    page = web.get("/admin/shop/orders?where=total:gt:abc&where=state:is:new", status=400)

    assert len(page.html.select(".chip")) == 2


def test_offers_no_writing_on_a_read_only_connection(web: TestApp, source: object) -> None:
    """A connection that is read only has no buttons that write, and says why."""
    source.change(writable=False)  # type: ignore[attr-defined]

    page = web.get("/admin/shop/customer")

    assert "New row" not in page.text.replace("New row</dd>", "")
    assert "This connection is read-only." in page.text


def test_hides_what_the_caller_may_not_do(web: TestApp, source: object) -> None:
    """Who may only read sees no buttons that write, and no form that could not be saved."""
    source.given = READ_RIGHTS  # type: ignore[attr-defined]

    assert not web.get("/admin/shop/customer").html.select("[data-key-new]")
    assert not web.get("/admin/shop/customer/1").html.select("[data-key-edit]")
    for path in ("-/edit/customer/1", "-/new/customer", "-/copy/customer/1", "-/delete/customer/1"):
        web.get(f"/admin/shop/{path}", status=403)


def test_refuses_tables_that_the_caller_may_not_read(web: TestApp, source: object) -> None:
    """Without any right there is no list, no row, no picker, no count, no CSV, no form, and no hint at what is there."""
    source.given = FixedRights(frozenset())  # type: ignore[attr-defined]

    paths = ("customer", "customer/1", "-/csv/customer", "-/count/customer", "-/cell/customer/1?column=notes", "-/new/customer", "custmer")
    for path in paths:
        assert "name" not in web.get(f"/admin/shop/{path}", status=403).html.select_one("main").text
    assert "customer" not in web.get("/admin/-/jump?q=cust").html.select_one(".found-list").text


def test_asks_strangers_to_log_in(web: TestApp, source: object) -> None:
    """Nobody sees anything without a login, also not whether a table is there."""
    source.identity = Identity("anonymous")  # type: ignore[attr-defined]

    for path in ("customer", "no_such_table", "customer/1", "-/csv/customer"):
        answer = web.get(f"/admin/shop/{path}", status=303)
        assert "/admin/-/login" in answer.location


def test_names_what_is_not_there(web: TestApp) -> None:
    """An unknown database, table or row is a page that says so."""
    assert "no database is called" in web.get("/admin/shp/orders", status=404).text.lower()
    assert "did you mean" in web.get("/admin/shop/order", status=404).text
    assert "There is no row" in web.get("/admin/shop/orders/99", status=404).text


def test_refuses_an_address_that_is_not_utf_8(web: TestApp) -> None:
    """Bytes that are no text are a bad request."""
    request = Request.blank("/admin/shop/orders/")
    request.environ["PATH_INFO"] = "/admin/shop/orders/\xff"

    assert request.call_application(web.app)[0] == "400 Bad Request"


def test_jumps_to_tables_by_parts_of_their_names(web: TestApp) -> None:
    """The jump box finds tables by any words of database and table."""
    found = web.get("/admin/-/jump?q=shop+line", headers={"HX-Request": "true"})

    assert [link["href"] for link in found.html.select("a")] == ["/admin/shop/order_line"]


def test_picks_rows_by_words_and_by_key(web: TestApp) -> None:
    """The picker of a foreign key finds rows by their text and by the key itself."""
    assert web.get("/admin/shop/-/pick/orders?column=customer_id&q=emmy").json == [{"value": "2", "text": "Emmy Noether"}]
    assert web.get("/admin/shop/-/pick/orders?column=customer_id&q=1").json[0] == {"value": "1", "text": "Ada Lovelace"}
    assert len(web.get("/admin/shop/-/pick/orders?column=customer_id").json) == 3


def test_sends_a_strict_policy_and_no_inline_script(web: TestApp) -> None:
    """Pages allow nothing inline, and have nothing inline."""
    page = web.get("/admin/shop/orders")

    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=", page.text)
