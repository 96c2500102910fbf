"""Polls and answers on each engine, for questions about them."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from decimal import Decimal

import pytest
import sqlalchemy as sa

from qapla.database import models
from qapla.database.drivers import Mariadb, Postgresql, Sqlite
from qapla.testing.servers import ENGINE_NAMES, make_database

OPENERS = {"sqlite": Sqlite, "postgresql": Postgresql, "mariadb": Mariadb}
DAY = dt.datetime(2024, 2, 29)


class Base(models.Model):
    """The models of these tests."""

    __abstract__ = True
    metadata = sa.MetaData()


class Poll(Base):
    title = models.Varchar(100)
    day = models.DateTime(null=True)
    parent = models.ForeignKey("self", null=True, related_name="parts")


class Answer(Base):
    poll = models.ForeignKey(Poll, null=True)
    text = models.Varchar(100, null=True)
    votes = models.Integer(null=True)
    price = models.Decimal(12, 2, null=True)
    share = models.Float(null=True)
    data = models.JSON(null=True)
    done = models.Boolean(null=True)


class Pair(Base):
    a = models.Integer(primary_key=True)
    b = models.Integer(primary_key=True)


class Loose(Base):
    __mapper_args__ = {"primary_key": ["a", "b"]}
    a = models.Integer(null=True)
    b = models.Varchar(10, null=True)


class Part(Base):
    pair = models.ForeignKey(Pair)
    n = models.Integer()


class Page(Base):
    body = models.Text()
    votes = models.Integer()


class Tag(Base):
    label = models.Varchar(30)


class User(Base):
    __tablename__ = "poll_user"
    password = models.Password()
    ip = models.IP()
    color = models.Enum("red", "green")
    guid = models.GUID()
    tags = models.ManyToMany(Tag)


TEXTS = ["red", "Red", "10% off", "a*b", "ÄÖ", "äö", "back\\slash", "under_score", "it's", ""]


@contextmanager
def opened(engine_name):
    """Open a new database with two polls and ten answers."""
    with make_database(engine_name) as url, OPENERS[engine_name](url.set(drivername=engine_name), name="polls") as db:
        db.create_tables(Poll, Answer)
        colors = Poll(title="Colors", day=DAY)
        other = Poll(title="Other")
        colors.save()
        other.parent = colors
        other.save()
        for number, text in enumerate(TEXTS):
            Answer(
                poll=(colors, other)[number % 2],
                text=text,
                votes=number * 10,
                price=Decimal(number) / 100,
                share=number / 4,
                data={"n": number, "tags": ["x", number]},
                done=number > 4,
            ).save()
        Answer().save()
        db.commit()
        yield db


@pytest.fixture(scope="module", params=ENGINE_NAMES)
def polls(request):
    """Give the tests that change nothing one database per engine."""
    with opened(request.param) as db:
        yield db


@pytest.fixture
def changed(polls):
    """Undo what a test writes."""
    yield polls
    polls.rollback()


@pytest.fixture(scope="module")
def pairs(polls):
    """Have tables with keys of several columns and fields of all sorts."""
    polls.create_tables(Pair, Loose, Part, Tag, User, Page)
    polls.session.execute(sa.insert(Page), [{"body": "x" * 20_000, "votes": number % 7} for number in range(200)])
    for number in range(4):
        Pair(a=number // 2, b=number).save()
    Part(pair=Pair.select().where(b=2).one(), n=7).save()
    user, tag = User(password="secret", ip="10.0.0.1", color="red"), Tag(label="t")
    user.save()
    tag.save()
    user.tags.add(tag)
    polls.commit()
    return polls


def votes(queryset):
    """Return the votes of the answers found, in order."""
    return sorted(answer.votes for answer in queryset.all())
