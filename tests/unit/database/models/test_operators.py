"""Operators behind the names of fields, and the values they are given"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from qapla.database.models.operands import read_operand
from qapla.database.models.operators import ALIASES, BUILDERS, EXTRAS, get_builder
from qapla.database.query.lookups import OPERATORS
from qapla.errors import QueryError, ValueRefused


class Base(DeclarativeBase):
    pass


class Thing(Base):
    __tablename__ = "thing"
    id: Mapped[int] = mapped_column(primary_key=True)
    real: Mapped[float]
    price: Mapped[Decimal]
    name: Mapped[str]
    day: Mapped[dt.date]
    seen: Mapped[dt.datetime]
    moment: Mapped[dt.datetime] = mapped_column(sa.DateTime(timezone=True))
    clock: Mapped[dt.time]
    number: Mapped[UUID]
    data: Mapped[bytes]
    done: Mapped[bool]


def column(name):
    return sa.inspect(Thing).column_attrs[name]


def test_no_operator_is_forgotten():
    """Every operator of the one table is offered here, too, and those here that are not in it are not called like one."""
    assert set(BUILDERS) == set(OPERATORS)
    assert not set(EXTRAS) & set(OPERATORS)
    assert not (set(ALIASES) & (set(OPERATORS) | set(EXTRAS)))


@pytest.mark.parametrize("name", [*OPERATORS, *EXTRAS, *ALIASES])
def test_each_name_has_one_meaning(name):
    """An operator is found by its own name and its aliases."""
    own, builder = get_builder(name)

    assert own == ALIASES.get(name, name)
    assert callable(builder)


def test_unknown_operator():
    """A name that is none is refused, with the nearest one."""
    with pytest.raises(QueryError, match=r"operator 'ilik' is not known \(did you mean 'ilike'\?\)"):
        get_builder("ilik")


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("id", 5, 5),
        ("real", 1, 1),
        ("real", Decimal("0.5"), Decimal("0.5")),
        ("price", 3, Decimal(3)),
        ("price", 0.1, Decimal("0.1")),
        ("name", "a'b%", "a'b%"),
        ("day", "2024-02-29", dt.date(2024, 2, 29)),
        ("seen", "2024-02-29T12:30", dt.datetime(2024, 2, 29, 12, 30)),
        ("moment", "2024-02-29T12:30+01:00", dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.timezone(dt.timedelta(hours=1)))),
        ("clock", "12:30", dt.time(12, 30)),
        ("number", "12345678123456781234567812345678", UUID("12345678-1234-5678-1234-567812345678")),
        ("data", bytearray(b"x"), b"x"),
        ("done", True, True),
        ("id", None, None),
    ],
)
def test_reads_values(name, given, read):
    """A value is read as the type of its field, ISO text for dates and times, too."""
    found = read_operand(column(name), given)

    assert (type(found), found) == (type(read), read)


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("id", "many", "field 'id' is a whole number, and 'many' is none (it is a str)"),
        ("id", True, "field 'id' is a whole number, and True is none (it is a bool)"),
        ("id", 1.5, "field 'id' is a whole number, and 1.5 is none (it is a float)"),
        ("real", "1.5", "field 'real' is a number, and '1.5' is none (it is a str)"),
        ("price", float("nan"), "field 'price' is a number, and nan is none (it is a float)"),
        ("name", 5, "field 'name' is a text, and 5 is none (it is a int)"),
        ("name", b"x", "field 'name' is a text, and a bytes is none (it is a bytes)"),
        ("day", dt.datetime(2024, 1, 1), "field 'day' is a date, and a datetime is none (it is a datetime)"),
        ("day", "yesterday", "field 'day' is a date, and 'yesterday' is none (it is a str)"),
        ("seen", dt.date(2024, 1, 1), "field 'seen' is a date and time without a zone, and a date is none (it is a date)"),
        ("seen", dt.datetime(2024, 1, 1, tzinfo=dt.UTC), "field 'seen' is a date and time without a zone, and a datetime is none"),
        ("moment", dt.datetime(2024, 1, 1), "field 'moment' is a date and time with its zone, and a datetime is none"),
        ("number", "x", "field 'number' is a UUID, and 'x' is none (it is a str)"),
        ("data", "text", "field 'data' is bytes, and 'text' is none (it is a str)"),
        ("done", 1, "field 'done' is True or False, and 1 is none (it is a int)"),
    ],
)
def test_refuses_values(name, given, said):
    """A value of another type is refused before any database sees it."""
    with pytest.raises(ValueRefused) as error:
        read_operand(column(name), given)

    assert str(error.value).startswith(said)


def test_the_manual_has_every_name():
    """Each name that may stand behind a field is in the manual."""
    page = (Path(__file__).parents[4] / "docs" / "framework" / "querysets.md").read_text()

    assert [name for name in (*OPERATORS, *EXTRAS, *ALIASES) if f"`{name}`" not in page] == []
