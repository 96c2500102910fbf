"""Querysets on each engine: what is asked, and what it means"""

from __future__ import annotations

import datetime as dt
import gc
import tracemalloc
from contextlib import contextmanager
from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from qapla.database import models
from qapla.database.drivers import Mariadb, Postgresql, Sqlite
from qapla.database.models.queryset import select
from qapla.errors import (
    DatabaseError,
    InputError,
    ModelError,
    NotBound,
    NotOffered,
    QueryError,
    RowNotFound,
    SeveralRows,
    TimedOut,
    ValueRefused,
)
from qapla.testing import at_most
from qapla.testing.servers import ENGINE_NAMES, make_database

OPENERS = {"sqlite": Sqlite, "postgresql": Postgresql, "mariadb": Mariadb}
DAY = dt.datetime(2024, 2, 29)


class Base(models.Model):
    """The models of this module."""

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
    polls.create_tables(Pair, Part, Tag, User, Page)
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


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ({"votes": 30}, [30]),
        ({"votes__eq": 30}, [30]),
        ({"votes__exact": 30}, [30]),
        ({"votes__neq": 30, "votes__lt": 50}, [0, 10, 20, 40]),
        ({"votes__ne": 30, "votes__le": 30}, [0, 10, 20]),
        ({"votes__gt": 70}, [80, 90]),
        ({"votes__gte": 80, "votes__lte": 80}, [80]),
        ({"votes__ge": 90}, [90]),
        ({"votes__in": [10, 90, 999]}, [10, 90]),
        ({"votes__in": range(10, 30, 10)}, [10, 20]),
        ({"votes__in": []}, []),
        ({"votes__not_in": [0, 10, 20, 30, 40, 50]}, [60, 70, 80, 90]),
        ({"votes__between": (20, 40)}, [20, 30, 40]),
        ({"votes__isnull": False, "votes__lt": 20}, [0, 10]),
        ({"text__like": "r%"}, [0]),
        ({"text__like": "*ed"}, [0, 10]),
        ({"text__like": "_ed"}, [0, 10]),
        ({"text__like": "Ä_"}, [40]),
        ({"text__like": "10\\% off"}, [20]),
        ({"text__ilike": "RE%"}, [0, 10]),
        ({"text__ilike": "ÄÖ"}, [40, 50]),
        ({"text__iexact": "rED"}, [0, 10]),
        ({"text__contains": "%"}, [20]),
        ({"text__contains": "*"}, [30]),
        ({"text__contains": "_"}, [70]),
        ({"text__contains": "\\"}, [60]),
        ({"text__icontains": "Ö"}, [40, 50]),
        ({"text__startswith": "r"}, [0]),
        ({"text__istartswith": "r"}, [0, 10]),
        ({"text__endswith": "'s"}, [80]),
        ({"text__iendswith": "ED"}, [0, 10]),
        ({"text__match": "^[rR]ed$"}, [0, 10]),
        ({"text__imatch": "^red$"}, [0, 10]),
        ({"text": ""}, [90]),
        ({"price": Decimal("0.03")}, [30]),
        ({"price__gt": 0.08}, [90]),
        ({"share__lt": 0.5}, [0, 10]),
        ({"done": True, "votes__lt": 70}, [50, 60]),
        ({"done__is": False}, [0, 10, 20, 30, 40]),
        ({"votes__isdistinct": 0, "votes__lte": 20}, [10, 20]),
        ({"poll": 1, "votes__lt": 30}, [0, 20]),
        ({"poll_id": 2, "votes__lt": 30}, [10]),
        ({"poll__in": [1, 2], "votes__lt": 20}, [0, 10]),
        ({"poll__neq": 1, "votes__lt": 40}, [10, 30]),
        ({"poll__title": "Other", "votes__lt": 40}, [10, 30]),
        ({"poll__title__ilike": "col%", "poll__day__gte": DAY, "votes__gt": 50}, [60, 80]),
        ({"poll__day__gte": "2024-02-29", "votes__lt": 10}, [0]),
        ({"poll__parent__title": "Colors", "votes__lt": 20}, [10]),
        ({"poll__parent": None, "poll__isnull": False, "votes__lt": 20}, [0]),
    ],
)
def test_where(polls, named, found):
    """An operator means the same on every engine, and the same as in REST: texts with their case where it counts, patterns as patterns."""
    assert votes(Answer.select().where(**named)) == found


def test_where_null(polls):
    """None is NULL; NULL is neither equal to anything nor different, but distinct."""
    answers = Answer.select()

    assert answers.where(votes=None).count() == answers.where(poll=None).count() == answers.where(poll__is=None).count() == 1
    assert answers.where(votes__neq=None).count() == answers.where(votes__is="not_null").count() == 10
    assert answers.where(poll__neq=None).count() == 10
    assert answers.where(votes__neq=10).count() == 9
    assert answers.where(votes__isdistinct=10).count() == 10


def test_where_expressions(polls):
    """Expressions of SQLAlchemy stand beside names, and several calls are one condition."""
    found = Answer.select().where((Answer.votes > 70) | (Answer.votes == 0), done=True).where(~(Answer.votes == 80))

    assert votes(found) == [90]
    others = sa.select(Poll.id).where(Poll.title == "Other").scalar_subquery()
    assert votes(Answer.select().where(Answer.poll_id == others, votes__lt=20)) == [10]
    assert votes(Answer.select().where(Answer.poll.has(Poll.title == "Other"), sa.text("votes < 20"))) == [10]


def test_where_related_rows(polls):
    """Conditions behind one relation are about one related row; those of two calls may be met by two; a row stands for its key."""
    text_of = Poll.select().where
    colors = Poll.select().where(title="Colors").one()

    assert text_of(answers__text="it's", answers__votes__lt=50).count() == 0
    assert text_of(answers__text="it's").where(answers__votes__lt=50).one() is colors
    assert text_of(answers__votes__in=[0, 20]).count() == 1
    assert text_of(answers__is="not_null").count() == 2
    assert text_of(answers=None).count() == 0
    assert votes(Answer.select().where(poll=colors, votes__lt=30)) == [0, 20]
    assert text_of(answers=Answer.select().where(votes=10).one()).one().title == "Other"
    assert text_of(parts__title="Other").one() is colors


def test_where_queryset(polls):
    """A queryset is a subselect of the same database."""
    others = Poll.select().where(title="Other")
    answers = Answer.select().where(votes__lt=40)

    with at_most(3, polls.engine):
        assert votes(answers.where(poll__in=others)) == [10, 30]
        assert votes(answers.where(poll_id__not_in=others)) == [0, 20]
        assert votes(answers.where(text__in=Answer.select("text").where(votes__gte=30))) == [30]


def test_where_json(polls):
    """JSON is searched by what it contains, where the engine compares documents; elsewhere it is refused by name."""
    answers = Answer.select().where(data__cs={"tags": [3]})

    if polls.dialect.key == "mariadb":
        with pytest.raises(NotOffered, match="operator 'cs' of JSON is not offered by MariaDB"):
            answers.all()
    else:
        assert votes(answers) == [30]
        assert Answer.select().where(data__cd={"n": 3, "tags": ["x", 3], "more": 1}).count() == 1
    assert Answer.select().where(data__is=None).count() == 1
    with pytest.raises(NotOffered, match="operator 'eq' is not offered for 'data', which is JSON"):
        Answer.select().where(data={"n": 1})


@pytest.mark.parametrize("operator", ["fts", "plfts", "phfts", "wfts"])
def test_where_search(polls, operator):
    """Words are searched where the engine has it, and refused by name elsewhere, with what to use instead."""
    answers = Answer.select().where(**{f"text__{operator}": "red"})

    if polls.dialect.key == "postgresql":
        assert votes(answers) == [0, 10]
    else:
        with pytest.raises(NotOffered, match=rf"operator '{operator}' is not offered by \w+ \(use ilike with \*word\*\)"):
            answers.all()


@pytest.mark.parametrize("polls", ["sqlite"], indirect=True)  # nearly all of it is refused before an engine sees it
@pytest.mark.parametrize(
    ("ask", "error", "said"),
    [
        (lambda: Answer.select("vots"), QueryError, "model 'Answer' has no field 'vots' (did you mean 'votes'?)"),
        (lambda: Answer.select("poll__titel"), QueryError, "model 'Poll' has no field 'titel' (did you mean 'title'?)"),
        (lambda: Answer.select("votes", "votes"), QueryError, "column 'votes' is selected twice"),
        (lambda: Answer.select(sa.func.sum(Answer.votes)), QueryError, "'sum' is no column"),
        (lambda: Answer.select(Poll), QueryError, "is no column of model 'Answer'"),
        (lambda: Poll.select("answers__text"), QueryError, "column 'answers__text' cannot be selected: 'answers' has many rows"),
        (lambda: Answer.select().where(vote=1), QueryError, "model 'Answer' has no field 'vote' (did you mean 'votes'?)"),
        (lambda: Answer.select().where(votes__gtt=1), QueryError, "operator 'gtt' is not known (did you mean 'gt'?)"),
        (lambda: Answer.select().where(votes="many"), ValueRefused, "field 'votes' is a whole number, and 'many' is none"),
        (lambda: Answer.select().where(votes__in="12"), ValueRefused, "field 'votes' is compared with a list of values"),
        (lambda: Answer.select().where(votes__gt=None), QueryError, "'votes' cannot be compared with None by 'gt'"),
        (lambda: Answer.select().where(text="a\0"), ValueRefused, "the operand for 'text' has a NUL character in it"),
        (lambda: Answer.select().where(text__match="("), (InputError, DatabaseError), "regular expression"),
        (lambda: Answer.select().where(True), QueryError, "'True' is no condition"),
        (lambda: Answer.select().where("votes > 1"), QueryError, "'votes > 1' is no condition"),
        (lambda: Answer.select().where(Poll.title == "Other"), QueryError, "an expression about 'poll' is none about 'Answer'"),
        (lambda: Answer.select().where(votes=Poll.id), QueryError, "an expression about 'poll' is none about 'Answer'"),
        (lambda: Answer.select().orderby(Poll.title), QueryError, "an expression about 'poll' is none about 'Answer'"),
        (lambda: Answer.select(Poll.title), QueryError, "an expression about 'poll' is none about 'Answer'"),
        (lambda: Answer.select().where(poll=Poll(title="new")), ValueRefused, "this Poll has not been saved"),
        (lambda: Answer.select().where(poll=Answer()), ValueRefused, "relation 'poll' is to Poll, and this is a Answer"),
        (lambda: Answer.select().where(poll__gt=1), QueryError, "operator 'gt' is not for relation 'poll'"),
        (lambda: Answer.select().orderby("vots"), QueryError, "model 'Answer' has no field 'vots'"),
        (lambda: Poll.select().orderby("answers__votes"), QueryError, "rows cannot be ordered by 'answers__votes'"),
        (lambda: Answer.select().orderby("data"), NotOffered, "'data' cannot be sorted by: it is json"),
        (lambda: Answer.select("data").distinct(), NotOffered, "rows with 'data' cannot be compared: it is JSON"),
        (lambda: Answer.select("text").distinct().orderby("votes").all(), QueryError, "distinct rows are ordered by what is not selected"),
        (lambda: Answer.select("text").distinct().sum("votes"), QueryError, "distinct rows have no column 'votes'"),
        (lambda: Answer.select().where(votes=2**70), ValueRefused, "no field has a number as large as"),
        (lambda: Answer.select().sum("text"), QueryError, "sum is for numbers, and 'text' is text"),
        (lambda: Answer.select()[:5].where(votes=1), QueryError, "a slice of 'Answer' cannot be changed by 'where'"),
        (lambda: Answer.select()[:5].orderby("votes"), QueryError, "a slice of 'Answer' cannot be changed by 'orderby'"),
        (lambda: Answer.select()[99], RowNotFound, "there is no row 99: 'Answer' has 11 here"),
        (lambda: Answer.select().where(votes=-1).one(), RowNotFound, "there is no such Answer"),
        (lambda: Answer.select().one(), SeveralRows, "there are several such Answer"),
        (lambda: Answer.select().on_error("ignore"), QueryError, "on_error 'ignore' is not known"),
        (lambda: Answer.select().using("nobody").all(), NotBound, "database 'nobody' is not open"),
        (lambda: Answer.select().update(), QueryError, "update is given nothing to set"),
        (lambda: Answer.select().update(votes=1), QueryError, "update without where means all rows of 'Answer'"),
        (lambda: Answer.select().delete(), QueryError, "delete without where means all rows of 'Answer'"),
        (lambda: Answer.select()[:5].delete(), QueryError, "delete is for whole rows, and not for slices"),
        (lambda: Poll.select().where(id=1).update(answers=[]), QueryError, "'answers' has many rows, which no update can set"),
        (lambda: list(Answer.select().iterate(0)), QueryError, "a batch has a whole number of rows, and 0 is none"),
        (lambda: select(int), ModelError, "'int' has no table"),
        (lambda: select(Base), ModelError, "'Base' has no table"),
    ],
)
def test_bad_input(changed, ask, error, said):
    """What is wrong is named, with a hint; the next question is answered."""
    with pytest.raises(error) as raised:
        getattr(ask(), "all", list)()

    assert said in str(raised.value)
    assert Answer.select().count() == 11


def test_python_words(polls):
    """What Python would ask behind one's back is refused with what to write."""
    for word in (len, bool):
        with pytest.raises(TypeError, match="before it is asked"):
            word(Answer.select())


def test_order(polls):
    """NULLs are last, and first where it is descending, on every engine; or where it is said."""
    asked = Answer.select()

    assert [row.votes for row in asked.orderby("votes")[8:]] == [80, 90, None]
    assert [row.votes for row in asked.orderby("-votes")[:3]] == [None, 90, 80]
    assert [row.votes for row in asked.orderby(Answer.votes.desc().nulls_last())[:2]] == [90, 80]
    assert [row.votes for row in asked.orderby(Answer.votes.asc().nulls_first())[:2]] == [None, 0]
    assert [row.votes for row in asked.order_by("-poll__title", "-votes")[:3]] == [None, 90, 70]
    assert [row.votes for row in asked.where(votes__lt=30).orderby(-Answer.votes)] == [20, 10, 0]


def test_columns(polls):
    """Columns are named tuples, dictionaries or tuples; those of rows that are referred to, too; expressions are computed there."""
    asked = Answer.select("votes", "poll__title", (Answer.votes * 2).label("twice")).where(votes__in=[10, 20]).orderby("votes")

    rows = asked.all()

    assert [(row.votes, row.poll__title, row.twice) for row in rows] == [(10, "Other", 20), (20, "Colors", 40)]
    assert asked.values().first() == {"votes": 10, "poll__title": "Other", "twice": 20}
    assert asked.tuples("votes").all() == [(10,), (20,)]
    assert list(Poll.select().values().orderby("id").first()) == ["id", "title", "day", "parent_id"]
    assert Answer.select("poll").where(votes=10).tuples().one() == (2,)
    assert [column.name for column in asked.columns] == ["votes", "poll__title", "twice"]


def test_slices(polls):
    """Slices are half-open from 0, in the order of the key where there is no other; a slice of nothing asks nobody."""
    asked = Answer.select().where(votes__is="not_null")

    assert [row.votes for row in asked[2:4]] == [20, 30]
    assert [row.votes for row in asked.orderby("-votes")[1:7][2:4]] == [60, 50]
    assert asked[3].votes == 30
    assert asked[8:].count() == 2
    assert asked[20:].all() == []
    assert [row.votes for row in asked[:2, :5]] == [0, 10]
    with at_most(0, polls.engine):
        assert asked[5:5].all() == asked[:, 3:3].all() == list(asked[0:0]) == []
        assert (asked[5:5].count(), asked[5:5].exists(), asked[5:5].first(), asked[5:5].sum("votes")) == (0, False, None, None)


def test_aggregates(polls):
    """Counts, sums, averages and extremes are exact, of whole rows, of a slice, of distinct rows; NULLs do not count."""
    asked = Answer.select()

    assert (asked.count(), asked.exists(), asked.where(votes=-1).exists()) == (11, True, False)
    assert (asked.sum("votes"), asked.avg("votes"), asked.min("votes"), asked.max("votes")) == (450, 45.0, 0, 90)
    assert (asked.sum("price"), asked.avg("price"), asked.max("price")) == (Decimal("0.45"), Decimal("0.045"), Decimal("0.09"))
    assert (asked.sum("share"), asked.avg(Answer.share)) == (11.25, 1.125)
    assert (asked.min("done"), asked.max("done"), asked.max("poll__day")) == (False, True, DAY)
    assert type(asked.sum("votes")) is int
    assert (asked.where(votes=-1).sum("votes"), asked.where(votes=-1).avg("votes"), asked.where(votes=-1).min("votes")) == (None,) * 3
    top = asked.where(votes__gte=0).orderby("-votes")[:3]
    assert (top.count(), top.sum("votes"), top.avg("votes"), top.min("votes"), top.max("text")) == (3, 240, 80.0, 70, "under_score")
    assert asked.where(votes__lt=40).tuples("poll_id").distinct().count() == 2
    assert Answer.select("done").distinct().orderby("done").tuples().all() == [(False,), (True,), (None,)]
    assert Answer.select("done").distinct().orderby(Answer.done.desc().nulls_last()).tuples().all() == [(True,), (False,), (None,)]


def test_statements(polls):
    """An answer costs one statement, whatever it is; nothing is asked before somebody wants one."""
    asked = Answer.select().where(poll__title="Colors").orderby("-poll__day", "votes")

    answers = (asked.all, asked.first, asked.count, asked.exists, asked[:2].all, lambda: asked.avg("votes"), lambda: asked.max("votes"))
    for answer in answers:
        with at_most(1, polls.engine):
            answer()
    with at_most(2, polls.engine):  # the rows, and the related rows of all
        rows = asked.options(sa.orm.selectinload(Answer.poll)).all()
        assert {row.poll.title for row in rows} == {"Colors"}


@pytest.mark.parametrize("order", [(), ("-votes",)])
def test_batches(changed, order):
    """Rows come in batches; in the loop one may ask, save and delete; the session is nobody else's meanwhile."""
    seen = []
    for answer in Answer.select().where(votes__is="not_null").orderby(*order).iterate(3):
        seen.append(answer.votes)
        answer.price = Decimal(answer.votes)
        answer.save()
        assert Answer.select().where(votes=answer.votes).one() is answer

    assert sorted(seen) == list(range(0, 100, 10))
    assert seen == (seen if not order else sorted(seen, reverse=True))
    assert Answer.select().sum("price") == 450


@pytest.mark.parametrize("order", [(), ("-votes",)])
def test_memory_is_bounded(pairs, order):
    """However long the list is, no more than a batch of it is in memory."""

    def read(rows):
        gc.collect()
        tracemalloc.start()
        count = sum(1 for _ in rows())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return count, peak

    pages = Page.select().orderby(*order)

    count, whole = read(pages.all)
    same, batches = read(lambda: pages.iterate(10))

    assert (count, same) == (200, 200)
    assert batches < whole / 4


def test_stopped_batches(polls):
    """Whoever stops in the middle leaves nothing behind."""
    for _ in range(3):
        for answer in Answer.select().iterate(2):
            assert answer.id == 1
            break

    assert Answer.select().count() == 11


def test_update_and_delete(changed):
    """All rows that are meant are changed by one statement; rows that were read know it; a rollback undoes it."""
    answers = Answer.select()
    red = answers.where(text="red", votes=0).one()

    with at_most(3, changed.engine):  # MariaDB says which rows it has changed only beforehand
        assert answers.where(votes__lt=30).update(votes=Answer.votes + 1, text="it's 100%") == 3
    assert (red.votes, red.text) == (1, "it's 100%")
    assert answers.where(text__icontains="S 100%").update(poll=Poll.select().where(title="Other").one()) == 3
    assert answers.where(poll__title="Other").count() == 7
    assert answers.where(votes__gt=50).delete() == 4
    assert answers.update({"poll": None}, all_rows=True) == 7
    with pytest.raises(ValueRefused, match=r"Answer.votes: 'x' \(str\) is not a whole number"):
        answers.where(votes=1).update(votes="x")
    changed.rollback()
    assert (answers.count(), answers.where(poll=None).count()) == (11, 1)


def test_failure_keeps_what_was_written(changed):
    """A question that fails, in the database itself, takes nothing away of what was written before it."""
    Answer(text="new").save()

    for _ in range(2):
        with pytest.raises(DatabaseError, match=r"a function that is needed does not exist|function no_such"):
            Answer.select().where(sa.func.no_such(Answer.votes) == 1).all()

    assert Answer.select().where(text="new").count() == 1


def test_expressions_as_values(polls):
    """A value may be computed by the database: another field, a function."""
    assert votes(Answer.select().where(text=sa.func.lower("RED"), votes=0)) == [0]
    assert votes(Answer.select().where(votes__gt=Answer.id * 8)) == [50, 60, 70, 80, 90]


def test_keys_of_several_columns(pairs):
    """A key of several columns is given as a tuple, or as the row itself."""
    pair = Pair.select().where(a=1, b=2).one()

    assert [part.n for part in Part.select().where(pair=pair)] == [part.n for part in Part.select().where(pair=(1, 2))] == [7]
    assert Part.select().where(pair__in=[(1, 2), (1, 3)]).count() == Pair.select().where(parts=Part.select().one()).count() == 1
    assert Part.select().where(pair__neq=(1, 2)).count() == 0
    assert [(pair.a, pair.b) for pair in Pair.select().orderby("-b").iterate(2)] == [(1, 3), (1, 2), (0, 1), (0, 0)]
    assert [(pair.a, pair.b) for pair in Pair.select()[1:3]] == [(0, 1), (1, 2)]
    with pytest.raises(ValueRefused, match=r"relation 'pair' has a key of 2 columns, not 1 \(give the row itself, or a tuple of a, b\)"):
        Part.select().where(pair=5)


def test_fields_with_their_own_values(pairs):
    """Enums, addresses, UUIDs are given as the field takes them, and checked; a hash is equal to nothing."""
    user = User.select().one()

    assert User.select().where(color="red", ip="10.0.0.1", guid=str(user.guid)).one() is user
    assert User.select().where(color__in=["green"]).count() == 0
    for wrong in ({"color": "pink"}, {"ip": "nobody"}, {"guid": "x"}):
        with pytest.raises(ValueRefused):
            User.select().where(**wrong)
    with pytest.raises(QueryError, match="field 'password' keeps hashes, which no text is equal to"):
        User.select().where(password="secret")


def test_many_to_many(pairs):
    """A many-to-many relation is asked like any other."""
    tag = Tag.select().one()

    for condition in ({"tags": tag}, {"tags__label": "t"}, {"tags__in": [tag]}, {"tags__in": Tag.select()}, {"tags__is": "not_null"}):
        assert User.select().where(**condition).count() == 1
    assert User.select().where(tags=None).count() == User.select().where(tags__neq=tag).count() == 0


def test_timeout(polls):
    """A database that is too slow is given up at the deadline, named, and can be asked again."""
    slow = {
        "postgresql": sa.func.pg_sleep(20).is_not(None),
        "mariadb": sa.func.sleep(20) == 0,
        "sqlite": sa.text("(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n) > 0"),
    }[polls.dialect.key]

    started = dt.datetime.now()
    with pytest.raises(TimedOut, match=r"database 'polls' took longer than 0.3 s"):
        Answer.select().where(slow).timeout(0.3).all()

    assert dt.datetime.now() - started < dt.timedelta(seconds=5)
    assert Answer.select().timeout(30).count() == 11


def test_missing_column(polls):
    """A table that is not as the model says is named with what is different; the next question is answered."""

    class Base(DeclarativeBase):
        pass

    class Other(Base):
        __tablename__ = "answer"
        id: Mapped[int] = mapped_column(primary_key=True)
        vote: Mapped[int]

    with pytest.raises(DatabaseError) as error:
        select(Other).all()

    assert "database 'polls' has other columns in table 'answer' than model 'Other': without 'vote', and with 'poll_id'" in str(error.value)
    assert "is 'vote' called 'votes' there?" in str(error.value)
    assert Answer.select().count() == 11


def test_plain_mapped_class(polls):
    """Any mapped class of SQLAlchemy can be asked for, whoever declared it."""

    class Base(DeclarativeBase):
        pass

    class Other(Base):
        __tablename__ = "answer"
        id: Mapped[int] = mapped_column(primary_key=True)
        number: Mapped[int] = mapped_column("votes")

    assert [row.number for row in select(Other).where(number__gt=70).orderby("-number")] == [90, 80]
    assert select(Other).values("number").where(number=0).one() == {"number": 0}
