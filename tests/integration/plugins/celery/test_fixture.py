"""Tests of an application with tasks: what a task commits is gone for the next test"""

from __future__ import annotations

import pytest
from celery import shared_task
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, func, insert, select

from qapla.database.application import DatabaseApplication
from qapla.database.database import Database
from qapla.plugins.celery.plugin import CeleryPlugin
from qapla.plugins.celery.receipts import add_receipts
from qapla.testing import BaseApplicationFixture
from qapla.testing.servers import make_database

METADATA = MetaData()
CARGO = Table("cargo", METADATA, Column("n", Integer))
add_receipts(METADATA)


class Quay(DatabaseApplication):
    """An application whose tasks are done at once."""

    class MetaConfig:
        settings_module = "lazydb.settings"

    def append_app_plugins(self):
        """Declare."""
        self.add_database_app([Database("main")])
        self.add_app_plugin(CeleryPlugin())


@shared_task(once="main")
def unload(n, main):
    """Write a row."""
    main.execute(insert(CARGO).values(n=n))


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def quay_url(request):
    """Give the URL of a database with tables, the same for all tests."""
    with make_database(request.param) as url:
        engine = create_engine(url)
        METADATA.create_all(engine)
        engine.dispose()
        yield url.render_as_string(hide_password=False)


class TestTasks(BaseApplicationFixture):
    """delay, delay_after_commit"""

    APP_CLASS = Quay

    @pytest.fixture
    def overrides(self, quay_url):
        """Return where the database is."""
        return {"db:main:url": quay_url, "celery:task_always_eager": True}

    @pytest.mark.parametrize("time", [1, 2])
    def test_is_gone_for_the_next(self, dbsession, time):
        """Receipts, too: the same message is done in each test, once."""
        for _ in range(2):
            unload.apply_async((1,), task_id="a").get()

        assert count(dbsession) == 1

    def test_commit_of_the_test(self, dbsession):
        """The session of the test is the work under way."""
        dbsession.execute(insert(CARGO).values(n=1))
        unload.delay_after_commit(2)
        assert count(dbsession) == 1

        dbsession.commit()

        assert count(dbsession) == 2


def count(session):
    """Return how many rows there are."""
    return session.scalar(select(func.count()).select_from(CARGO))
