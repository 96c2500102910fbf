"""qapla.driver.repositories.encoding and entity: what is kept comes back as it was"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, NotRequired, TypedDict
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qapla.database import models
from qapla.driver.repositories.encoding import Decoder
from qapla.driver.repositories.entity import EntityType
from qapla.errors import EntityDamaged, EntityRefused, ModelError


class Colour(Enum):
    RED = "red"


@dataclass
class Inner:
    amounts: dict[str, Decimal]
    when: datetime | None


@dataclass
class Plain:
    id: str
    inner: Inner
    tags: list[str] = field(default_factory=list)


class Typed(TypedDict):
    id: str
    size: NotRequired[int]


@attrs.define
class Attrs:
    id: str
    _secret: bytes = b"\xff"


class Pydantic(pydantic.BaseModel):
    id: str
    data: bytes
    aliased: int = pydantic.Field(alias="Aliased")
    child: Pydantic | None = None


class Struct(msgspec.Struct):
    id: str
    size: float


class Mapped(models.Model):
    class Meta:
        table_name = "qapla_test_encoding"

    name = models.Char(max_length=10)
    at = models.DateTime(null=True)


VALUES: list[tuple[Any, Any]] = [
    (int, 2**70),
    (float, 0.1 + 0.2),
    (float, -0.0),
    (float, math.inf),
    (float | None, -math.inf),
    (Decimal, Decimal("1.10")),
    (Decimal, Decimal("-0E-30")),
    (datetime, datetime(2024, 2, 29, 23, 59, 59, 999999)),
    (datetime, datetime(2024, 2, 29, tzinfo=UTC)),
    (datetime, datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=30)))),
    (date, date(9999, 12, 31)),
    (time, time(1, 2, 3, 4)),
    (timedelta, timedelta(days=-1, microseconds=1)),
    (UUID, UUID(int=7)),
    (Colour, Colour.RED),
    (bytes, bytes(range(256))),
    (str, "null \x00 \u2028 \U0001f600"),
    (str | None, None),
    (str | None, "null"),
    (dict[int, list[float]], {1: [math.inf, 0.5]}),
    (tuple[int, str], (1, "a")),
    (frozenset[int], frozenset({1, 2})),
    (list[Inner], [Inner({"null": Decimal("0.0")}, None)]),
    (Any, {"a": [1, 1.5, None, "x", True]}),
]


@pytest.mark.parametrize(("type", "value"), VALUES, ids=str)
def test_value_comes_back(type, value):
    """A value of a declared type is the same after it was written, also in its digits."""
    decoder = Decoder(type)

    found = decoder.decode(decoder.check(value))

    assert found == value
    assert repr(found) == repr(value)


def test_not_a_number_comes_back():
    """NaN is NaN again, and not None."""
    decoder = Decoder(float | None)

    assert math.isnan(decoder.decode(decoder.check(math.nan)))


@pytest.mark.parametrize("text", ["NaN", "sNaN", "-Infinity"])
def test_decimal_that_is_no_number_comes_back(text):
    """What Decimal knows of values that are no numbers is kept, also what it refuses to compare."""
    decoder = Decoder(Decimal)

    assert str(decoder.decode(decoder.check(Decimal(text)))) == text


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@settings(max_examples=40, deadline=None)
@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8))
def test_anything_of_json_comes_back(value):
    """Whatever JSON and Python's floats can hold comes back."""
    decoder = Decoder(Any)

    assert repr(decoder.decode(decoder.check([value]))) == repr([value])


@pytest.mark.parametrize(
    "value", [datetime(2024, 1, 1), b"x", (1, 2), Decimal("1.5"), object()], ids=["datetime", "bytes", "tuple", "Decimal", "object"]
)
def test_value_without_type_is_refused_where_it_would_change(value):
    """Where no type is declared, what would come back as another one is refused."""
    with pytest.raises((TypeError, ValueError)):
        Decoder(Any).check(value)


@pytest.mark.parametrize(
    ("type", "value"),
    [(Decimal, 0.1), (Decimal, "1.5"), (datetime, "2024-01-01T00:00:00"), (list[UUID], ["5e1ac2d8-6a5b-4d0c-9c3e-1f2a3b4c5d6e"])],
    ids=["float", "text", "moment", "several"],
)
def test_value_of_another_type_is_refused(type, value):
    """What would be read as the declared type, but is another value then, is not taken."""
    with pytest.raises(TypeError, match="another value"):
        Decoder(type).check(value)


class Silent(msgspec.Struct, eq=False):
    """What does not say what is equal to it, nor what it is."""

    x: int
    __repr__ = object.__repr__


@pytest.mark.parametrize(
    ("type", "value"),
    [(Sequence[str], ("a", "b")), (dict[str, list[int]], {"a": (1, 2)}), (float, 3), (Silent, Silent(1))],
    ids=["tuple", "inner tuple", "whole number", "silent"],
)
def test_sequences_and_whole_numbers_are_taken(type, value):
    """A tuple where a list is read, a whole number where a float is, and what does not say what is equal, mean the same."""
    Decoder(type).check(value)


@pytest.mark.parametrize(
    "entity",
    [
        Plain("a", Inner({"x": Decimal("1.0")}, datetime(2024, 1, 1)), ["b"]),
        Attrs("a", b"\x00"),
        Pydantic(id="a", data=b"\xff", Aliased=3, child=Pydantic(id="b", data=b"", Aliased=4)),
        Struct("a", math.inf),
    ],
    ids=lambda entity: type(entity).__name__,
)
def test_entity_comes_back(entity):
    """Each kind of class is kept."""
    described = EntityType(type(entity))

    assert described.read(described.write(entity, "r", "k"), "r", "k") == entity


def test_typed_dict_comes_back():
    """A TypedDict comes back as a dict, and what it lacks is not there."""
    described = EntityType(Typed)

    assert described.read(described.write({"id": "a"}, "r", "k"), "r", "k") == {"id": "a"}


def test_mapped_class_comes_back():
    """A row of a model comes back as a new object with the same values."""
    described = EntityType(Mapped)

    found = described.read(described.write(Mapped(id=3, name="x", at=None), "r", "k"), "r", "k")

    assert (type(found), found.id, found.name, found.at) == (Mapped, 3, "x", None)


@pytest.mark.parametrize("wrong", [{"id": 3}, {"id": "\ud800"}, {"id": "a", "size": "3"}, {"id": "a", "size": True}, {"id": "a", "b": 1}])
def test_value_that_does_not_fit_is_refused(wrong):
    """A value of another type than declared, text that is none and an unknown key are refused when they are written."""
    with pytest.raises(EntityRefused) as caught:
        EntityType(Typed).write(wrong, "things", "things:a")

    assert (caught.value.repository, caught.value.key) == ("things", "things:a")


@dataclass
class Loose:
    more: dict[str, Any]
    inner: Loose | None = None


class LoosePydantic(pydantic.BaseModel):
    inner: list[Loose]


@pytest.mark.parametrize(
    ("type", "wrap"),
    [
        (list[Loose], lambda inner: [inner]),
        (dict[str, Loose], lambda inner: {"a": Loose({}, inner)}),
        (LoosePydantic, lambda inner: LoosePydantic(inner=[inner])),
    ],
)
def test_value_without_type_is_looked_at_wherever_it_is(type, wrap):
    """Also deep inside of a value: what comes back is what was written, or it is refused."""
    decoder = Decoder(type)
    fine, wrong = wrap(Loose({"a": [1, None]})), wrap(Loose({"a": datetime(2024, 1, 1)}))

    assert decoder.decode(decoder.check(fine)) == fine
    with pytest.raises(TypeError):
        decoder.check(wrong)


def test_endless_value_is_refused():
    """A value that contains itself is refused, and not told."""
    endless: list[Any] = ["hidden"]
    endless.append(endless)

    with pytest.raises((RecursionError, ValueError)):
        Decoder(Any).check(endless)


@pytest.mark.parametrize("document", [{}, {"id": b"3", "inner": b"{}"}, {"id": b"\xff"}, {"id": b'"a"', "inner": b"null"}])
def test_damaged_document_is_told(document):
    """A document that is none of its class is told by its key."""
    with pytest.raises(EntityDamaged, match="'things:a'"):
        EntityType(Plain).read(document, "things", "things:a")


def test_field_that_cannot_be_kept_is_told():
    """A class with a field of a type that nobody can read is refused as a class."""

    @attrs.define
    class Ambiguous:
        id: str
        both: Any = attrs.field(default=None, type=None)

    Ambiguous.__annotations__["both"] = datetime | UUID

    with pytest.raises(ModelError, match="'both'"):
        EntityType(Ambiguous)
    with pytest.raises(ModelError, match="'int'"):
        EntityType(int)
