"""One queryset over several databases, of several engines: one answer"""

from __future__ import annotations

import datetime as dt
import threading
import time
from contextlib import ExitStack
from decimal import Decimal
from uuid import UUID

import pytest
import sqlalchemy as sa

from qapla.database import models
from qapla.database.drivers import Mariadb, Postgresql, Sqlite
from qapla.database.models.model import bound_of
from qapla.errors import DatabaseError, DatabasesFailed, NotBound, TimedOut
from qapla.testing import at_most
from qapla.testing.servers import make_database

# Sorted differently by the usual collations of PostgreSQL (libc), MariaDB (without case) and SQLite (by bytes).
TEXTS = ["b", "B", "a", "Z", "é", "_", "ab c", "abc", "\U0001f600", "ﬁ", "a ", ""]


class Base(models.Model):
    """The models of this module."""

    __abstract__ = True
    metadata = sa.MetaData()


class Votes(Base):
    name = models.Varchar(40, null=True)
    number = models.Integer(null=True)
    price = models.Decimal(12, 2, null=True)
    key = models.UUID(null=True)
    color = models.Enum("red", "green", "blue", null=True)
    seen = models.Timestamp(null=True)


def rows_of(place):
    """Return the rows of one of the databases: other ones in each."""
    for number, name in enumerate(TEXTS):
        if number % 3 != place:
            yield {
                "name": name,
                "number": number if number % 4 else None,
                "price": Decimal(number) / 10 + place,
                "key": UUID(f"{number:08x}-{place:04x}-4000-8000-{(97 * number) % 256:012x}"),
                "color": ("red", "green", "blue", None)[number % 4],
                "seen": dt.datetime(2024, 1, 1 + number, tzinfo=dt.UTC),
            }


@pytest.fixture(scope="module")
def three():
    """Open a database of each engine, with other rows in each."""
    with ExitStack() as stack:
        opened = []
        for name, opener in (("sqlite", Sqlite), ("postgresql", Postgresql), ("mariadb", Mariadb)):
            url = stack.enter_context(make_database(name))
            opened.append(stack.enter_context(opener(url.set(drivername=name), name=name)))
        for place, database in enumerate(opened):
            database.create_table(Votes)
            for row in rows_of(place):
                Votes(**row).save(using=database)
            database.commit()
        yield opened


@pytest.fixture
def every():
    """Return all rows as Python has them, those of the first database first."""
    return [row for place in range(3) for row in rows_of(place)]


def ordered(rows, field, *, descending):
    """Return values in order, NULLs last, and first where it is descending."""
    known = sorted((row[field] for row in rows if row[field] is not None), reverse=descending)
    nulls = [None] * (len(rows) - len(known))
    return nulls + known if descending else known + nulls


@pytest.mark.parametrize("field", ["name", "number", "price", "key", "color", "seen"])
@pytest.mark.parametrize("descending", [False, True])
def test_order_is_global(three, every, field, descending):
    """Rows of several engines are in one order, whatever their collations and types are: texts by code points."""
    asked = Votes.select().orderby(f"{'-' * descending}{field}")

    wanted = ordered(every, field, descending=descending)

    assert [getattr(row, field) for row in asked.all()] == wanted
    assert [getattr(row, field) for row in asked.iterate(3)] == wanted
    assert [row[0] for row in asked.tuples(field).iterate(2)] == wanted


@pytest.mark.parametrize("field", ["name", "number", "price", "key", "color", "seen"])
def test_extremes(three, every, field):
    """The smallest and the largest of all databases."""
    known = [row[field] for row in every if row[field] is not None]

    assert Votes.select().min(field) == min(known)
    assert Votes.select().max(field) == max(known)


def test_aggregates(three, every):
    """Counts and sums are added up, averages weighted by how many rows each database has."""
    numbers = [row["number"] for row in every if row["number"] is not None]
    prices = [row["price"] for row in every]
    asked = Votes.select()

    assert (asked.count(), asked.sum("number"), asked.sum("price")) == (len(every), sum(numbers), sum(prices))
    assert asked.avg("number") == sum(numbers) / len(numbers)
    assert asked.avg("price") == sum(prices) / len(prices)
    assert asked.where(name="Z", number__gt=2).exists()
    assert not asked.where(number=99).exists()


def test_distinct(three, every):
    """Equal rows of several databases are one row."""
    asked = Votes.select("color").distinct()

    assert asked.orderby("color").tuples().all() == [("blue",), ("green",), ("red",), (None,)]
    assert asked.orderby(Votes.color.asc().nulls_first()).tuples().all() == [(None,), ("blue",), ("green",), ("red",)]
    assert sorted(map(str, asked.tuples())) == ["('blue',)", "('green',)", "('red',)", "(None,)"]
    assert asked.count() == 4
    assert Votes.select("number").distinct().sum("number") == sum({row["number"] or 0 for row in every})
    assert Votes.select("number").distinct().avg("number") == sum({row["number"] or 0 for row in every}) / 9


def test_slices(three, every):
    """``[a:b]`` are rows of each database, ``[a:b, c:d]`` rows and databases, ``[n]`` is one row of the whole."""
    asked = Votes.select().orderby("name")
    names = [sorted(row["name"] for row in rows_of(place)) for place in range(3)]

    assert [row.name for row in asked[1:3]] == sorted(name for each in names for name in each[1:3])
    assert [row.name for row in asked[:2, 1:]] == sorted(names[1][:2] + names[2][:2])
    assert [row.number for row in Votes.select().orderby("price")[:2, 2]] == [None, 1]
    assert asked[:2, 7:9].all() == []
    assert asked[5].name == sorted(row["name"] for row in every)[5]
    assert {name: [row.name for row in rows] for name, rows in asked[:2].by_database().items()} == {
        each.name: names[place][:2] for place, each in enumerate(three)
    }
    assert asked[:2].count() == 6
    assert asked[:2, :2][1:, 1:].tuples("name").all() == [(names[1][1],)]
    assert [bound.name for bound in asked[:, 1:].bounds()] == ["postgresql", "mariadb"]


def test_using(three):
    """``using`` says which databases are asked, by themselves or by name, and in which order."""
    asked = Votes.select().where(number=1)

    assert [bound_of(row).name for row in asked.using("mariadb", three[0])] == ["mariadb", "sqlite"]
    assert [bound_of(row).name for row in asked] == ["sqlite", "mariadb"]
    with pytest.raises(NotBound, match=r"database 'maria' is not open in this thread or task \(did you mean 'mariadb'\?\)"):
        asked.using("maria").all()


def test_rows_belong_to_their_database(three):
    """A row remembers where it came from; as a value it is only in its own database somebody; its changes go back there."""
    found = Votes.select().where(id=2).by_database()

    assert {name: [bound_of(row).name for row in rows] for name, rows in found.items()} == {each.name: [each.name] for each in three}
    row = found["mariadb"][0]
    row.number = 4711
    row.save()
    assert [bound_of(each).name for each in Votes.select().where(number=4711)] == ["mariadb"]
    three[2].rollback()


def test_changes(three):
    """What is changed or deleted is changed in all of them, and undone in each."""
    assert Votes.select().where(number__in=[1, 2]).update(price=Decimal("99.99")) == 4
    assert Votes.select().where(price=Decimal("99.99")).delete() == 4
    assert Votes.select().count() == 20
    for each in three:
        each.rollback()
    assert Votes.select().count() == 24


def test_one_statement_each(three):
    """An answer costs one statement per database, all of them asked side by side."""
    asked = Votes.select().where(number__gt=1).orderby("-name")

    for answer in (asked.all, asked.first, asked.count, lambda: asked.avg("price"), lambda: asked.max("name"), asked[:2].all):
        with ExitStack() as stack:
            for each in three:
                stack.enter_context(at_most(1, each.engine))
            answer()


def test_failure_in_the_middle(three):
    """A database that fails between two batches is named, or reported, and the others go on."""

    def fail(connection, cursor, statement, *rest):
        nonlocal count
        count += 1
        if count > 2:
            raise sa.exc.OperationalError(statement, None, Exception("gone"))

    for action in ("raise", "report"):
        count = 0
        asked = Votes.select().orderby("name").on_error(action)
        sa.event.listen(three[2].engine, "before_cursor_execute", fail)
        try:
            if action == "raise":
                with pytest.raises(DatabaseError):
                    list(asked.iterate(2))
            else:
                assert len([row for row in asked.iterate(2) if bound_of(row) is three[2]]) == 2
                assert list(asked.errors) == ["mariadb"]
        finally:
            sa.event.remove(three[2].engine, "before_cursor_execute", fail)
    assert asked.count() == 24


def test_interrupted(three):
    """Whoever is interrupted does not wait for the slowest database: what runs is stopped, what waits is not begun."""
    pause = {"postgresql": sa.func.pg_sleep, "mariadb": sa.func.sleep}

    def wait(bound):
        if bound.name == "sqlite":
            time.sleep(0.3)
            raise KeyboardInterrupt
        bound.session.execute(sa.select(pause[bound.name](30))).all()

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        Votes.select().ask(wait)

    assert time.monotonic() - started < 10
    for each in three:
        each.rollback()
    assert Votes.select().count() == 24


def test_asked_side_by_side(three):
    """Slow databases are waited for together, each at most as long as it is given; the fast ones have answered."""
    slow = sa.case((sa.func.coalesce(Votes.id, 0) > 0, sa.literal(True)), else_=False)
    servers = Votes.select().using("postgresql", "mariadb")
    pause = {"postgresql": sa.func.pg_sleep, "mariadb": sa.func.sleep}

    together = threading.Barrier(2)

    def meet(bound):
        together.wait(30)
        return threading.current_thread().name

    def wait(bound):
        bound.session.execute(sa.select(pause[bound.name](20))).all()

    found = servers.where(slow).ask(meet)

    assert len({name for _, name in found}) == 2
    assert threading.current_thread().name not in {name for _, name in found}
    with pytest.raises(DatabasesFailed) as raised:
        servers.timeout(0.2).ask(wait)
    assert {type(each) for each in raised.value.errors.values()} == {TimedOut}
    assert Votes.select().count() == 24
