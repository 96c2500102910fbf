"""qapla.plugins.celery.outbox: what is left behind is sent, one message whatever becomes of another"""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from kombu.utils.json import dumps
from sqlalchemy import insert, select

from qapla.database.database import Database
from qapla.errors import Unavailable
from qapla.plugins.celery.outbox import MESSAGES, Outbox, _now
from qapla.settings import Paths, Settings


class Broker:
    """Takes messages; ``fails`` says what happens to whom."""

    def __init__(self):
        self.sent, self.fails = [], {}

    def send_task(self, name, args, kwargs, task_id):
        """Keep the id of the task."""
        if task_id in self.fails:
            raise self.fails[task_id]
        self.sent.append(task_id)


@pytest.fixture
def box(tmp_path):
    """Give an outbox with three messages that were left behind, and what it sends to."""
    database, broker = Database("main"), Broker()
    database.configure(Settings({"db:main:url": f"sqlite:///{tmp_path}/box.sqlite"}), Paths())
    MESSAGES.create(database.engine)
    message = dumps({"args": [], "kwargs": {}, "options": {}})
    with database.transaction() as session:
        for number in (1, 2, 3):
            kept_at = _now() - timedelta(seconds=60 - number)
            session.execute(insert(MESSAGES).values(task_id=f"{number}", task="shop.pay", message=message, kept_at=kept_at))
    yield SimpleNamespace(outbox=Outbox(broker, database, 5), broker=broker, database=database)
    database.dispose()


def left(box):
    """Return whose messages are in the outbox."""
    with box.database.session() as session:
        return list(session.scalars(select(MESSAGES.c.task_id).order_by(MESSAGES.c.task_id)))


def test_oldest_first(box):
    """What is sent is removed."""
    assert box.outbox.sweep() == 3
    assert (box.broker.sent, left(box)) == (["1", "2", "3"], [])


def test_one_that_cannot_be_sent(box, caplog):
    """It is an error in the log and stays for later; those behind it are sent."""
    box.broker.fails["1"] = KeyError("no such queue")

    box.outbox.sweep()

    assert (box.broker.sent, left(box)) == (["2", "3"], ["1"])
    assert "task shop.pay (1) cannot be sent" in caplog.text
    assert box.outbox.sweep() == 0


def test_broker_goes_away_in_the_middle(box):
    """What was sent before is not sent a second time."""
    box.broker.fails["2"] = Unavailable("the broker does not answer")
    with pytest.raises(Unavailable):
        box.outbox.sweep()

    box.broker.fails.clear()
    box.outbox.sweep()

    assert (box.broker.sent, left(box)) == (["1", "2", "3"], [])
