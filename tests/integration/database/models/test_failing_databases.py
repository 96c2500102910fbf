"""Databases that fail, differ, are closed or are somebody else's"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import ExitStack

import pytest
import sqlalchemy as sa

from qapla.database import models
from qapla.database.drivers import Sqlite
from qapla.database.models.model import bound_of
from qapla.errors import DatabaseError, DatabasesFailed, NotBound, ValueRefused


class Base(models.Model):
    """The models of this module."""

    __abstract__ = True
    metadata = sa.MetaData()


class Votes(Base):
    __tablename__ = "ballots"
    name = models.Varchar(40, null=True)
    number = models.Integer(null=True)
    price = models.Decimal(12, 2, null=True)


@pytest.fixture
def broken(tmp_path):
    """Open three files: the second lacks a column, the third the table."""
    with ExitStack() as stack:
        opened = [stack.enter_context(Sqlite(tmp_path / f"{name}.db")) for name in ("whole", "other", "empty")]
        opened[0].create_table(Votes)
        Votes(name="here").save(using=opened[0])
        opened[1].session.execute(sa.text("CREATE TABLE ballots (id INTEGER PRIMARY KEY, title TEXT, number INTEGER)"))
        opened[1].commit()
        yield opened


def test_failing_databases(broken):
    """Those that fail are named, with what is different there; the answers of the others are not lost."""
    with pytest.raises(DatabasesFailed) as raised:
        Votes.select().all()

    error = raised.value
    assert str(error).startswith("2 of 3 databases did not answer: 'other': database 'other' has other columns in table 'ballots' than ")
    assert "than model 'Votes': without 'name', 'price', and with 'title'; 'empty': " in str(error)
    assert "'empty': database 'empty' has no table 'ballots' for model 'Votes'" in str(error)
    assert {name: [row.name for row in rows] for name, rows in error.answers.items()} == {"whole": ["here"]}
    assert {name: type(each) for name, each in error.errors.items()} == {"other": DatabaseError, "empty": DatabaseError}


def test_reported_failures(broken, caplog):
    """With ``on_error("report")`` the others are the answer, and the queryset says who is missing; nobody at all is an error."""
    asked = Votes.select().where(name__like="h%").on_error("report")

    for answer, wanted in ((asked.count, 1), (lambda: [row.name for row in asked], ["here"]), (lambda: asked.max("name"), "here")):
        assert answer() == wanted
        assert sorted(asked.errors) == ["empty", "other"]
    assert "database 'empty' did not answer: database 'empty' has no table 'ballots'" in caplog.text
    assert asked.where(number=None).errors == {}
    with pytest.raises(DatabasesFailed, match=r"2 of 2 databases did not answer"):
        asked.using("other", "empty").all()


def test_columns_that_all_have(broken):
    """Databases that differ can be asked for what they have in common."""
    assert Votes.select("id", "number").using("whole", "other").tuples().all() == [(1, None)]


def test_closed(tmp_path):
    """Nothing is asked of a database that is closed, nor where none is open; rows that are read stay readable."""
    with Sqlite(tmp_path / "a.db") as db:
        db.create_table(Votes)
        Votes(name="a").save()
        asked = Votes.select().using(db)
        rows, batches = asked.all(), iter(asked)
        assert next(batches).name == "a"

    assert rows[0].name == "a"
    with pytest.raises(NotBound, match="database 'a' is not open"):
        asked.all()
    with pytest.raises(NotBound, match="no database is bound"):
        Votes.select().count()
    with pytest.raises(NotBound, match="database 'a' is closed"):
        next(batches)


def test_threads_and_tasks(tmp_path):
    """A thread or task asks the databases that it has opened, and none of its parent's."""

    def count(name):
        with Sqlite(tmp_path / f"{name}.db") as db:
            db.create_table(Votes)
            Votes(name=name).save()
            time.sleep(0.01)
            return [row.name for row in Votes.select()]

    def count_none():
        with pytest.raises(NotBound):
            Votes.select().count()

    async def ask():
        async def task(name):
            await asyncio.sleep(0)
            found = count(name)
            count_none()
            return found

        return await asyncio.gather(*(task(f"task-{number}") for number in range(3)))

    with Sqlite(tmp_path / "outer.db") as db:
        db.create_table(Votes)
        thread = threading.Thread(target=count_none)
        thread.start()
        thread.join()
        assert asyncio.run(ask()) == [["task-0"], ["task-1"], ["task-2"]]
        assert Votes.select().count() == 0


def test_rows_of_another_database(tmp_path):
    """A row of one database is no value for an update of another: its key would mean somebody else there."""

    class Owner(Base):
        name = models.Varchar(20)

    class Thing(Base):
        owner = models.ForeignKey(Owner, null=True)

    with Sqlite(tmp_path / "a.db") as a, Sqlite(tmp_path / "b.db") as b:
        owners = []
        for db in (a, b):
            db.create_tables(Owner, Thing)
            owners.append(Owner(name=db.name))
            owners[-1].save(using=db)
            Thing(owner=owners[-1]).save(using=db)

        assert owners[0].id == owners[1].id
        assert [bound_of(thing) for thing in Thing.select().where(owner=owners[0])] == [a]
        assert Thing.select().where(owner=owners[0].id).count() == 2
        assert [bound_of(thing) for thing in Thing.select().where(owner__neq=owners[0])] == [b]
        with pytest.raises(ValueRefused, match="'owner' is given a row of another database than"):
            Thing.select().using("b").update(owner=owners[0], all_rows=True)
