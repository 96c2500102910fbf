"""``lazydb.frame``: lists as data frames, straight and from a lazydb that serves."""

from __future__ import annotations

import decimal
import re
import sqlite3
import threading
from contextlib import closing, contextmanager
from datetime import datetime
from html import unescape
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pandas
import pyarrow
import pytest
from sqlalchemy import create_engine, text

import lazydb as package
from lazydb.application import LazydbApplication
from lazydb.commands.session import open_lazydb
from lazydb.frames import frame
from qapla.database.spec import parse_url
from qapla.errors import (
    AccessError,
    ConfigurationError,
    DatabaseError,
    InputError,
    NotAuthenticated,
    NotFound,
    NotOffered,
    QueryError,
    TimedOut,
    Unavailable,
)
from qapla.exits import list_running
from qapla.plugins.auth.tokens import make_token
from qapla.testing.servers import make_database

SHOP = """
CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT UNIQUE);
CREATE TABLE "order" (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customer, total NUMERIC(10,2) NOT NULL, note TEXT);
INSERT INTO customer VALUES (1, 'Ada', 'ada@example.org'), (2, 'Grace', NULL);
INSERT INTO "order" VALUES (1, 1, 9.99, NULL), (2, 1, 100, ''), (3, 2, 0.1, 'gift');
"""


class Quiet(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass


@contextmanager
def served(wsgi):
    """Serve a WSGI application; yield its address."""
    with make_server("127.0.0.1", 0, wsgi, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Where lazydb has its registry, and the shop's file is."""
    folder = tmp_path_factory.mktemp("frames")
    with closing(sqlite3.connect(folder / "shop.sqlite")) as connection, connection:
        connection.executescript(SHOP)
        connection.execute("INSERT INTO customer VALUES (3, 'Zoë \"100%\" & O''Hara', NULL)")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LAZYDB_HOME", str(folder / "home"))
        for name in ("LAZYDB_DATABASE_URL", "LAZYDB_SECRET_KEY", "LAZYDB_BROKER_URL", "LAZYDB_ADMIN_PASSWORD", "LAZYDB_TOKEN"):
            environment.delenv(name, raising=False)
        yield folder


@pytest.fixture(scope="module")
def lazydb(home):
    """The application, started for the web, with the shop."""
    application = LazydbApplication()
    application.wsgi = application.run_uwsgi()
    application["connections"].add(parse_url(f"sqlite:///{home / 'shop.sqlite'}"), name="shop")
    yield application
    application.stop()


@pytest.fixture(scope="module")
def token(lazydb):
    """A token that may read everything."""
    token, digest = make_token()
    lazydb["accounts"].add_token("till", digest, {"*": "read"})
    return token


@pytest.fixture(scope="module")
def remote(lazydb, token):
    """Options of ``frame`` that ask lazydb over HTTP."""
    with served(lazydb.wsgi) as url:
        yield {"url": url, "token": token}


@pytest.fixture(params=["straight", "over HTTP"])
def way(request):
    """Options of ``frame``, for both ways."""
    return {} if request.param == "straight" else request.getfixturevalue("remote")


def test_one_line(lazydb, way):
    """A list of REST is a frame: columns as selected, types by the schema, related rows as dicts."""
    found = package.frame("shop", "order?total=gt.1&select=id,total,note,customer(name)&order=id", **way)

    assert found.to_dict("list") == {
        "id": [1, 2], "total": [9.99, 100.0], "note": [found.note[0], ""], "customer": [{"name": "Ada"}, {"name": "Ada"}],
    }  # fmt: skip
    assert pandas.isna(found.note[0])
    assert [str(kind) for kind in found.dtypes[:3]] == ["Int64", "float64", "str"]


def test_any_letters(lazydb, way):
    """Letters that have no place in an address may stand in it; what is percent-encoded stays."""
    name = 'Zoë "100%" & O\'Hara'

    assert list(frame("shop", f"customer?name=eq.{name.replace('&', '%26')}", **way).id) == [3]
    assert list(frame("shop", "/customer?name=like.Zo%C3%AB*", **way).name) == [name]


@pytest.mark.parametrize("kind", ["arrow", "polars", "pandas"])
def test_kinds(lazydb, way, kind):
    """The same rows come as a table of Arrow, a frame of polars or of pandas."""
    found = frame("shop", "customer?select=id,name&order=id&limit=2", kind=kind, **way)

    rows = found.to_pylist() if kind == "arrow" else found.to_dicts() if kind == "polars" else found.to_dict("records")
    assert rows == [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Grace"}]


def test_empty(lazydb, way):
    """A list without rows has its columns and their types."""
    found = frame("shop", "customer?id=eq.77", **way)

    assert (len(found), [str(kind) for kind in found.dtypes]) == (0, ["Int64", "str", "str"])


@pytest.mark.parametrize("engine_name", ["postgresql", "mariadb"])
def test_types(lazydb, token, engine_name):
    """Both ways give the same types and values on each engine; decimals are exact on wish."""
    with make_database(engine_name) as url:
        engine = create_engine(url)
        with engine.begin() as connection:
            kind = "TIMESTAMP WITH TIME ZONE" if engine_name == "postgresql" else "DATETIME(6)"
            connection.execute(text(f"CREATE TABLE kind (id BIGINT PRIMARY KEY, total NUMERIC(12,2), at {kind}, day DATE, good BOOLEAN)"))
            connection.execute(text("INSERT INTO kind VALUES (9007199254740993, 0.10, '2026-01-02 03:04:05.000006', '1500-01-01', TRUE)"))
            connection.execute(text("INSERT INTO kind (id) VALUES (1)"))
        engine.dispose()
        address = url.set(drivername=engine_name).render_as_string(hide_password=False).replace(":@", "@")
        lazydb["connections"].add(parse_url(address), name=engine_name)

        with served(lazydb.wsgi) as there:
            straight, remote = (frame(engine_name, "kind?order=id.desc", **way) for way in ({}, {"url": there, "token": token}))
            exact = frame(engine_name, "kind?order=id.desc", decimals="exact")

    pandas.testing.assert_frame_equal(straight, remote)
    first = exact.iloc[0]
    assert (first.id, first.total, first.good) == (9007199254740993, decimal.Decimal("0.10"), True)
    assert first["at"].replace(tzinfo=None) == datetime(2026, 1, 2, 3, 4, 5, 6)
    assert str(first.day)[:10] == "1500-01-01"
    assert straight.total[0] == 0.1
    assert exact.iloc[1].isna().sum() == 4


@pytest.mark.parametrize(
    ("database", "rows", "error", "said"),
    [
        ("shp", "customer", NotFound, "'shp'"),
        ("shop", "custmer", NotFound, "custmer"),
        ("shop", "customer?nme=eq.x", QueryError, "nme"),
        ("shop", "customer?id=foo", QueryError, "foo"),
        ("shop", "", QueryError, "no table is named"),
        ("shop", None, QueryError, "no table is named"),
    ],
)
def test_wrong_question(lazydb, way, database, rows, error, said):
    """What cannot be answered is the same error both ways."""
    with pytest.raises(error, match=re.escape(said)):
        frame(database, rows, **way)


def test_straight_hints(lazydb):
    """Without a server names are told; functions, and schemas that there are not, are refused."""
    with pytest.raises(NotFound, match=r"no database is registered as 'shp' .did you mean 'shop'"):
        frame("shp", "customer")
    with pytest.raises(NotFound, match=r"has no table 'custmer' .did you mean 'customer'"):
        frame("shop", "custmer")
    with pytest.raises(NotFound, match="serves no schema 'sales'"):
        frame("shop", "customer", schema="sales")
    with pytest.raises(QueryError, match="'customer/1' is no list"):
        frame("shop", "customer/1")
    with pytest.raises(NotOffered, match="functions are not called straight"):
        frame("shop", "rpc/total")


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"kind": "excel"}, InputError, "frames of 'excel' are not offered (there are pandas, polars, arrow)"),
        ({"decimals": "some"}, InputError, "decimals 'some' are not offered"),
        ({"token": "x"}, InputError, "a token is given and no url"),
        ({"url": "ftp://localhost"}, InputError, "the url is no address of a lazydb"),
        ({"url": "lazydb.example.org"}, InputError, "the url is no address of a lazydb"),
        ({"url": "https://me:secret@lazydb.example.org"}, InputError, "a token is given by token="),
        ({"url": "http://127.0.0.1:1", "token": "a\r\nb"}, InputError, "the token cannot be one"),
        ({"url": "http://127.0.0.1:1"}, Unavailable, "no lazydb answers at 'http://127.0.0.1:1'"),
    ],
)
def test_wrong_options(options, error, said):
    """What is not offered is refused by name, before anybody is asked; no message has a secret."""
    with pytest.raises(error) as told:
        frame("shop", "customer", **options)

    assert said in str(told.value)
    assert "secret" not in str(told.value)


def test_missing_library(monkeypatch):
    """A library that is not installed is told with its extra."""
    monkeypatch.setitem(__import__("sys").modules, "polars", None)

    with pytest.raises(ConfigurationError, match=r"'polars', which is not installed .pip install 'qapla.polars.'"):
        frame("shop", "customer", kind="polars")


def test_rights(lazydb, remote, monkeypatch):
    """Over HTTP the token decides; without one that of the environment is taken."""
    with pytest.raises(NotAuthenticated, match=r"Anonymous access is disabled .token=.*LAZYDB_TOKEN"):
        frame("shop", "customer", url=remote["url"])
    with pytest.raises(NotAuthenticated, match="the token is not valid"):
        frame("shop", "customer", url=remote["url"], token="wrong")
    monkeypatch.setenv("LAZYDB_TOKEN", remote["token"])
    assert len(frame("shop", "customer", url=remote["url"])) == 3
    weak, digest = make_token()
    lazydb["accounts"].add_token("weak", digest, {"other": "read"})
    with pytest.raises((AccessError, NotFound)):
        frame("shop", "customer", url=remote["url"], token=weak)


@pytest.fixture(scope="module")
def few(lazydb, home):
    """A connection that gives few rows in one answer; returns a function that says how many."""
    with closing(sqlite3.connect(home / "few.sqlite")) as connection, connection:
        connection.executescript("CREATE TABLE log (id INTEGER PRIMARY KEY, size INTEGER); CREATE VIEW loose AS SELECT size FROM log")
        connection.executemany("INSERT INTO log VALUES (?, ?)", [(number, number % 7) for number in range(2500)])
    lazydb["connections"].add(parse_url(f"sqlite:///{home / 'few.sqlite'}"), name="few")
    return lambda most: lazydb["connections"].change("few", settings={"db_max_rows": str(most)})


@pytest.mark.parametrize("most", [400, 1000, 1500, 2500])
@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ("log", range(2500)),
        ("log?id=gt.9&select=id,size", range(10, 2500)),
        ("log?order=id.desc", range(2499, -1, -1)),
        ("log?order=size,id.desc&limit=2400&offset=10", sorted(range(2500), key=lambda number: (number % 7, -number))[10:2410]),
        ("log?limit=300", range(300)),
    ],
)
def test_reads_on(few, way, most, rows, found):
    """What one answer has not, because of the connection's ``db_max_rows``, comes in more of them: a frame has all rows of its list."""
    few(most)

    assert list(frame("few", rows, **way).id) == list(found)


@pytest.mark.parametrize("most", [400, 1500])
def test_cut(few, remote, most):
    """Rows without a key cannot be read on exactly: the frame is cut, and warns. Straight there is no limit."""
    few(most)

    with pytest.warns(UserWarning, match=f"there are more rows: database 'few' gives {most:,} of this list at most .its db_max_rows."):
        assert len(frame("few", "loose", **remote)) == most
    assert len(frame("few", f"loose?limit={most}", **remote)) == most
    assert len(frame("few", "loose")) == 2500


def test_rows_that_come_and_go(few, lazydb, home, remote, monkeypatch):
    """Whatever is written between two pages, a row that is there all the time comes once."""
    few(500)
    kept = frame_with(monkeypatch, lambda: write(home, "DELETE FROM log WHERE id < 100", "INSERT INTO log VALUES (-1, 0), (9999, 0)"))

    found = list(kept("few", "log?order=id", **remote).id)

    write(home, "DELETE FROM log WHERE id IN (-1, 9999)", *(f"INSERT INTO log VALUES ({number}, {number % 7})" for number in range(100)))
    assert found == [*range(2500), 9999]


def write(home, *statements):
    """Write into the database of few rows."""
    with closing(sqlite3.connect(home / "few.sqlite")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def frame_with(monkeypatch, between):
    """Return ``frame`` with something that happens once, between the second answer and the third."""
    from lazydb import remote

    read, answers = remote.List.read, []

    def reading(source, query):
        answers.append(query)
        if len(answers) == 3:
            between()
        return read(source, query)

    monkeypatch.setattr(remote.List, "read", reading)
    return frame


def test_line(browser, remote, monkeypatch):
    """The admin shows the line beside the exports of a list; pasted, it gives the list's rows in its order. A search has none."""
    monkeypatch.setenv("LAZYDB_TOKEN", remote["token"])

    page = browser.get("/admin/shop/customer?where=name%3Ahas%3A%22100%25&sort=-name&size=20")

    line = unescape(re.search(r"<code>(import lazydb; lazydb\.frame.*?)</code>", page.text)[1])
    there = re.search(r'url="(.*?)"', line)[1]
    names = {}
    exec(line.replace(there, remote["url"]).replace("; ", "; found = "), names)
    assert list(names["found"].id) == [3]
    assert there == "http://localhost:6543"
    assert "lazydb.frame" not in browser.get("/admin/shop/customer?q=ada")


# -- servers that are none


def answer_of(status, headers, *pieces):
    def wsgi(environ, start_response):
        start_response(status, headers)
        return iter(pieces)

    return wsgi


ARROW = [("Content-Type", "application/vnd.apache.arrow.stream")]


def arrow_bytes():
    sink = pyarrow.BufferOutputStream()
    table = pyarrow.table({"id": list(range(1000))})
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("wsgi", "error", "said"),
    [
        (answer_of("200 OK", ARROW, arrow_bytes()[:3000]), DatabaseError, "the answer ended before its end"),
        (answer_of("200 OK", ARROW, b""), DatabaseError, "the answer ended before its end"),
        (answer_of("200 OK", [("Content-Type", "text/html")], b"<html>"), Unavailable, "is no lazydb"),
        (answer_of("500 Oops", [("Content-Type", "text/html")], b"<html>"), Unavailable, "is no lazydb: it says 500"),
        (answer_of("302 Found", [("Location", "http://elsewhere.example.org/x")]), Unavailable, "http://elsewhere.example.org"),
        (answer_of("504 Slow", [], b'{"code": "57014", "message": "too slow", "hint": null}'), TimedOut, "too slow"),
    ],
    ids=["cut off", "empty", "other page", "broken", "redirect", "lazydb's error"],
)
def test_odd_servers(wsgi, error, said):
    """An answer that is cut off is an error and no short frame; nobody is followed elsewhere, since the token would go along."""
    with served(wsgi) as url, pytest.raises(error, match=re.escape(said)):
        frame("shop", "customer", url=url, token="secret")


def test_silent_server():
    """A server that says nothing is given up."""
    import socket

    with closing(socket.create_server(("127.0.0.1", 0))) as silent, pytest.raises(TimedOut, match=r"did not answer within 0.2 s"):
        frame("shop", "customer", url=f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2)


def test_leaves_nothing(tmp_path, home, monkeypatch, leaves_nothing):
    """Where no lazydb runs, one is opened for the question and closed after it."""
    monkeypatch.setenv("LAZYDB_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("lazydb.straight.list_running", list)
    with open_lazydb() as app:
        app["connections"].add(parse_url(f"sqlite:///{home / 'shop.sqlite'}"), name="shop")
    running = list_running()

    leaves_nothing(lambda: frame("shop", "order"), 5)

    assert len(frame("shop", "order")) == 3
    assert list_running() == running
