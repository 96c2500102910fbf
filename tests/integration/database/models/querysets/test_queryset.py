"""Querysets on each engine: order, columns, slices, aggregates, batches, changes"""

from __future__ import annotations

import gc
import time
import tracemalloc
from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from qapla.database.models.queryset import select
from qapla.errors import (
    DatabaseError,
    QueryError,
    TimedOut,
    ValueRefused,
)
from qapla.testing import at_most

from .conftest import DAY, Answer, Loose, Page, Pair, Part, Poll, Tag, User, votes


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


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_batches_without_key(pairs, size):
    """Rows that no key tells apart come as often as they are there, also those with NULL in what stands for a key."""
    rows = [(1, "a"), (2, None), (1, "a"), (None, None), (None, None)]
    pairs.session.execute(sa.insert(Loose), [{"a": a, "b": b} for a, b in rows])

    found = list(Loose.select().tuples().iterate(size))

    pairs.rollback()
    assert sorted(found, key=repr) == sorted(rows, key=repr)


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

    started = time.monotonic()
    with pytest.raises(TimedOut, match=r"database 'polls' took longer than 0.3 s"):
        Answer.select().where(slow).timeout(0.3).all()

    assert time.monotonic() - started < 10
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
