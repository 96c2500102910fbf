"""The table of casts: what may follow ``::`` in a request, what kind of value it gives, and which engines have it.

PostgreSQL casts by itself. Where another engine would make 0 of ``abc``, or a date of nothing, it is brought to refuse it, too: a cast
means the same on every engine that has it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qapla.database.query.sql import Literal, Sql, join, sql
from qapla.database.schema.description import ColumnType
from qapla.errors import NotOffered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qapla.database.dialects import Engine
    from qapla.database.schema.description import Kind

EVERYWHERE = ("postgresql", "mariadb", "mysql", "sqlite")
POSTGRESQL = ("postgresql",)


@dataclass(frozen=True, slots=True)
class Cast:
    """One row of the table. ``names`` are the other ways to write it."""

    name: str
    kind: Kind
    engines: tuple[str, ...] = EVERYWHERE
    names: tuple[str, ...] = ()

    @property
    def type(self) -> ColumnType:
        """Return the type of what it gives."""
        return TYPES[self.name]


_ROWS = (
    Cast("text", "text", names=("string", "varchar")),
    Cast("smallint", "integer", names=("int2",)),
    Cast("integer", "integer", names=("int", "int4")),
    Cast("bigint", "integer", names=("int8",)),
    Cast("numeric", "decimal", names=("decimal",)),
    Cast("real", "float", names=("float4",)),
    Cast("double precision", "float", names=("float", "float8")),
    Cast("boolean", "boolean", names=("bool",)),
    Cast("date", "date"),
    Cast("timestamp", "timestamp"),
    Cast("timestamptz", "timestamp_tz", POSTGRESQL),
    Cast("time", "time", POSTGRESQL),
    Cast("timetz", "time", POSTGRESQL),
    Cast("interval", "interval", POSTGRESQL),
    Cast("uuid", "uuid", POSTGRESQL),
    Cast("json", "json", POSTGRESQL),
    Cast("jsonb", "json", POSTGRESQL),
    Cast("bytea", "binary", POSTGRESQL),
    Cast("money", "unknown", POSTGRESQL),
    Cast("inet", "network", POSTGRESQL),
    *(Cast(f"{name}[]", "array", POSTGRESQL) for name in ("text", "integer", "bigint", "numeric", "boolean", "uuid")),
)

CASTS: Mapping[str, Cast] = {name: cast for cast in _ROWS for name in (cast.name, *cast.names)}
TYPES: Mapping[str, ColumnType] = {cast.name: ColumnType(cast.kind, cast.name) for cast in _ROWS}
BOUNDS: Mapping[str, tuple[int, int]] = {
    "smallint": (-(2**15), 2**15 - 1), "integer": (-(2**31), 2**31 - 1), "bigint": (-(2**63), 2**63 - 1),
}  # fmt: skip


def get_cast(name: str, engine: Engine) -> str:
    """Return the name in the table of the cast that a caller wrote as *name*.

    Raises:
        NotOffered: there is none, or the engine has not got it.
    """
    found = CASTS.get(name.strip().lower())
    if found is None:
        raise NotOffered(f"cast to {name[:60]!r} is not offered", hint=f"one of {', '.join(sorted(CASTS))}")
    if engine.key not in found.engines:
        offered = ", ".join(sorted(key for key, cast in CASTS.items() if engine.key in cast.engines))
        raise NotOffered(f"cast to {name[:60]!r} is not offered by {engine.label}", hint=f"one of {offered}")
    return found.name


# -- MariaDB and MySQL ----------------------------------------------------------------------------------------------------------------

_INTEGER = Literal(r"^[[:space:]]*[+-]?[0-9]+[[:space:]]*$")
_NUMBER = Literal(r"^[[:space:]]*[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?[[:space:]]*$")
_MOMENT = Literal(r"^[[:space:]]*[0-9]{1,6}-[0-9]{1,2}-[0-9]{1,2}([ T]|$)")
_FAILED = re.compile(r"'(22\w{3}) ([a-z ]+): ")
_NUMBERS: frozenset[Kind] = frozenset({"integer", "decimal", "float", "boolean", "bits"})
_MOMENTS: frozenset[Kind] = frozenset({"date", "timestamp", "timestamp_tz"})


def cast_mysql(value: Sql, type: ColumnType, cast: str) -> Sql:
    """Return *value*, of *type*, as another type; what cannot be one makes the statement fail, as ``read_failed_cast`` tells."""
    if type.kind == "bits":  # bytes to the engine
        value = print_bits(value, type) if cast == "text" else sql("({} + 0)", value)
    is_number = type.kind in _NUMBERS
    if cast == "text":
        if type.kind == "boolean":
            return sql("CASE {} WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE CAST({} AS CHAR) END", value, value)
        return sql("CAST({} AS CHAR)", value)
    if cast in BOUNDS:
        rounded = sql("ROUND({})", value) if is_number else sql("CAST({} AS DECIMAL(65,0))", value)
        lowest, highest = BOUNDS[cast]
        tests = [] if is_number else [(sql("{} REGEXP {}", _text(value), _INTEGER), "22P02")]
        tests.append((sql(f"{{}} BETWEEN {lowest} AND {highest}", rounded), "22003"))
        return _checked(value, cast, tests, sql("CAST({} AS SIGNED)", rounded))
    if cast in ("numeric", "real", "double precision"):
        target = "DECIMAL(65,30)" if cast == "numeric" else "DOUBLE"
        if is_number:
            return value if cast == "numeric" and type.kind != "float" else sql(f"CAST({{}} AS {target})", value)
        return _checked(value, cast, [(sql("{} REGEXP {}", _text(value), _NUMBER), "22P02")], sql(f"CAST({{}} AS {target})", value))
    if cast == "boolean":
        if is_number:
            return sql("IF({} IS NULL, NULL, {} <> 0)", value, value)
        word = sql("LOWER(TRIM({}))", _text(value))
        true = sql("{} IN ('true','t','yes','y','on','1')", word)
        known = sql("({} OR {} IN ('false','f','no','n','off','0'))", true, word)
        return _checked(value, cast, [(known, "22P02")], sql("({})", true))
    target = "DATE" if cast == "date" else "DATETIME(6)"
    made = sql(f"CAST({{}} AS {target})", value)
    if type.kind in _MOMENTS:
        return made
    is_made = sql("{} IS NOT NULL", made)
    is_moment = sql("({} OR {} REGEXP {})", is_made, _text(value), _MOMENT)
    return _checked(value, cast, [(is_moment, "22007"), (is_made, "22008")], made)


def print_bits(value: Sql, type: ColumnType) -> Sql:
    """Return bits as a text of zeros and ones, as many as the column has."""
    return sql(f"LPAD(BIN({{}} + 0), {type.length or 1:d}, '0')", value)


def read_failed_cast(text: str) -> tuple[str, str] | None:
    """Return the SQLSTATE of a cast that has failed, and what to say, of the text of error 1690; None: it is another one."""
    found = _FAILED.search(text)
    if found is None:
        return None
    said = "is out of range for type" if found[1] in ("22003", "22008") else "cannot be read as"
    return found[1], f"a value {said} {found[2]}"


def _text(value: Sql) -> Sql:
    return sql("CONVERT({} USING utf8mb4)", value)


def _checked(value: Sql, cast: str, tests: Sequence[tuple[Sql, str]], found: Sql) -> Sql:
    """Return *found* where all tests hold, and fail with the SQLSTATE of the first that does not."""
    cases = [sql("WHEN ({}) IS NOT TRUE THEN {}", test, _failing(code, cast, value)) for test, code in tests]
    return sql("CASE WHEN {} IS NULL THEN NULL {} ELSE {} END", value, join(" ", cases), found)


def _failing(code: str, cast: str, value: Sql) -> Sql:
    """Return what fails: no function does so by itself, but a number that is too large does (1690), and its error shows the expression."""
    return sql("(CHAR_LENGTH(CONCAT({}, LEFT({}, 1))) + CAST(~0 AS UNSIGNED))", Literal(f"{code} {cast}: "), value)


# -- SQLite ---------------------------------------------------------------------------------------------------------------------------


def cast_sqlite(value: Sql, type: ColumnType, cast: str) -> Sql:
    """Return *value*, of *type*, as another type, by our own function where its own would refuse nothing."""
    if cast == "text":
        if type.kind == "boolean":
            return sql("CASE {} WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE CAST({} AS TEXT) END", value, value)
        hexes, plain = sql("'\\x' || lower(hex({}))", value), sql("CAST({} AS TEXT)", value)
        return sql("CASE typeof({}) WHEN 'real' THEN qapla_text({}) WHEN 'blob' THEN {} ELSE {} END", value, value, hexes, plain)
    if cast in BOUNDS and type.kind == "decimal":
        value = sql("qapla_round({})", value)
    return sql("qapla_cast({}, {})", value, Literal(cast))
