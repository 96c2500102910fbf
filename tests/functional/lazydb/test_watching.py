"""lazydb under watch: what it counts, and what makes it ready"""

from __future__ import annotations

import pytest
from webtest import TestApp

from lazydb.application import LazydbApplication
from qapla.database.spec import parse_url

HERE = {"HTTP_HOST": "localhost:6543", "REMOTE_ADDR": "127.0.0.1"}


@pytest.fixture
def make_watched(tmp_path, shop_path, monkeypatch):
    """Give a function that makes a client of a lazydb with the shop in it."""
    apps = []

    def make(**variables):
        for name, value in {"LAZYDB_HOME": str(tmp_path / "home"), **variables}.items():
            monkeypatch.setenv(name, value)
        application = LazydbApplication()
        web = TestApp(application.run_uwsgi(), extra_environ=HERE)
        apps.append(application)
        spec = parse_url(f"sqlite:///{shop_path}", origin=application["connections"].origins["command line"])
        application["connections"].add(spec, name="shop", settings={"anonymous": "read"})
        return web

    yield make
    for application in apps:
        application.stop()


def database_requests(web):
    """Return the samples of requests about served databases."""
    lines = web.get("/metrics").text.splitlines()
    return [line.removeprefix("lazydb_database_requests_total") for line in lines if line.startswith("lazydb_database_requests_total")]


def test_requests_are_counted_by_database(make_watched):
    """No table is named, and a database that is not there counts nothing."""
    web = make_watched(LAZYDB_METRICS="1")
    for _ in range(3):
        web.get("/api/shop/customer")
    web.get("/api/shop/nothing", status=404)
    web.get("/api/made-up/customer", status=404)

    assert database_requests(web) == ['{database="shop",method="GET",status="200"} 3.0']


def test_tables_and_callers_where_that_is_wanted(make_watched):
    """Who runs it may want to know more."""
    web = make_watched(LAZYDB_METRICS="1", QAPLA__METRICS__TABLES="true", QAPLA__METRICS__CALLERS="true")
    web.get("/api/shop/customer")

    (line,) = database_requests(web)
    assert 'table="customer"' in line
    assert 'caller="anonymous anonymous"' in line


def test_statements_on_the_registry_are_counted(make_watched):
    """The registry is a declared database like any other."""
    assert 'lazydb_database_statements_total{database="main",outcome="ok"}' in make_watched(LAZYDB_METRICS="1").get("/metrics").text


def test_nothing_is_counted_by_default(make_watched):
    """There is no such page."""
    make_watched().get("/metrics", status=404)


def test_token(make_watched):
    """Who has it may see the numbers and the checks from elsewhere, and nobody else."""
    web = make_watched(LAZYDB_METRICS="1", LAZYDB_METRICS_TOKEN="tell-me-please")
    bearer = {"Authorization": "Bearer tell-me-please"}

    web.get("/metrics", status=401)
    web.get("/metrics", headers=bearer, extra_environ={"REMOTE_ADDR": "192.0.2.1"})
    assert web.get("/readyz", headers=bearer).text == "ok\ndatabase:main ok\nregistry ok\n"
    assert web.get("/readyz").text == "ok\n"


def test_not_ready_without_its_registry(make_watched, tmp_path):
    """A registry that somebody emptied is one that does not answer."""
    web = make_watched()
    with web.app.registry["qapla.app"]["database"]["main"].transaction() as session:
        session.connection().exec_driver_sql("DROP TABLE revision")

    assert web.get("/readyz", status=503).text == "not ready\ndatabase:main ok\nregistry failed\n"
