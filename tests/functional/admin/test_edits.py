"""New rows, changed rows, deleted rows: /admin/{database}/-/…"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import NullPool, create_engine, text
from webtest import Upload

if TYPE_CHECKING:
    from webtest import TestApp


@pytest.fixture(autouse=True)
def fresh(shop: tuple[TestApp, Any]) -> None:
    """Begin every test with the same rows: these tests write."""
    shop[1].fill()


def run(source: Any, sql: str, **values: Any) -> list[tuple[Any, ...]]:
    """Run a statement beside the admin; return its rows."""
    engine = create_engine(source.url, poolclass=NullPool)
    with engine.begin() as connection:
        result = connection.execute(text(sql), values)
        return [tuple(row) for row in result] if result.returns_rows else []


def field(form: Any, title: str, page: Any) -> Any:
    """Return the control of the column called *title*."""
    label = next(label for label in page.html.select("label.field-label") if label.find(string=True).strip() == title)
    return next(control for controls in form.fields.values() for control in controls if control.id == label["for"])


def tick(form: Any, title: str, page: Any) -> Any:
    """Return the NULL box of a column."""
    name = field(form, title, page).id.removeprefix("field-")
    return next(control for controls in form.fields.values() for control in controls if control.id == f"null-{name}")


def errors(page: Any) -> list[str]:
    """Return the fields that the summary of errors leads to."""
    return [link.text for link in page.html.select("#problems a")]


def test_saves_only_what_was_touched(web: TestApp, source: Any) -> None:
    """A changed field is written; all others stay exactly as they are."""
    page = web.get("/admin/shop/-/edit/customer/1")
    form = page.forms["row"]
    field(form, "email", page).value = "countess@example.org"

    shown = form.submit("then", value="show").follow()

    assert "The row was saved." in shown.text
    assert run(source, "SELECT email, notes, first_name FROM customer WHERE id = 1") == [
        ("countess@example.org", "first line\nsecond line", "Ada")
    ]


def test_writes_nothing_when_nothing_was_touched(web: TestApp, source: Any) -> None:
    """Saving a form as it was shown writes nothing, whatever is in the row."""
    told: list[Any] = []
    for path in ("customer/1", "customer/2", "orders/1", "orders/2", "orders/3", "product/1", "product/2", "order_line/1,2"):
        form = web.get(f"/admin/shop/-/edit/{path}").forms["row"]
        source.bulkhead.on_statement.append(told.append)
        shown = form.submit("then", value="show").follow()
        source.bulkhead.on_statement.clear()

        assert "Nothing was changed." in shown.text
    assert not [statement for statement in told if "UPDATE" in statement.sql.upper().split()]


def test_tells_null_from_the_empty_text(web: TestApp, source: Any) -> None:
    """The box means NULL, an empty field without it the empty text; both can be chosen."""
    page = web.get("/admin/shop/-/edit/customer/1")
    form = page.forms["row"]
    field(form, "email", page).value = ""
    tick(form, "notes", page).checked = True
    form.submit("then", value="show").follow()

    assert run(source, "SELECT email, notes FROM customer WHERE id = 1") == [("", None)]


def test_takes_a_text_that_was_written_over_null(web: TestApp, source: Any) -> None:
    """Who writes into a field that is NULL means the text, also when the box is still ticked."""
    page = web.get("/admin/shop/-/edit/customer/2")
    form = page.forms["row"]
    assert tick(form, "email", page).checked
    field(form, "email", page).value = "emmy@example.org"
    form.submit("then", value="show").follow()

    assert run(source, "SELECT email FROM customer WHERE id = 2") == [("emmy@example.org",)]


def test_empties_what_has_no_empty_text(web: TestApp, source: Any) -> None:
    """An emptied date, number or choice is NULL."""
    page = web.get("/admin/shop/-/edit/customer/1")
    form = page.forms["row"]
    field(form, "birthday", page).value = ""
    field(form, "is_regular", page).value = ""
    form.submit("then", value="show").follow()

    assert run(source, "SELECT birthday, is_regular FROM customer WHERE id = 1") == [(None, None)]


def test_shows_a_value_that_cannot_be_read_beside_its_field(web: TestApp, source: Any) -> None:
    """A wrong value is a field error, 422; what was typed stays, nothing is written."""
    page = web.get("/admin/shop/-/edit/orders/1")
    form = page.forms["row"]
    field(form, "total", page).value = "a lot"
    field(form, "state", page).value = "sent"

    again = form.submit("then", value="show", status=422)

    assert errors(again) == ["total"]
    assert field(again.forms["row"], "total", again).value == "a lot"
    assert field(again.forms["row"], "state", again).value == "sent"
    assert run(source, "SELECT state FROM orders WHERE id = 1") == [("new",)]

    form = again.forms["row"]
    field(form, "total", again).value = "1.50"
    form.submit("then", value="show").follow()
    assert [(state, str(total)) for state, total in run(source, "SELECT state, CAST(total AS char(4)) FROM orders WHERE id = 1")] in (
        [("sent", "1.50")],
        [("sent", "1.5")],
    )


@pytest.mark.parametrize(
    ("path", "column", "value"),
    [
        ("customer/2", "email", "ada@example.org"),  # unique
        ("orders/1", "customer_id", "99"),  # foreign key
        ("order_line/1,1", "quantity", ""),  # not null
        ("orders/1", "ordered_at", "someday"),
    ],
)
def test_shows_a_broken_constraint_beside_its_field(web: TestApp, path: str, column: str, value: str) -> None:
    """A constraint that the database upholds is an error of the field it is about."""
    page = web.get(f"/admin/shop/-/edit/{path}")
    form = page.forms["row"]
    field(form, column, page).value = value

    again = form.submit("then", value="show", status=422)

    assert errors(again) == [column] or ("foreign key" in again.html.select_one("#problems").text and column == "customer_id")


def test_shows_a_broken_check(web: TestApp) -> None:
    """A check names itself above the form."""
    page = web.get("/admin/shop/-/edit/orders/1")
    form = page.forms["row"]
    field(form, "total", page).value = "-1"

    again = form.submit("then", value="show", status=422)

    assert "orders_total_positive" in again.html.select_one("#problems").text


def test_shows_both_versions_of_a_lost_update(web: TestApp, source: Any) -> None:
    """Who is slower sees theirs and yours, and nothing is lost; saving again writes on top."""
    page = web.get("/admin/shop/-/edit/customer/1")
    form = page.forms["row"]
    field(form, "email", page).value = "mine@example.org"
    field(form, "last_name", page).value = "King"
    run(source, "UPDATE customer SET email = 'theirs@example.org', notes = 'theirs' WHERE id = 1")

    again = form.submit("then", value="show", status=412)

    rows = {row.th.text: [cell.text.split() for cell in row.select("td")] for row in again.html.select(".differences tbody tr")}
    assert rows["email"] == [["theirs@example.org", "changed"], ["mine@example.org"], ["both", "changed", "it"]]
    assert rows["notes"] == [["theirs", "changed"], ["not", "touched"], []]
    assert rows["last_name"] == [["Lovelace"], ["King"], []]
    assert run(source, "SELECT email FROM customer WHERE id = 1") == [("theirs@example.org",)]

    again.forms["row"].submit("then", value="show").follow()
    assert run(source, "SELECT email, notes, last_name FROM customer WHERE id = 1") == [("mine@example.org", "theirs", "King")]


def test_refuses_a_row_that_is_gone(web: TestApp, source: Any) -> None:
    """A row that was deleted meanwhile is told as gone."""
    page = web.get("/admin/shop/-/edit/customer/3")
    form = page.forms["row"]
    field(form, "email", page).value = "x"
    run(source, "DELETE FROM customer WHERE id = 3")

    form.submit("then", value="show", status=404)


def test_refuses_a_form_of_a_table_that_has_changed(web: TestApp, source: Any) -> None:
    """After a change of the table its fields mean something else, so the old form is shown again, not saved."""
    page = web.get("/admin/shop/-/edit/customer/1")
    form = page.forms["row"]
    field(form, "email", page).value = "x@example.org"
    run(source, "ALTER TABLE customer ADD COLUMN added integer")
    source.inspect()

    again = form.submit("then", value="show", status=422)

    assert "table has changed" in again.text
    assert run(source, "SELECT email FROM customer WHERE id = 1") == [("ada@example.org",)]


def test_adds_a_row_with_defaults(web: TestApp, source: Any) -> None:
    """What is left empty in a new row is left to the database."""
    page = web.get("/admin/shop/-/new/orders?customer_id=1")
    form = page.forms["row"]
    assert field(form, "customer_id", page).value == "1"
    field(form, "ordered_at", page).value = "2024-05-05T10:00"

    shown = form.submit("then", value="show").follow()

    assert "The row was added." in shown.text
    assert run(source, "SELECT customer_id, state, total FROM orders WHERE id > 3") == [(1, "new", None)]


def test_asks_for_what_a_new_row_must_have(web: TestApp, source: Any) -> None:
    """An empty required field is an error; the empty text can be meant."""
    page = web.get("/admin/shop/-/new/customer")
    form = page.forms["row"]
    field(form, "first_name", page).value = "Sophie"

    again = form.submit("then", value="show", status=422)

    assert errors(again) == ["last_name"]
    form = again.forms["row"]
    form["blank"].checked = True
    form.submit("then", value="show").follow()
    assert run(source, "SELECT last_name, email, notes FROM customer WHERE first_name = 'Sophie'") == [("", None, None)]


def test_goes_on_as_the_button_says(web: TestApp) -> None:
    """Save leads to the row, Save and continue back to the form, Save and add another to an empty one."""
    page = web.get("/admin/shop/-/edit/customer/1")
    assert page.forms["row"].submit("then", value="show").location.endswith("/admin/shop/customer/1")
    assert page.forms["row"].submit("then", value="edit").location.endswith("/admin/shop/-/edit/customer/1")
    page = web.get("/admin/shop/-/new/empty_one")
    assert page.forms["row"].submit("then", value="another").location.endswith("/admin/shop/-/new/empty_one")


def test_saves_as_a_copy(web: TestApp, source: Any) -> None:
    """A copy has everything of the row, bytes too, but for the key that the database makes."""
    page = web.get("/admin/shop/-/edit/product/1")
    form = page.forms["row"]
    field(form, "name", page).value = "Abacus II"

    shown = form.submit("then", value="copy").follow()

    assert "The copy was added." in shown.text
    rows = run(source, "SELECT name, price, photo FROM product WHERE name LIKE 'Abacus%' ORDER BY id")
    assert [name for name, _price, _photo in rows] == ["Abacus", "Abacus II"]
    assert [bytes(photo) for _name, _price, photo in rows] == [b"\x00\xff\x10"] * 2


def test_begins_a_copy_as_a_form(web: TestApp) -> None:
    """Copy opens the form of a new row with the values of the old one."""
    page = web.get("/admin/shop/-/copy/product/1")
    form = page.forms["row"]

    assert field(form, "name", page).value == "Abacus"
    assert field(form, "id", page).value == ""


def test_follows_a_changed_key(web: TestApp, source: Any) -> None:
    """A row whose key was changed is shown under its new address."""
    page = web.get("/admin/shop/-/edit/order_line/1,2")
    form = page.forms["row"]
    field(form, "order_id", page).value = "2"

    answer = form.submit("then", value="show")

    assert answer.location.endswith("/admin/shop/order_line/2,2")


def test_edits_json(web: TestApp, source: Any) -> None:
    """JSON is checked, and its numbers keep their digits when it is not touched."""
    page = web.get("/admin/shop/-/edit/product/1")
    form = page.forms["row"]
    field(form, "details", page).value = '{"broken"'
    assert errors(form.submit("then", value="show", status=422)) == ["details"]

    field(form, "details", page).value = '{"weight": 0.30, "tags": ["x"]}'
    shown = form.submit("then", value="show").follow()
    assert "0.3" in shown.text
    assert "tags" in shown.text


def test_uploads_and_downloads_bytes(web: TestApp, source: Any) -> None:
    """Bytes are shown as their size, can be fetched and replaced, and stay where no file is chosen."""
    assert "3 bytes" in web.get("/admin/shop/product/1").text
    assert web.get("/admin/shop/-/cell/product/1?column=photo").body == b"\x00\xff\x10"

    page = web.get("/admin/shop/-/edit/product/1")
    form = page.forms["row"]
    field(form, "photo", page).value = Upload("x.bin", b"\x01\x02")
    form.submit("then", value="show").follow()
    assert web.get("/admin/shop/-/cell/product/1?column=photo").body == b"\x01\x02"


def test_offers_a_download_that_no_browser_opens(web: TestApp) -> None:
    """A value of the database is sent as a file, never as a page."""
    answer = web.get("/admin/shop/-/cell/customer/3?column=first_name")

    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.content_type == "application/octet-stream"
    assert answer.body == b"<b>Bobby</b>"


def test_says_what_goes_along_and_what_is_in_the_way(web: TestApp) -> None:
    """The page before deleting counts what would go along, and what the database will not let go."""
    assert "Deleted along with it" in web.get("/admin/shop/-/delete/orders/1").text
    page = web.get("/admin/shop/-/delete/customer/1")
    assert "In the way" in page.text
    assert "No other row points at this one." in web.get("/admin/shop/-/delete/customer/3").text


def test_deletes(web: TestApp, source: Any) -> None:
    """Delete takes the row, and what the database lets go along."""
    form = next(form for form in web.get("/admin/shop/-/delete/orders/1").forms.values() if "_tag" in form.fields)

    shown = form.submit().follow()

    assert "The row was deleted." in shown.text
    assert run(source, "SELECT count(*) FROM order_line WHERE order_id = 1") == [(0,)]


def test_keeps_what_the_database_does_not_let_go(web: TestApp, source: Any) -> None:
    """A row that others point at stays, and the page says so."""
    form = next(form for form in web.get("/admin/shop/-/delete/customer/1").forms.values() if "_tag" in form.fields)

    answer = form.submit(status=409)

    assert "foreign key" in answer.html.select_one("#problems").text.lower()
    assert run(source, "SELECT count(*) FROM customer") == [(3,)]


def test_does_not_delete_a_row_that_somebody_changed(web: TestApp, source: Any) -> None:
    """What was changed since it was looked at is looked at again first."""
    form = next(form for form in web.get("/admin/shop/-/delete/customer/3").forms.values() if "_tag" in form.fields)
    run(source, "UPDATE customer SET notes = 'important' WHERE id = 3")

    form.submit(status=412)

    assert run(source, "SELECT count(*) FROM customer") == [(3,)]


def test_shows_related_rows_with_their_counts(web: TestApp) -> None:
    """A row lists who points at it; without a script the counts come on demand."""
    page = web.get("/admin/shop/customer/1")
    assert page.html.select_one(".related a")["href"] == "/admin/shop/orders?where=customer_id%3Ais%3A1"

    assert page.click("Count them").html.select_one(".related .count").text == "2 rows"


@pytest.mark.parametrize("operation", ["new/customer", "edit/customer/1", "copy/customer/1", "delete/customer/1"])
def test_refuses_writing_on_a_read_only_connection(web: TestApp, source: Any, operation: str) -> None:
    """Pages that write are refused with the reason."""
    source.change(writable=False)

    assert "This connection is read-only." in web.get(f"/admin/shop/-/{operation}", status=405).text


@pytest.mark.parametrize(
    "body", [b"", b"_seen=%7B%7B&_tag=x", b"__start__=c0:mapping", b"__start__=c0%3Amapping&c0=\xff&__end__=c0%3Amapping"]
)
def test_survives_forms_that_no_page_made(web: TestApp, body: bytes) -> None:
    """A broken form is a clear refusal, never a failure."""
    answer = web.post("/admin/shop/-/edit/customer/1", body, content_type="application/x-www-form-urlencoded", expect_errors=True)

    assert 400 <= answer.status_int < 500
