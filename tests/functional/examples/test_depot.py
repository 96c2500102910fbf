"""examples/depot: three databases on three engines, written together or not at all"""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, text

from qapla.testing import servers

ASK = """
import sys
from webtest import TestApp
from depot import main

web = TestApp(main.run_uwsgi())
for article, count in (("bolt", 3), ("bolt", 8), ("screw", 1)):
    answer = web.post_json("/orders", {"article": article, "count": count}, expect_errors=True)
    print(answer.status_int, answer.json.get("total") if answer.status_int == 201 else "")
print(web.get("/orders").json)
main.stop()
"""


@pytest.fixture
def depot(make_example):
    """Give the test the example with its three databases migrated; ten bolts on the shelf, at 0.25 each."""
    example = make_example("depot")
    make = servers.make_database
    with make("postgresql") as orders, make("mariadb") as stock, make("sqlite") as prices:
        for name, url in (("orders", orders), ("stock", stock), ("prices", prices)):
            example.point(name, url)
        example.run("qapla", "--app", "depot:main", "database", "migrate", "--all")
        execute(stock, "INSERT INTO shelf VALUES ('bolt', 10)")
        execute(prices, "INSERT INTO price VALUES ('bolt', 0.25)")
        example.orders, example.stock = orders, stock
        yield example


def execute(url, sql):
    """Run one statement; the first value of its answer, if it has one."""
    engine = create_engine(url)
    with engine.begin() as connection:
        result = connection.execute(text(sql))
        found = result.scalar() if result.returns_rows else None
    engine.dispose()
    return found


def test_all_or_nothing(depot):
    """An order is in one database and its goods are taken in another; one that fails is in neither."""
    (depot.folder / "ask.py").write_text(ASK)

    printed = depot.run("ask").splitlines()

    assert printed[-4:-1] == ["201 0.75", "409 ", "404 "]
    assert printed[-1] == "[{'id': 1, 'article': 'bolt', 'count': 3, 'left': 7}]"
    assert execute(depot.orders, 'SELECT count(*) FROM "order"') == 1
    assert execute(depot.stock, "SELECT count FROM shelf") == 7


def test_migrations_apart(depot):
    """Each database is at the head of its own migrations, and Alembic finds nothing to do in any."""
    depot.run("qapla", "--app", "depot:main", "database", "check", "--all")

    for name in ("orders", "stock", "prices"):
        assert "0001 (head)" in depot.run("alembic", "-n", name, "current")


def test_nothing_in_doubt(depot):
    """After orders went well nothing is left in doubt."""
    (depot.folder / "ask.py").write_text(ASK)
    depot.run("ask")

    depot.run("qapla", "--app", "depot:main", "database", "in-doubt")
