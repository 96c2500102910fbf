"""The fields of qapla.database.models: options, and what values they take"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import ipaddress
import math
import sys
import uuid
from typing import Any

import pytest
from sqlalchemy import func

from qapla.database import models
from qapla.database.models.field import Field
from qapla.database.models.password import Hashed
from qapla.errors import ConfigurationError, ModelError, ValueRefused

PARIS = dt.timezone(dt.timedelta(hours=2))
NOON = dt.datetime(2024, 5, 17, 12, 0, 0, 5)
ID = uuid.UUID("12345678-1234-5678-1234-567812345678")


class Colour(enum.Enum):
    """Kept by value."""

    RED = "red"
    SKY = "sky blue"


def named(field: Field) -> Field:
    field.name, field.model_name = "x", "M"
    return field


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        (models.Integer(), 5, 5),
        (models.Integer(), "-5", -5),
        (models.Integer(), 5.0, 5),
        (models.Integer(bits=64), 2**63 - 1, 2**63 - 1),
        (models.Float(), 1, 1.0),
        (models.Decimal(6, 2), "1.5", decimal.Decimal("1.50")),
        (models.Decimal(6, 2), 0.1, decimal.Decimal("0.10")),
        (models.Decimal(max_digits=6, decimal_places=2), 7, decimal.Decimal("7.00")),
        (models.Char(3), "äöü", "äöü"),
        (models.Text(), "", ""),
        (models.Boolean(), 1, True),
        (models.Date(), "2024-05-17", dt.date(2024, 5, 17)),
        (models.Time(), "12:30", dt.time(12, 30)),
        (models.DateTime(), NOON, NOON),
        (models.DateTime(), "2024-05-17 12:00:00.000005", NOON),
        (models.Timestamp(), NOON.replace(tzinfo=PARIS), NOON.replace(hour=10, tzinfo=dt.UTC)),
        (models.Timestamp(), "2024-05-17T12:00:00.000005+00:00", NOON.replace(tzinfo=dt.UTC)),
        (models.UUID(), str(ID), ID),
        (models.JSON(), {"a": [1, None]}, {"a": [1, None]}),
        (models.Binary(), bytearray(b"\x00\xff"), b"\x00\xff"),
        (models.IP(), "2001:db8::1", ipaddress.ip_address("2001:db8::1")),
        (models.Enum("red", "blue"), "red", "red"),
        (models.Enum(Colour), "sky blue", Colour.SKY),
        (models.Enum(Colour), Colour.RED, Colour.RED),
        (models.Char(choices=[("s", "small"), ("l", "large")]), "s", "s"),
        (models.Integer(null=True), None, None),
    ],
)
def test_takes(field: Field, value: Any, kept: Any) -> None:
    """A value is kept as the type of its field."""
    found = named(field).check(value)

    assert found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        (models.Integer(), "abc", "M.x: 'abc' (str) is not a whole number"),
        (models.Integer(), 1.5, "it has a fraction"),
        (models.Integer(), True, "see Boolean"),
        (models.Integer(), 2**31, "bits=64 takes more"),
        (models.Integer(unsigned=True), -1, "from 0 to"),
        (models.Float(), math.nan, "infinity and NaN"),
        (models.Decimal(4, 2), "100", "at most 4 digits, 2 of them behind the point"),
        (models.Decimal(4, 2), "0.001", "at most 4 digits"),
        (models.Decimal(4, 2), "many", "M.x: 'many' (str) is not a decimal number"),
        (models.Char(3), "abcd", "it has 4 characters, and max_length is 3"),
        (models.Char(), 5, "M.x: '5' (int) is not text (write str(value) if that is meant)"),
        (models.Text(), "a\x00b", "NUL"),
        (models.Text(), "\ud800", "is not text"),
        (models.Boolean(), "yes", "is not true or false"),
        (models.Date(), NOON, "value.date()"),
        (models.Date(), "17.5.2024", "is not a date"),
        (models.Time(), dt.time(1, tzinfo=dt.UTC), "see Timestamp"),
        (models.DateTime(), NOON.replace(tzinfo=dt.UTC), "in a time zone, which DateTime cannot keep; use Timestamp"),
        (models.Timestamp(), NOON, "no time zone: datetime.now(UTC), or use DateTime"),
        (models.UUID(), "1234", "is not a UUID"),
        (models.JSON(), {1, 2}, "is not a value of JSON"),
        (models.JSON(), [math.inf], "is not a value of JSON"),
        (models.JSON(), [{"a": ({1: 2},)}], "is not a value of JSON"),
        (models.JSON(), {"a": "\ud800"}, "is not a value of JSON"),
        (models.Binary(), "text", "value.encode()"),
        (models.Binary(2), b"abc", "max_length is 2"),
        (models.IP(), 5, "'192.0.2.1'"),
        (models.IP(), "1.2.3", "is not an IP address"),
        (models.Enum("red", "blue"), "green", "there are 'red', 'blue'"),
        (models.Char(choices=["s", "l"]), "m", "M.x: 'm' (str) is none of its choices (one of 's', 'l')"),
    ],
)
def test_refuses(field: Field, value: Any, told: str) -> None:
    """What is no value of a field is refused when it is assigned; the error names model, field, value and its type."""
    with pytest.raises(ValueRefused) as caught:
        named(field).check(value)

    assert told in str(caught.value)


def test_expressions_pass() -> None:
    """An expression of SQL is for the database to compute."""
    now = func.now()

    assert named(models.DateTime()).check(now) is now


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: models.Char(max_lenght=5), "Char has no option 'max_lenght' (did you mean 'max_length'?)"),
        (lambda: models.Integer(db_column="x"), "Integer has no option 'db_column' (write column)"),
        (lambda: models.Integer(null=True, nullable=False), "both null=True and nullable=False"),
        (lambda: models.Integer(primary_key=True, null=True), "cannot be a primary key and null"),
        (lambda: models.Integer(bits=8), "Integer of 8 bits is not offered (bits=16, 32 or 64)"),
        (lambda: models.Char("200"), "Char of max_length '200' is not offered"),
        (lambda: models.Decimal(2, 5), "Decimal(2, 5) is not offered"),
        (lambda: models.Enum(), "Enum has no values"),
        (lambda: models.Enum("a", "a"), "Enum has a value twice"),
        (lambda: models.Integer(choices=[]), "Integer has no choices"),
        (lambda: models.Password("md5"), "method 'md5' of Password is not known"),
        (lambda: models.Password(unique=True), "Password cannot have unique"),
        (lambda: models.ForeignKey(int), "ForeignKey leads to 'int', which is no model"),
        (lambda: models.ForeignKey("Q", on_delete="casade"), "on_delete 'casade' is not known (did you mean 'cascade'?)"),
        (lambda: models.ForeignKey("Q", on_delete="set null"), "may not be null (add null=True)"),
        (lambda: models.ManyToMany("Q", null=True), "ManyToMany has no option 'null'"),
        (lambda: models.ManyToMany("Q", through="T", table="t"), "the model in through says both"),
    ],
)
def test_wrong_options(make: Any, told: str) -> None:
    """An option that is wrong or unknown is refused where it is written."""
    with pytest.raises(ModelError) as caught:
        make()

    assert told in str(caught.value)


def test_bcrypt_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without bcrypt the error names the extra that brings it, also where a hash of bcrypt is verified."""
    monkeypatch.setitem(sys.modules, "bcrypt", None)

    with pytest.raises(ConfigurationError, match=r"bcrypt is not installed \(pip install 'qapla\[bcrypt\]'"):
        models.Password("bcrypt")
    with pytest.raises(ConfigurationError, match="bcrypt is not installed"):
        Hashed("$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW").verify("x")


@pytest.mark.parametrize("method", ["argon2", "bcrypt"])
class TestPassword:
    """Password"""

    def test_verify(self, method: str) -> None:
        """Text is hashed when it is assigned; only ``verify`` tells whether other text is the same."""
        hashed = named(models.Password(method)).check("correct horse")

        assert hashed.verify("correct horse")
        assert not hashed.verify("wrong horse")

    def test_is_not_shown(self, method: str) -> None:
        """Neither the text nor its hash is in any text, and a value that is refused is not repeated."""
        hashed = named(models.Password(method)).check("correct horse")

        assert f"{hashed} {hashed!r}" == "Password(***) Password(***)"
        with pytest.raises(ValueRefused) as caught:
            named(models.Password(method, min_length=50)).check("geheim")
        assert "geheim" not in str(caught.value)

    def test_is_not_compared(self, method: str) -> None:
        """``==`` with text is refused, since it would always be false; with another hash it compares."""
        hashed = named(models.Password(method)).check("correct horse")

        assert hashed != named(models.Password(method)).check("correct horse")
        with pytest.raises(TypeError, match=r"use .verify"):
            assert hashed == "correct horse"
