"""The admin's pages in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

PAGES = {
    "list": "/admin/shop/orders",
    "filtered": "/admin/shop/customer?where=last_name:has:o&sort=-last_name",
    "empty": "/admin/shop/empty_one",
    "wrong": "/admin/shop/orders?where=total:gt:abc",
    "row": "/admin/shop/customer/1",
    "edit": "/admin/shop/-/edit/orders/1",
    "new": "/admin/shop/-/new/product",
    "delete": "/admin/shop/-/delete/customer/1",
    "jump": "/admin/-/jump",
    "missing": "/admin/shop/nowhere",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_is_accessible(page: Any, name: str, scheme: str) -> None:
    """No page has a fault that axe finds by the rules of WCAG 2.2 AA, in either colours."""
    page.emulate_media(color_scheme=scheme)
    page.goto(PAGES[name])

    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]})

    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("name", PAGES)
def test_fits_a_phone(page: Any, name: str) -> None:
    """No page is wider than a phone; wide tables scroll inside themselves."""
    page.set_viewport_size({"width": 390, "height": 780})
    page.goto(PAGES[name])

    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("name", ["list", "edit"])
def test_is_light(page: Any, name: str) -> None:
    """A page and everything it needs weighs less than 110 KB on the wire."""
    weights: list[int] = []
    page.on("requestfinished", lambda request: weights.append(request.sizes()["responseBodySize"]))
    page.goto(PAGES[name], wait_until="networkidle")

    assert sum(weights) < 110_000


def test_finds_while_typing(page: Any) -> None:
    """The list follows the search without a new page, and the address follows the list."""
    page.goto("/admin/shop/customer")
    page.get_by_label("Search in this list").fill("noether")

    page.get_by_role("cell", name="Ada", exact=True).wait_for(state="detached")
    assert "q=noether" in page.url
    assert page.get_by_label("Search in this list").input_value() == "noether"


def test_offers_the_filters_of_the_chosen_column(page: Any) -> None:
    """The choice of filters follows the column; the filter becomes a chip, and goes with it."""
    page.goto("/admin/shop/orders")
    page.keyboard.press("f")
    page.get_by_label("Column").select_option("total")
    assert "is between" in page.locator("#filter-op").inner_text()
    page.locator("#filter-op").select_option("null")
    assert not page.get_by_label("Value").is_visible()
    page.locator("#filter-op").select_option("gt")
    page.get_by_label("Value").fill("50")
    page.get_by_role("button", name="Add").click()

    page.locator(".chip").wait_for()
    assert page.locator("table.data tbody tr").count() == 1
    page.get_by_role("link", name="Remove the filter").click()
    page.locator(".chip").wait_for(state="detached")
    assert page.locator("table.data tbody tr").count() == 3


def test_counts_related_rows(page: Any) -> None:
    """The counts of related rows come by themselves."""
    page.goto("/admin/shop/customer/1")

    page.get_by_text("2 rows").wait_for()


def test_picks_a_row_by_its_name(page: Any, site: tuple[str, Any]) -> None:
    """A foreign key is picked by the name of its row, and saved as its key."""
    page.goto("/admin/shop/-/edit/orders/1")
    page.locator(".ts-control", has_text="Ada Lovelace").click()
    page.keyboard.type("emmy")
    page.locator(".ts-dropdown .option", has_text="Emmy Noether").click()
    page.get_by_role("button", name="Save", exact=True).click()

    page.get_by_text("The row was saved.").wait_for()
    assert page.get_by_role("link", name="Emmy Noether").is_visible()


def test_tells_null_by_a_box_that_follows_the_text(page: Any) -> None:
    """Writing takes NULL back; NULL puts the text aside, and gives it back."""
    page.goto("/admin/shop/-/edit/customer/1")
    field, box = page.get_by_label("email", exact=True), page.get_by_label("NULL, email")
    box.check()
    assert field.input_value() == ""
    box.uncheck()
    assert field.input_value() == "ada@example.org"
    box.check()
    field.type("x")
    assert not box.is_checked()


def test_asks_before_changes_are_lost(page: Any) -> None:
    """Leaving with unsaved changes asks; without any it does not."""
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.goto("/admin/shop/-/edit/customer/1")
    page.goto("/admin/shop/-/edit/customer/1")
    assert asked == []
    page.get_by_label("email", exact=True).press("x")
    page.goto("/admin/shop/customer")
    assert asked == ["beforeunload"]


def test_jumps_by_keyboard(page: Any) -> None:
    """A slash opens the jump box, Enter goes to the first that is found."""
    page.goto("/admin/shop/customer")
    page.keyboard.press("/")
    page.keyboard.type("line")
    page.locator("#jump-found a", has_text="order_line").wait_for()
    page.locator("#jump-found a", has_text="customer").wait_for(state="detached")
    page.keyboard.press("Enter")

    page.wait_for_url("**/admin/shop/order_line")


def test_lists_the_keys(page: Any) -> None:
    """A question mark lists the keys, Escape closes the list."""
    page.goto("/admin/shop/customer")
    page.keyboard.press("?")
    assert page.get_by_role("heading", name="Keys").is_visible()
    page.keyboard.press("Escape")
    assert not page.get_by_role("heading", name="Keys").is_visible()


def test_keeps_the_chosen_colours(page: Any) -> None:
    """The switch goes from the system's colours to light to dark, and the next page comes in them."""
    page.goto("/admin/shop/customer")
    switch = page.locator("[data-theme-switch]")
    switch.click()
    switch.click()
    page.goto("/admin/shop/orders")

    assert page.locator("html").get_attribute("data-bs-theme") == "dark"


def test_works_without_scripts(browser: Any, site: tuple[str, Any]) -> None:
    """List, filter, row, edit and save work with scripts switched off."""
    site[1].fill()
    context = browser.new_context(base_url=site[0], java_script_enabled=False)
    page = context.new_page()
    page.goto("/admin/shop/customer")
    page.locator("summary", has_text="Filter").click()
    page.get_by_label("Column").select_option("last_name")
    page.locator("#filter-op").select_option("has")
    page.get_by_label("Value").fill("lovelace")
    page.get_by_role("button", name="Add").click()
    page.get_by_role("link", name="open").click()
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("email", exact=True).fill("new@example.org")
    page.get_by_role("button", name="Save", exact=True).click()

    assert page.get_by_text("The row was saved.").is_visible()
    assert page.get_by_text("new@example.org").is_visible()
    context.close()
