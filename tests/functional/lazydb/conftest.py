"""lazydb as a whole, without a server: the application on a registry of its own, and a browser that is logged in."""

from __future__ import annotations

import sqlite3

import pytest
from webtest import TestApp

from lazydb.application import LazydbApplication
from qapla.plugins.auth.tokens import make_token

SHOP = """
CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT UNIQUE);
CREATE TABLE "order" (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customer, total NUMERIC(10,2) NOT NULL, note TEXT);
CREATE VIEW busy AS SELECT customer_id, count(*) AS orders FROM "order" GROUP BY customer_id;
CREATE TABLE log (line TEXT);
INSERT INTO customer VALUES (1, 'Ada', 'ada@example.org'), (2, 'Grace', NULL);
INSERT INTO "order" VALUES (1, 1, 9.99, NULL), (2, 1, 100, ''), (3, 2, 0.1, 'gift');
"""


@pytest.fixture
def shop_path(tmp_path):
    """A small shop in a SQLite file, in a folder from which forms may add files."""
    path = tmp_path / "folder" / "shop.sqlite"
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.executescript(SHOP)
    connection.close()
    return path


@pytest.fixture
def lazydb(tmp_path, shop_path, monkeypatch):
    """The application, started for the web on an empty registry."""
    monkeypatch.setenv("LAZYDB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LAZYDB_SQLITE_FOLDERS", str(shop_path.parent))
    for name in ("LAZYDB_DATABASE_URL", "LAZYDB_SECRET_KEY", "LAZYDB_BROKER_URL", "LAZYDB_ADMIN_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    application = LazydbApplication()
    application.wsgi = application.run_uwsgi()
    yield application
    application.stop()


@pytest.fixture
def stranger(lazydb):
    """A browser in which nobody is logged in."""
    return TestApp(lazydb.wsgi, extra_environ={"HTTP_HOST": "localhost:6543"})


@pytest.fixture
def browser(lazydb, stranger):
    """A browser in which the admin is logged in, by a link: a password would cost each test half a second of Argon2."""
    token, digest = make_token()
    lazydb["accounts"].add_login_link(lazydb["accounts"].add_user("admin").id, digest, 60)
    stranger.get(f"/admin/-/login?token={token}", status=303)
    return stranger


@pytest.fixture
def find_form():
    """Find the form of a page that has a field of some name."""

    def find(page, field):
        return next(form for form in page.forms.values() if field in form.fields)

    return find
