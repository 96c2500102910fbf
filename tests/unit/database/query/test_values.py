"""From text and JSON to what is bound, per kind and engine."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qapla.database.query.description import TextValue
from qapla.database.query.values import read_json, read_text, write_json
from qapla.database.schema.description import ColumnType
from qapla.errors import NotOffered, ValueRefused

ENGINES = ("postgresql", "mariadb", "sqlite")
READ = ["integer", "decimal", "float", "boolean", "date", "time", "timestamp_tz", "json", "uuid", "bits"]
SCALARS = st.none() | st.booleans() | st.integers() | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
NAMES = {"integer": "integer", "decimal": "numeric(12,2)", "float": "double precision"}


def type_of(kind: Any, **parts: Any) -> ColumnType:
    """Return a type of this kind."""
    return ColumnType(kind, parts.pop("name", NAMES.get(kind, kind)), **parts)


def code_of(kind: str, value: object, engine: str, **parts: Any) -> str:
    """Return the code with which a value is refused."""
    with pytest.raises(ValueRefused) as caught:
        read_json(value, type_of(kind, **parts), engine, "c")
    assert caught.value.status == 400
    assert "column 'c'" in caught.value.message
    return caught.value.code


@pytest.mark.parametrize(
    ("kind", "value", "postgresql", "mariadb", "sqlite"),
    [
        ("integer", 7, "7", 7, 7),
        ("integer", TextValue(" 7 "), "7", 7, 7),
        ("decimal", Decimal("1.10"), "1.10", Decimal("1.10"), 1.1),
        ("decimal", Decimal("1E+3"), "1E+3", Decimal(1000), 1000),
        ("float", Decimal("0.5"), "0.5", 0.5, 0.5),
        ("boolean", True, True, 1, 1),
        ("boolean", TextValue("off"), False, 0, 0),
        ("text", "ä\n", "ä\n", "ä\n", "ä\n"),
        ("text", 5, "5", "5", "5"),
        ("text", False, "false", "false", "false"),
        ("date", "2024-02-29", "2024-02-29", "2024-02-29", "2024-02-29"),
        ("timestamp", "2024-02-29T01:02:03.50Z", "2024-02-29T01:02:03.50Z", "2024-02-29 01:02:03.5", "2024-02-29 01:02:03.5"),
        ("timestamp_tz", "2024-03-01T00:30:00+02:00", "2024-03-01T00:30:00+02:00", "2024-02-29 22:30:00", "2024-02-29 22:30:00+00:00"),
        ("time", "23:59", "23:59", "23:59:00", "23:59:00"),
        ("json", {"a": [1, Decimal("2.50"), None, "ä"]}, '{"a":[1,2.50,null,"ä"]}', '{"a":[1,2.50,null,"ä"]}', '{"a":[1,2.50,null,"ä"]}'),
        ("json", "text", '"text"', '"text"', '"text"'),
        ("json", TextValue("[1]"), "[1]", "[1]", "[1]"),
        ("binary", "\\x00Ff", b"\x00\xff", b"\x00\xff", b"\x00\xff"),
        ("uuid", "0b1a7d0e-9c1e-4a53-8d0c-1f2e3d4c5b6a", *["0b1a7d0e-9c1e-4a53-8d0c-1f2e3d4c5b6a"] * 3),
        ("bits", "0101", "0101", 5, 5),
        ("unknown", "x", "x", "x", "x"),
    ],
)
def test_reads(kind: str, value: object, postgresql: object, mariadb: object, sqlite: object) -> None:
    """Each engine gets what it takes as exactly this value."""
    found = [read_json(value, type_of(kind), engine) for engine in ENGINES]

    assert found == [postgresql, mariadb, sqlite]
    assert [type(each) for each in found] == [type(each) for each in (postgresql, mariadb, sqlite)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        ("integer", "x", "22P02"),
        ("integer", "", "22P02"),
        ("integer", Decimal("1.5"), "22P02"),
        ("integer", 2**64, "22003"),
        ("integer", TextValue("9" * 5000), "22003"),
        ("integer", True, "22P02"),
        ("decimal", "one", "22P02"),
        ("float", Decimal("1e999999"), "22003"),
        ("boolean", "perhaps", "22P02"),
        ("date", "2024-01-01\0", "22021"),
        ("text", "\udc80", "22021"),
        ("text", {"a": 1}, "22P02"),
        ("text", [1], "22P02"),
        ("json", TextValue("{"), "22P02"),
        ("json", TextValue("NaN"), "22P02"),
        ("binary", "\\xzz", "22P02"),
        ("uuid", "1234", "22P02"),
    ],
)
def test_refuses(kind: str, value: object, code: str, engine: str) -> None:
    """What cannot be read is refused with the same code everywhere."""
    assert code_of(kind, value, engine) == code


def test_a_nul_character_is_stored_where_texts_have_one() -> None:
    """PostgreSQL has none in any text; MariaDB and SQLite give back what they keep."""
    assert code_of("text", "a\0b", "postgresql") == "22021"
    assert [read_json("a\0b", type_of("text"), engine) for engine in ("mariadb", "sqlite")] == ["a\0b", "a\0b"]


@pytest.mark.parametrize("engine", ["mariadb", "sqlite"])
@pytest.mark.parametrize(
    ("kind", "text", "code"),
    [
        ("date", "yesterday", "22007"),
        ("date", "2023-02-29", "22008"),
        ("date", "10000-01-01", "22008"),
        ("timestamp", "2023-01-01T24:01:00", "22008"),
        ("timestamp_tz", "0001-01-01T00:00:00+05:00", "22008"),
        ("time", "25:00:00 o'clock", "22007"),
        ("decimal", "NaN", "22003"),
        ("float", "nan", "22003"),
    ],
)
def test_refuses_what_postgresql_reads_itself(kind: str, text: str, code: str, engine: str) -> None:
    """These engines would take it silently, or as something else."""
    assert code_of(kind, text, engine) == code


def test_sqlite_takes_only_numbers_that_it_keeps() -> None:
    """NUMERIC is a double there: what would lose digits is refused, 2**70 is not."""
    assert read_json(2**70, type_of("decimal"), "sqlite") == float(2**70)
    assert code_of("decimal", Decimal("0.12345678901234567890"), "sqlite") == "22003"
    assert code_of("decimal", 2**70 + 1, "sqlite") == "22003"


def test_zero_dates_are_values_of_mariadb() -> None:
    """What is there can be sent back."""
    assert read_json("0000-00-00", type_of("date"), "mariadb") == "0000-00-00"
    assert code_of("date", "0000-00-00", "sqlite") == "22008"


def test_a_boolean_that_holds_two_stays_two() -> None:
    """tinyint(1) and SQLite's BOOLEAN show it as the number, and take it back."""
    assert read_json(2, type_of("boolean", name="tinyint(1)"), "mariadb") == 2
    assert read_json(2, type_of("boolean"), "sqlite") == 2
    assert code_of("boolean", 2, "postgresql") == "22P02"
    assert code_of("boolean", 300, "mariadb", name="tinyint(1)") == "22003"


def test_bounds_are_those_of_the_type() -> None:
    """An unsigned tinyint ends at 255, a smallint at 32767."""
    assert read_json(255, type_of("integer", name="tinyint(3) unsigned"), "mariadb") == 255
    assert code_of("integer", 256, "mariadb", name="tinyint(3) unsigned") == "22003"
    assert code_of("integer", 32768, "postgresql", name="smallint") == "22003"


def test_an_enum_says_what_it_takes() -> None:
    """The allowed values are in the hint."""
    with pytest.raises(ValueRefused) as caught:
        read_text("blue", type_of("enum", values=("red", "green")), "postgresql")

    assert caught.value.code == "22P02"
    assert "red, green" in (caught.value.hint or "")


def test_arrays_become_literals() -> None:
    """Quotes, NULLs and nesting as PostgreSQL reads them."""
    assert read_json([1, None, 'a"\\', [True]], type_of("array"), "postgresql") == '{"1",NULL,"a\\"\\\\",{"true"}}'


def test_geometry_is_for_postgresql() -> None:
    """Elsewhere it is refused by name."""
    with pytest.raises(NotOffered):
        read_json("POINT(1 1)", type_of("geometry"), "mariadb")


def test_null_is_null() -> None:
    """For every kind."""
    assert read_json(None, type_of("json"), "postgresql") is None


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=20), st.sampled_from(READ))
def test_any_text_is_read_or_refused(text: str, kind: str) -> None:
    """Nothing but a refusal ever comes out of a bad value."""
    for engine in ENGINES:
        try:
            read_text(text, type_of(kind), engine)
        except ValueRefused:
            continue


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_json_is_written_as_it_was_read(value: Any) -> None:
    """Compact, exact, and the same value again."""
    assert json.loads(write_json(value)) == value
