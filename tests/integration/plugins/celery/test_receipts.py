"""Receipts and the outbox on each engine"""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, func, insert, select

from qapla.database.application import DatabaseApplication
from qapla.database.database import Database
from qapla.plugins.celery.outbox import GRACE_S, MESSAGES, add_outbox
from qapla.plugins.celery.plugin import CeleryPlugin
from qapla.plugins.celery.receipts import RECEIPTS, add_receipts

METADATA = MetaData()
ROWS = Table("numbers", METADATA, Column("n", Integer))
add_receipts(METADATA)
add_outbox(METADATA)


class Port(DatabaseApplication):
    """An application with an outbox."""

    class MetaConfig:
        settings_module = "lazydb.settings"

    def append_app_plugins(self):
        """Declare."""
        self.add_database_app([Database("main")])
        self.add_app_plugin(CeleryPlugin())


@pytest.fixture
def app(fresh_database):
    """Give the application on a broker in memory."""
    url = fresh_database.render_as_string(hide_password=False)
    app = Port().run_tests({"celery:broker_url": "memory://", "celery:outbox": "main", "db:main:url": url})
    with app["database"]["main"].transaction() as session:
        METADATA.create_all(session.connection())
    yield app
    app.stop()


def count(app, table):
    """Return how many rows were committed."""
    with app["database"]["main"].session() as session:
        return session.scalar(select(func.count()).select_from(table))


@pytest.mark.parametrize("fails", [False, True])
def test_two_deliveries_at_the_same_time(app, fails):
    """The second waits for the first: it does nothing when that is committed, and all of it when that has failed."""
    inside, runs = threading.Event(), []

    @app["celery"].task(name="port.number", once="main", shared=False)
    def number(n, main):
        runs.append(n)
        main.execute(insert(ROWS).values(n=n))
        inside.set()
        if len(runs) == 1:
            second.join(0.5)  # it cannot end before this one does
            assert second.is_alive()
            if fails:
                raise ValueError(n)

    first = threading.Thread(target=lambda: number.apply((7,), task_id="a"))
    second = threading.Thread(target=lambda: inside.wait(10) and number.apply((7,), task_id="a"))
    second.start()
    first.start()
    first.join(20)
    second.join(20)

    assert len(runs) == (2 if fails else 1)
    assert (count(app, ROWS), count(app, RECEIPTS)) == (1, 1)


def test_what_stays_behind_is_swept(app, monkeypatch):
    """Two sweepers at once send each message once; young ones are left to whoever wrote them."""
    task = app["celery"].task(nothing, name="port.swept", shared=False)
    sent = []
    monkeypatch.setattr(app["celery"], "send_task", lambda *arguments, **options: sent.append((*arguments, options)))
    outbox = app["celery"].outbox
    monkeypatch.setattr(outbox, "send", lambda task_id: None)  # as a process that is killed after its commit
    with app.scope() as scope:
        session = scope["database"]["main"]
        session.execute(insert(ROWS).values(n=1))
        for n in range(3):
            task.apply_async_after_commit((n,), {"k": None}, countdown=5)
        assert count(app, MESSAGES) == 0
        session.commit()
    assert (outbox.sweep(), count(app, MESSAGES)) == (0, 3)

    monkeypatch.setattr("qapla.plugins.celery.outbox.GRACE_S", -GRACE_S)
    sweepers = [threading.Thread(target=outbox.sweep) for _ in range(2)]
    for sweeper in sweepers:
        sweeper.start()
    for sweeper in sweepers:
        sweeper.join(20)

    assert sorted(arguments[1] for arguments in sent) == [[0], [1], [2]]
    assert {(name, str(keywords), options["countdown"]) for name, _, keywords, options in sent} == {("port.swept", "{'k': None}", 5)}
    assert count(app, MESSAGES) == 0


def nothing(n, k):
    """Do nothing."""
