"""Exports in the background: begun on a list, found again on a page, downloaded by nobody else"""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import update
from webtest import TestApp

from lazydb import exporting
from lazydb.models import Export, Job, User, bump, now
from lazydb.tasks import export_rows
from qapla.database.spec import parse_url
from qapla.plugins.admin.links import Links
from qapla.plugins.auth.tokens import make_token

ODD = 'Größe "1/2"\n;x'
QUOTED = '"Größe ""1/2""\n;x"'


@pytest.fixture
def shop(lazydb, shop_path):
    """Serve the shop, with a table whose name is odd and whose cells are formulas."""
    with closing(sqlite3.connect(shop_path)) as connection, connection:
        connection.execute(f"CREATE TABLE {QUOTED} (id INTEGER PRIMARY KEY, cell TEXT)")
        connection.executemany(f"INSERT INTO {QUOTED} (cell) VALUES (?)", [("=1+1",), ("two\nlines",), ("-3",)])
    return lazydb["connections"].add(parse_url(f"sqlite:///{shop_path}"), name="shop").connection


@pytest.fixture
def begin(lazydb, browser, find_form):
    """Begin an export of a list as a person would, and wait for its end; return the page of exports."""

    def run(path, format="csv"):
        form = find_form(browser.get(path), "format")
        form["format"] = format
        form.submit(status=303)
        wait_for(lambda: "every 1s" not in browser.get("/admin/-/exports"))
        return browser.get("/admin/-/exports")

    return run


def wait_for(condition):
    """Wait until something is so."""
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def log_in(lazydb, name):
    """Return a browser in which somebody else is logged in."""
    client = TestApp(lazydb.wsgi, extra_environ={"HTTP_HOST": "localhost:6543"})
    token, digest = make_token()
    lazydb["accounts"].add_login_link(lazydb["accounts"].add_user(name).id, digest, 60)
    client.get(f"/admin/-/login?token={token}", status=303)
    return client


def files(lazydb):
    """Return the names of all files of exports."""
    folder = lazydb["exports"].folder
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_an_export_is_what_the_list_shows(shop, begin):
    """Filters, the search and the order of the list hold for the file, its page does not."""
    page = begin("/admin/shop/order?where=total%3Agte%3A1&sort=-total&size=20&start=1", "ndjson")

    answer = page.click("Download", index=0)
    assert [json.loads(line) for line in answer.body.splitlines()] == [
        {"id": 2, "customer_id": 1, "total": 100, "note": ""},
        {"id": 1, "customer_id": 1, "total": 9.99, "note": None},
    ]
    assert answer.content_type == "application/x-ndjson"
    assert "total:gte:1" in page
    assert "2 rows, " in page


def test_cells_of_a_spreadsheet_do_not_run(lazydb, shop, begin):
    """CSV has a ' before formulas, the page says so; the file has the table's name whatever is in it, and is for its owner alone."""
    page = begin(odd_path(lazydb))

    answer = page.click("Download")
    assert answer.body == b'id,cell\r\n1,\'=1+1\r\n2,"two\nlines"\r\n3,-3\r\n'
    assert answer.headers["Content-Disposition"] == (
        "attachment; filename=\"Gr_e_1_2_x.csv\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%221_2%22_%3Bx.csv"
    )
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert f"3 rows, {len(answer.body)} bytes" in page
    assert "have a ' in front" in page
    assert next(lazydb["exports"].folder.iterdir()).stat().st_mode & 0o777 == 0o600


def odd_path(lazydb):
    """Return the address of the table with the odd name."""
    schema = lazydb["catalog"].get("shop").schema
    table = next(table for table in schema.tables if table.name.name == ODD)
    return Links("", "shop", schema).table(table)


def test_nobody_sees_the_exports_of_somebody_else(lazydb, shop, begin, browser):
    """Another admin does not find, load, repeat or delete it; a stranger is led to the login."""
    path = begin("/admin/shop/customer").click("Download").request.path
    other = log_in(lazydb, "other")

    listed, loaded = other.get("/admin/-/exports"), other.get(path, status="*")
    token = csrf(other)
    changed = [other.post(path.replace("/file", what), {"csrf_token": token}, status="*").status_int for what in ("/delete", "/again")]

    assert "No exports" in listed
    assert (loaded.status_int, changed) == (404, [404, 404])
    assert TestApp(lazydb.wsgi, extra_environ={"HTTP_HOST": "localhost"}).get("/admin/-/exports", status="*").status_int in (303, 401)
    assert browser.get(path).status_int == 200


def csrf(client):
    """Return the token of a browser's session, out of the form that logs out."""
    return client.get("/admin/").forms[0]["csrf_token"].value


def test_a_right_that_is_gone_is_gone_for_exports(lazydb, shop, begin, browser):
    """Whoever may no longer read the database does not get the file of yesterday, and a task that runs now reads nothing."""
    path = begin("/admin/shop/customer").click("Download").request.path
    export = lazydb["exports"].find(files(lazydb)[0].split(".")[0])
    with lazydb["registry"].transaction() as session:
        session.execute(update(User).values(role="user", rights={}))
        bump(session)
    lazydb["revision"].read()

    answer = browser.get(path, status="*")
    again = lazydb["tasks"].submit(export_rows, export.id)
    wait_for(lambda: lazydb["jobs"].find(again).state == "failed")

    assert answer.status_int == 403
    assert "customer" in lazydb["jobs"].find(again).message


def test_what_cannot_be_exported_is_said_at_once(lazydb, shop, browser):
    """An unknown format, filter or column is refused before there is a job."""
    token = csrf(browser)

    for query, format in (("", "xlsx"), ("?where=gone:eq:1", "csv"), ("?where=total:nonsense:1", "csv"), ("?where=total:gt:much", "csv")):
        answer = browser.post(f"/admin/shop/-/export/order{query}", {"csrf_token": token, "format": format}, status="*")
        assert answer.status_int == 400, (query, format)

    assert "No exports" in browser.get("/admin/-/exports")
    assert files(lazydb) == []


def test_a_failed_export_says_why_and_starts_again(lazydb, shop, begin, browser, monkeypatch):
    """When there is no room the page says so, nothing is left on the disk, and a button tries again."""
    monkeypatch.setattr(exporting, "FREE_BYTES", 2**62)
    page = begin("/admin/shop/customer")
    assert "are left on the disk" in page
    assert files(lazydb) == []
    monkeypatch.undo()

    form = next(form for form in page.forms.values() if form.action.endswith("/again"))
    form.submit(status=303)
    wait_for(lambda: "Download" in browser.get("/admin/-/exports"))
    assert len(files(lazydb)) == 1
    assert "/again" not in browser.get("/admin/-/exports")


def test_all_files_together_are_bounded(lazydb, shop, begin):
    """What would be more than the installation allows is given up."""
    lazydb.settings["lazydb:exports_max_bytes"] = -1

    assert "all exports together are larger than" in begin("/admin/shop/customer")
    assert files(lazydb) == []


def test_deleted_exports_and_expired_ones_leave_no_file(lazydb, shop, begin, browser):
    """Delete removes the file at once; a week does the same, as does the end of the database."""
    page = begin("/admin/shop/customer")
    next(form for form in page.forms.values() if form.action.endswith("/delete")).submit(status=303)
    assert files(lazydb) == []

    path = begin("/admin/shop/customer").click("Download").request.path
    with lazydb["registry"].transaction() as session:
        session.execute(update(Export).values(created_at=now() - timedelta(days=8)))
    assert browser.get(path, status="*").status_int == 404
    assert "No exports" in browser.get("/admin/-/exports")
    lazydb["exports"].remove_old()
    assert files(lazydb) == []

    begin("/admin/shop/customer")
    lazydb["connections"].remove("shop")
    lazydb["exports"].remove_old()
    assert "No exports" in browser.get("/admin/-/exports")
    assert files(lazydb) == []


def test_a_job_of_a_killed_process_says_so(lazydb, shop, begin, browser):
    """Its last sign of life is old: the page says failed at once, the next start keeps it, and it no longer counts as one under way."""
    begin("/admin/shop/customer")
    with lazydb["registry"].transaction() as session:
        session.execute(update(Job).values(state="running", message="", beat_at=now() - timedelta(minutes=2)))

    page = browser.get("/admin/-/exports")
    lazydb["jobs"].fail_lost()

    assert "the process was stopped before it was done; start it again" in page
    assert "Download" not in page
    with lazydb["registry"].session() as session:
        assert {job.state for job in session.query(Job)} == {"failed"}


def test_one_person_cannot_fill_the_queue(lazydb, shop, browser, monkeypatch):
    """More than a few unfinished exports of one person are refused."""
    monkeypatch.setattr(lazydb["tasks"], "_work", lambda: None)
    token = csrf(browser)
    send = {"csrf_token": token, "format": "csv"}

    answers = [browser.post("/admin/shop/-/export/customer", send, status="*").status_int for _ in range(6)]

    assert answers == [303] * 5 + [503]


def test_a_limit_of_the_database_is_no_secret(lazydb, shop, begin):
    """A file that db_max_rows has cut says so."""
    lazydb["connections"].change("shop", settings={"db_max_rows": "2"})

    assert "2 rows, " in begin("/admin/shop/customer")
    assert "cut at 2 rows" in begin("/admin/shop/order")
    assert "customer_id" in lazydb["exports"].path(lazydb["exports"].find(newest(lazydb))).read_text()


def newest(lazydb):
    """Return the id of the newest export."""
    return max(lazydb["exports"].folder.iterdir(), key=lambda path: path.stat().st_mtime_ns).name.partition(".")[0]
