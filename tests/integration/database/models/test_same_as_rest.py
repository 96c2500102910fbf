"""A condition of a queryset finds what the same one finds in REST, and an order has the same rows in it"""

from __future__ import annotations

import datetime as dt
import json
from contextlib import contextmanager
from decimal import Decimal

import pytest
import sqlalchemy as sa

from qapla.database import models
from qapla.database.drivers import Mariadb, Postgresql, Sqlite
from qapla.database.open import open_database
from qapla.database.query.description import Compare, Field, Order, Path, Query, Selection, Window
from qapla.driver.table_read import TableReadDriver
from qapla.errors import QaplaError
from qapla.ports import ALL_RIGHTS
from qapla.testing.servers import ENGINE_NAMES, make_database

OPENERS = {"sqlite": Sqlite, "postgresql": Postgresql, "mariadb": Mariadb}


class Base(models.Model):
    """The models of this module."""

    __abstract__ = True
    metadata = sa.MetaData()


class Odds(Base):
    text = models.Varchar(60, null=True)
    whole = models.Integer(bits=64, null=True)
    price = models.Decimal(12, 2, null=True)
    real = models.Float(null=True)
    done = models.Boolean(null=True)
    day = models.Date(null=True)
    seen = models.DateTime(null=True)
    moment = models.Timestamp(null=True)
    clock = models.Time(null=True)
    guid = models.UUID(null=True)
    kind = models.Enum("red", "Green", "blue", null=True)


VALUES = {
    "text": ["red", "Red", "red ", "a*b", "a%b", "a_b", "a\\b", "É", "é", "ß", "[x]", "it's", "", "line\nline", "\U0001f600"],
    "whole": [0, 1, -1, 2**63 - 1, -(2**63), 2**53 + 1],
    "price": [Decimal("0.10"), Decimal("-0.01"), Decimal("9999999.99"), Decimal("0.00")],
    "real": [0.1, 0.30000000000000004, -1e300, 1e-300, 2.0],
    "done": [True, False],
    "day": [dt.date(1, 1, 1), dt.date(2024, 2, 29), dt.date(9999, 12, 31)],
    "seen": [dt.datetime(2024, 2, 29, 12, 30), dt.datetime(2024, 2, 29, 12, 30, 0, 1), dt.datetime(2024, 2, 29)],
    "moment": [dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.UTC), dt.datetime(2024, 2, 29, 12, 30, 0, 500000, tzinfo=dt.UTC)],
    "clock": [dt.time(0), dt.time(23, 59, 59, 999999), dt.time(12, 30)],
    "guid": ["00000000-0000-0000-0000-00000000000a", "f0000000-0000-4000-8000-000000000000"],
    "kind": ["red", "Green", "blue"],
}
PATTERNS = ["r%", "*ed", "_ed", "a\\*b", "a\\%b", "a\\_b", "a\\\\b", "[x]", "é", "É*", "%", "re_ ", "SS", "line%"]
REGEXES = ["^r", "^[A-Z]", "b$", "x\\]", "^$", "é|É", "a.b"]


@contextmanager
def both(engine_name):
    """Fill a table, and open it as a model and as REST has it."""
    with make_database(engine_name) as url:
        place = url.set(drivername=engine_name)
        with OPENERS[engine_name](place) as db:
            db.create_table(Odds)
            for field, values in VALUES.items():
                for value in values:
                    Odds(**{field: value}).save()
            db.commit()
            with open_database(place.render_as_string(hide_password=False)) as served:
                yield TableReadDriver(served, ALL_RIGHTS), next(table.name for table in served.schema.tables if table.name.name == "odds")


@pytest.fixture(scope="module", params=ENGINE_NAMES)
def odds(request):
    """Give the tests one table per engine."""
    with both(request.param) as opened:
        yield opened


def ask_rest(odds, **parts):
    """Return the keys that REST answers."""
    driver, table = odds
    query = Query(table, Selection((Field(Path("id")),)), window=Window(limit=1000), **parts)
    return [row["id"] for row in map(json.loads, driver.page(query).bodies)]


def written(value):
    """Return a value as a URL has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def cases():
    """Yield field, operator, operand and the operand's text."""
    for field, values in VALUES.items():
        for index, value in enumerate(values):
            for operator in ("eq", "neq", "gt", "gte", "lt", "lte", "isdistinct") if index < 2 else ("eq", "gt"):
                yield field, operator, value, written(value)
        yield field, "in", values[:2], tuple(map(written, values[:2]))
        yield field, "is", None, "null"
        yield field, "is", "not_null", "not_null"
    yield "done", "is", True, "true"
    yield "done", "is", False, "false"
    yield from (("text", operator, pattern, pattern) for pattern in PATTERNS for operator in ("like", "ilike"))
    yield from (("text", operator, regex, regex) for regex in REGEXES for operator in ("match", "imatch"))


def test_conditions(odds):
    """Every operator of the table, with values of every kind."""
    different = []
    for field, operator, operand, text in cases():
        ours = [row.id for row in Odds.select("id").where(**{f"{field}__{operator}": operand})]
        try:
            theirs = ask_rest(odds, where=Compare(Path(field), operator, text))
        except QaplaError as error:
            theirs = [str(error)]
        if sorted(ours) != sorted(theirs):
            different.append((field, operator, operand, ours, theirs))

    assert different == []


@pytest.mark.parametrize("descending", [False, True])
def test_orders(odds, descending):
    """NULLs and level rows are where REST has them."""
    for field in VALUES:
        ours = [row.id for row in Odds.select("id").orderby(f"{'-' * descending}{field}")]

        assert ours == ask_rest(odds, order=(Order(Path(field), descending),))
