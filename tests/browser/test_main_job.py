"""The main job in a real browser: databases in through the form, rows edited, the API there at once."""

from __future__ import annotations

import os
import re
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, text

from qapla.testing import servers

PASSWORD = "correct horse battery"
SHOP = (
    "CREATE TABLE customer (id INTEGER PRIMARY KEY, name VARCHAR(80) NOT NULL, vip BOOLEAN, since DATE)",
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customer (id), total NUMERIC(10,2) NOT NULL)",
    "INSERT INTO customer VALUES (1, 'Ada', TRUE, '2026-01-31'), (2, 'Grace', NULL, NULL)",
    "INSERT INTO orders VALUES (10, 1, 9.99), (11, 1, 100.00), (12, 2, 0.10)",
)


@pytest.fixture
def shops():
    """The same shop on PostgreSQL and on MariaDB: their addresses by engine."""
    with servers.make_database("postgresql") as postgresql, servers.make_database("mariadb") as mariadb:
        for url in (postgresql, mariadb):
            engine = create_engine(url)
            with engine.begin() as connection:
                for statement in SHOP:
                    connection.execute(text(statement))
            engine.dispose()
        yield {"postgresql": postgresql, "mariadb": mariadb}


@pytest.fixture(scope="module")
def server(tmp_path_factory, make_lazydb):
    """One lazydb with an admin for all tests; the first one adds its databases."""
    with make_lazydb(tmp_path_factory.mktemp("lazydb")).serving(LAZYDB_ADMIN_PASSWORD=PASSWORD) as server:
        yield server


def log_in(page, server):
    """Log in with the password, as a person would."""
    page.goto(f"{server.url}/")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(re.compile("/admin/$"))


def shot(page, name):
    """Keep a picture of the page where somebody asks for pictures: SCREENSHOTS=folder."""
    if folder := os.environ.get("SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{folder}/{name}.png")


def test_a_database_added_in_the_browser_is_edited_and_served_in_the_same_minute(page, server, shops):
    """A PostgreSQL and a MariaDB database go in through the form; a row of each is edited; REST has it, with no restart."""
    log_in(page, server)
    page.get_by_role("link", name="Add a database").click()

    for engine, url in shops.items():
        add(page, server, engine, url)
        edit(page, server, engine)

    page.goto(f"{server.url}/admin/")
    page.get_by_text("answers").nth(1).wait_for()
    shot(page, "overview")
    for engine in shops:
        rows = httpx.get(f"{server.url}/api/{engine}/customer?select=name,vip,since&order=id", trust_env=False, timeout=30).json()
        assert rows == [
            {"name": f"Ada of {engine}", "vip": True, "since": "2026-01-31"},
            {"name": "Grace", "vip": None, "since": None},
        ]


def add(page, server, engine, url):
    """Test a database and add it: by a URL on one engine, by its fields on the other."""
    page.goto(f"{server.url}/admin/-/connections/new?engine={engine}")
    if engine == "postgresql":
        page.get_by_label("URL").fill(f"postgresql://{url.username}@{url.host}:{url.port}/{url.database}")
        page.get_by_role("button", name="Fill in").click()
        assert page.get_by_label("Host").input_value() == url.host
    else:
        for label, value in (("Host", url.host), ("Port", str(url.port)), ("Database", url.database), ("User", url.username)):
            page.get_by_label(label, exact=False).first.fill(value)
    page.locator("#field-name").fill(engine)
    page.get_by_label("Rows may be changed").check()
    page.locator("#field-anonymous").select_option("read")
    page.get_by_role("button", name="Test", exact=True).last.click()
    page.locator("#test .step-ok", has_text="privileges").wait_for()
    shot(page, f"test-{engine}")
    page.get_by_role("button", name="Test and add").click()
    page.wait_for_url(f"{server.url}/admin/{engine}")


def edit(page, server, engine):
    """Change the name of a customer, by the list and the record."""
    page.get_by_role("link", name="customer", exact=True).click()
    page.get_by_role("row", name=re.compile("Ada")).get_by_role("link").first.click()
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("name", exact=False).first.fill(f"Ada of {engine}")
    shot(page, f"edit-{engine}")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("heading", name=f"Ada of {engine}").wait_for()
    shot(page, f"record-{engine}")


def test_a_test_that_fails_says_why_without_leaving_the_page(page, server):
    """The step that failed is marked, with the cause in words; nothing typed is lost."""
    log_in(page, server)
    page.goto(f"{server.url}/admin/-/connections/new")
    for name, value in (("host", "127.0.0.1"), ("port", "1"), ("database", "shop"), ("user", "me"), ("password", "s3cret")):
        page.locator(f"#field-{name}").fill(value)

    page.get_by_role("button", name="Test", exact=True).last.click()
    page.locator("#test .step-failed").wait_for()

    shot(page, "test-failed")
    assert "refused" in page.locator("#test .step-failed").inner_text()
    assert page.locator("#field-host").input_value() == "127.0.0.1"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_is_wider_than_its_window(page, server, scheme, width):
    """On a phone nothing but tables scrolls sideways, in either colours."""
    log_in(page, server)
    page.set_viewport_size({"width": width, "height": 850})
    page.emulate_media(color_scheme=scheme)

    for path in ("/admin/", "/admin/-/connections/new", "/admin/-/connections/new?engine=sqlite"):
        page.goto(server.url + path)
        shot(page, f"{path.strip('/').replace('/', '_').replace('?', '_')}-{scheme}-{width}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
