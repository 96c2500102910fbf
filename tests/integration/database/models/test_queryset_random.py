"""Whatever is asked of any number of databases is what Python answers over their rows"""

from __future__ import annotations

import datetime as dt
import os
from contextlib import ExitStack
from decimal import Decimal
from functools import cmp_to_key
from itertools import chain

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qapla.database import models
from qapla.database.drivers import Sqlite

EXAMPLES = int(os.environ.get("QAPLA_TEST_EXAMPLES", "30"))
FIELDS = ("whole", "price", "name", "day", "done")


class Base(models.Model):
    """The models of this module."""

    __abstract__ = True
    metadata = sa.MetaData()


class Tally(Base):
    whole = models.Integer(null=True)
    price = models.Decimal(10, 2, null=True)
    name = models.Varchar(20, null=True)
    day = models.Date(null=True)
    done = models.Boolean(null=True)


VALUES = {
    "whole": st.integers(-3, 3),
    "price": st.sampled_from([Decimal("-0.50"), Decimal("0.00"), Decimal("0.10"), Decimal("99999999.99")]),
    "name": st.sampled_from(["", "a", "A", "b%", "é", "it's", "\U0001f600", "_", "ab"]),
    "day": st.sampled_from([dt.date(1, 1, 1), dt.date(2024, 2, 29), dt.date(9999, 12, 31)]),
    "done": st.booleans(),
}
ROWS = st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()})
SIGNS = {
    "eq": lambda one, other: one == other,
    "neq": lambda one, other: one != other,
    "gt": lambda one, other: one > other,
    "gte": lambda one, other: one >= other,
    "lt": lambda one, other: one < other,
    "lte": lambda one, other: one <= other,
}


@st.composite
def conditions(draw):
    """A name of ``where``, its operand, and the test it stands for."""
    field = draw(st.sampled_from(FIELDS))
    operator = draw(st.sampled_from([*SIGNS, "is", "in", "not_in", "isdistinct", "between"]))
    if operator == "is":
        return f"{field}__is", None, lambda row: row[field] is None
    if operator in ("in", "not_in"):
        operands = draw(st.lists(VALUES[field], max_size=3))
        wanted = operator == "in"
        return f"{field}__{operator}", operands, lambda row: (row[field] in operands) == wanted and (row[field] is not None or not operands)
    operand = draw(VALUES[field])
    if operator == "isdistinct":
        return f"{field}__isdistinct", operand, lambda row: row[field] != operand
    if operator == "between":
        low, high = sorted([operand, draw(VALUES[field])])
        return f"{field}__between", (low, high), lambda row: row[field] is not None and low <= row[field] <= high
    return f"{field}__{operator}", operand, lambda row: row[field] is not None and SIGNS[operator](row[field], operand)


@st.composite
def questions(draw):
    """What is asked: conditions, an order, a slice."""
    tests = draw(st.lists(conditions(), max_size=2, unique_by=lambda each: each[0]))
    order = draw(st.lists(st.tuples(st.sampled_from(FIELDS), st.booleans()), max_size=2, unique_by=lambda each: each[0]))
    start = draw(st.integers(0, 3))
    stop = draw(st.none() | st.integers(start, 6))
    return tests, order, (start, stop)


def compare(order):
    """NULLs are last, and first where it is descending; level rows are in the order of their keys, that of the last term."""

    def rows(one, other):
        for field, descending in [*order, ("id", order[-1][1] if order else False)]:
            left, right = one[field], other[field]
            if left == right:
                continue
            sign = -1 if descending else 1
            if left is None or right is None:
                return sign if left is None else -sign
            return sign if left > right else -sign
        return 0

    return cmp_to_key(rows)


@pytest.fixture(scope="module")
def polls():
    """Open three databases that stay open; each example empties them."""
    with ExitStack() as stack:
        opened = [stack.enter_context(Sqlite(":memory:", name=f"poll-{number}")) for number in range(3)]
        for each in opened:
            each.create_table(Tally)
            each.commit()
        yield opened


@given(data=st.lists(st.lists(ROWS, max_size=6), min_size=1, max_size=3), question=questions())
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_question(polls, data, question):
    """Conditions, orders, slices and aggregates over several databases are those of Python over their rows."""
    tests, order, (start, stop) = question
    opened = polls[: len(data)]
    expected = []
    for database, rows in zip(opened, data, strict=True):
        database.session.rollback()
        for number, row in enumerate(rows):
            database.session.add(Tally(id=number, **row))
        found = [{"id": number, **row} for number, row in enumerate(rows)]
        found = [row for row in found if all(test(row) for _, _, test in tests)]
        expected.append(sorted(found, key=compare(order))[start:stop])
    every = list(chain.from_iterable(expected))
    merged = sorted(every, key=compare([*order])) if not order else _merge(expected, order)

    asked = Tally.select().where(**{name: operand for name, operand, _ in tests}).using(*opened)
    asked = asked.orderby(*(f"{'-' * descending}{field}" for field, descending in order))[start:stop]

    rows = asked.all()
    if order:
        assert [_plain(row) for row in rows] == merged
        assert [_plain(row) for row in asked.iterate(2)] == merged
        first = asked.first()
        assert (first and _plain(first)) == (merged[0] if merged else None)
    elif not (start == 0 and stop is None):
        assert [_plain(row) for row in rows] == every
    assert sorted(map(_plain, rows), key=_text) == sorted(every, key=_text)
    assert asked.count() == len(every)
    assert asked.exists() == bool(every)
    for field in ("whole", "price"):
        known = [row[field] for row in every if row[field] is not None]
        assert asked.sum(field) == (sum(known) if known else None)
        average = sum(known) / len(known) if known else None
        assert asked.avg(field) == average
        assert type(asked.avg(field)) is type(average)
    for field in FIELDS:
        known = [row[field] for row in every if row[field] is not None]
        assert asked.min(field) == (min(known) if known else None)
        assert asked.max(field) == (max(known) if known else None)
    for database in opened:
        database.session.rollback()


def _merge(answers, order):
    """Return the rows in one order; level ones in that of their databases."""
    return sorted(chain.from_iterable(answers), key=cmp_to_key(lambda one, other: _level(one, other, order)))


def _level(one, other, order):
    for field, descending in order:
        left, right = one[field], other[field]
        if left != right:
            sign = -1 if descending else 1
            if left is None or right is None:
                return sign if left is None else -sign
            return sign if left > right else -sign
    return 0


def _plain(row):
    return {"id": row.id, **{field: getattr(row, field) for field in FIELDS}}


def _text(row):
    return repr(sorted(row.items()))
