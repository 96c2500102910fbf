"""Which rows a queryset means, on each engine, and what is refused"""

from __future__ import annotations

from decimal import Decimal

import pytest
import sqlalchemy as sa

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
    ValueRefused,
)
from qapla.testing import at_most

from .conftest import DAY, Answer, Base, Poll, votes


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
