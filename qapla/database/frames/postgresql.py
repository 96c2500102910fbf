"""What PostgreSQL is asked before many rows are read: which types they have, who may read them, and how another connection gets there.

The fast readers open a connection of their own. They are used only where it sees exactly what the given one sees: the same role and
settings, nothing written and not committed, no temporary table, no policy of rows that might look at a setting of somebody's own.
"""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from qapla.database.frames.fields import as_float, check_count, known_type
from qapla.database.schema.description import ColumnType
from qapla.database.schema.kinds import POSTGRESQL as KINDS
from qapla.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from qapla.database.frames.fields import Decimals, Field
    from qapla.database.schema.description import Kind

# Types that every reader gives as they are: bool, int2 int4 int8, float4 float8, text varchar bpchar name, bytea, dates and timestamps.
AS_THEY_ARE = frozenset((16, 21, 23, 20, 700, 701, 25, 1043, 1042, 19, 17, 1082, 1114, 1184))
TEXTS = frozenset((25, 1043, 1042, 19))  # a cast would take trailing blanks away
INTEGERS = {21: pa.int16(), 23: pa.int32(), 20: pa.int64(), 26: pa.int64()}
OID, NUMERIC, BYTEA, DATE, TIMESTAMP, TIMESTAMPTZ, INET = 26, 1700, 17, 1082, 1114, 1184, 869
MOMENTS = {TIMESTAMP: pa.timestamp("us"), TIMESTAMPTZ: pa.timestamp("us", "UTC")}
_NUMBERS = frozenset(("integer", "decimal", "float"))
_MOMENTS = frozenset(("timestamp", "timestamp_tz", "date"))
# What a column may be that is taken for a kind; all others are read as text, which everything is.
MEANT: Mapping[Kind, frozenset[str]] = {
    "boolean": frozenset(("boolean",)), "integer": _NUMBERS, "decimal": _NUMBERS, "float": _NUMBERS, "date": frozenset(("date",)),
    "time": frozenset(("time",)), "timestamp": _MOMENTS, "timestamp_tz": _MOMENTS, "binary": frozenset(("binary",)),
    "array": frozenset(("array",)),
}  # fmt: skip
READ_IN_ARRAYS = frozenset(("boolean", "integer", "decimal", "float", "text", "date", "time", "timestamp", "timestamp_tz", "uuid",
                            "binary"))  # fmt: skip
_FOREVER = 2**31 - 1
FEW_ROWS = 20_000  # to connect anew takes longer than reading them

_STATE = """
    SELECT pg_catalog.current_setting('role') <> 'none' OR current_user <> session_user OR pg_catalog.pg_my_temp_schema() <> 0
            OR pg_catalog.current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted')
            OR pg_catalog.txid_current_if_assigned() IS NOT NULL
            OR EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.relrowsecurity),
        ARRAY(SELECT ARRAY[s.name, s.setting] FROM pg_catalog.pg_settings AS s
            WHERE s.source IN ('session', 'client') AND s.context IN ('user', 'superuser')
                AND s.name NOT IN ('client_encoding', 'session_authorization'))
"""


@dataclass(frozen=True, slots=True)
class Question:
    """What a reader is given: a text, how to get to the database, and the settings of the session.

    ``sql`` and ``parameters`` hold values and a password: neither is ever shown.
    """

    sql: str = dataclasses.field(repr=False)
    names: tuple[str, ...]  # of the columns in the text, in order
    parameters: dict[str, Any] = dataclasses.field(repr=False)  # of libpq
    settings: str = dataclasses.field(repr=False)  # a statement that makes another session like this one; "" when there is nothing to set
    is_encrypted: bool


@dataclass(frozen=True, slots=True)
class State:
    """What the session of a connection is like. ``is_own``: what it sees no other connection would."""

    is_own: bool
    settings: tuple[tuple[str, str], ...]


@contextmanager
def kept(connection: Connection) -> Iterator[None]:
    """Keep the transaction of a connection as it is, whatever goes wrong inside."""
    import psycopg

    driver = _driver(connection)
    is_open = driver.info.transaction_status.name == "INTRANS"
    if is_open:
        driver.execute(b"SAVEPOINT qapla_frame")
    try:
        yield
    except BaseException:
        with suppress(psycopg.Error):  # the connection is gone
            if is_open:
                driver.execute(b"ROLLBACK TO SAVEPOINT qapla_frame")
            elif not driver.autocommit:
                driver.rollback()  # of nothing but this
        raise
    if is_open:
        driver.execute(b"RELEASE SAVEPOINT qapla_frame")


def describe(connection: Connection, sql: str) -> list[Any]:
    """Return what PostgreSQL says of the columns of *sql*, without running it."""
    with _driver(connection).cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({sql}) AS q LIMIT 0".encode())  # noqa: S608 - made by the compiler, with quoted values
        return list(cursor.description)


def estimate(connection: Connection, sql: str) -> int:
    """Return how many rows the planner expects."""
    with _driver(connection).cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}".encode())
        (found,) = cursor.fetchone()
    return int(_load(found)[0]["Plan"]["Plan Rows"])


def get_state(connection: Connection) -> State:
    """Return what the session is like."""
    with _driver(connection).cursor() as cursor:
        cursor.execute(_STATE.encode())
        is_own, settings = cursor.fetchone()
    return State(bool(is_own), tuple((name, value) for name, value in settings))


def settle(fields: Sequence[Field], described: Sequence[Any], decimals: Decimals, database: str) -> list[Field]:
    """Return the fields with what only the database knows: the width of numbers, and types that the statement does not say."""
    check_count(fields, len(described))
    for field, column in zip(fields, described, strict=True):
        _compare(field, column, database)
    found = [_settle(field, column) for field, column in zip(fields, described, strict=True)]
    return [as_float(field) if decimals == "float" and not field.as_text else field for field in found]


def _compare(field: Field, column: Any, database: str) -> None:
    """Refuse a column that is something else than the statement says.

    Raises:
        QueryError: what it is in the database, and what it is taken for.
    """
    ours, theirs = field.type.kind, _type_of(column.type_code, column)
    is_known = ours in MEANT and theirs.kind != "unknown" and not field.as_text and field.process is None
    if not is_known or theirs.kind in MEANT[ours]:
        return
    hint = f"read it as text, with as_text={[field.name]!r}"
    raise QueryError(f"column {field.name!r} is {theirs.name!r} in database {database!r}, and taken for {ours!r}", hint=hint)


def _settle(field: Field, column: Any) -> Field:
    oid = column.type_code
    if field.as_text or (pa.types.is_floating(field.arrow or pa.null()) and oid == NUMERIC):
        return field
    if field.type.kind == "integer" and oid in INTEGERS:
        return replace(field, arrow=INTEGERS[oid])
    if field.type.kind in ("timestamp", "timestamp_tz") and oid in MOMENTS and not field.is_column:
        return replace(field, arrow=MOMENTS[oid])
    if field.type.kind == "decimal" and field.type.precision is None and column.precision and field.arrow == pa.string():
        return _retype(field, replace(field.type, precision=column.precision, scale=column.scale or 0), oid)
    return _retype(field, _type_of(oid, column), oid) if field.arrow is None else field


def _retype(field: Field, type: ColumnType, oid: int) -> Field:
    if type.kind == "integer":
        return replace(field, type=type, arrow=INTEGERS.get(oid, pa.int64()))
    return replace(field, type=type, arrow=known_type(type) or pa.string())


def _type_of(oid: int, column: Any) -> ColumnType:
    from psycopg.postgres import types

    info = types.get(oid)
    if info is None:
        return ColumnType("unknown", "a type of its own")
    kind = KINDS.get(info.name, "text")
    if info.array_oid == oid:
        return ColumnType("array", f"{info.name}[]", item=ColumnType(kind, info.name))
    return ColumnType(kind, info.name, precision=column.precision, scale=column.scale)


def has_lists(fields: Sequence[Field]) -> bool:
    """Tell whether a column has to be read by psycopg: arrays, and what a type of one's own makes of the driver's values."""
    return any(field.process is not None or pa.types.is_list(field.arrow or pa.null()) for field in fields)


def wrap(sql: str, fields: Sequence[Field], described: Sequence[Any], *, moments_as_numbers: bool = False) -> tuple[str, tuple[str, ...]]:
    """Return *sql* with a cast around each column that readers would change, and what its columns are called.

    Args:
        moments_as_numbers: dates as days and timestamps as microseconds since 1970, bytes in hex, for readers of text; infinity is the
            largest number then.
    """
    names = tuple(f"c{place}" for place in range(len(fields)))
    columns = zip(names, fields, described, strict=True)
    casts = [_cast(f"q.{name}", field, each.type_code, moments_as_numbers) for name, field, each in columns]
    listed = ", ".join(f"{cast} AS {name}" for cast, name in zip(casts, names, strict=True))
    return f"SELECT {listed} FROM ({sql}) AS q({', '.join(names)})", names  # noqa: S608 - as above


def _cast(column: str, field: Field, oid: int, moments_as_numbers: bool) -> str:
    if field.process is not None or (field.as_text and oid in TEXTS):
        return column
    if pa.types.is_list(field.arrow or pa.null()) and field.type.item is not None:
        return column if field.type.item.kind in READ_IN_ARRAYS else f"{column}::pg_catalog.text[]"
    if field.as_text:
        return f"{column}::pg_catalog.text"
    if oid == INET:  # as text it would have a netmask that nobody wrote
        return f"pg_catalog.inet_out({column})::pg_catalog.text"
    if oid == NUMERIC and pa.types.is_floating(field.arrow or pa.null()):
        return f"{column}::pg_catalog.float8"
    if oid == OID:
        return f"{column}::pg_catalog.int8"
    if moments_as_numbers and oid in _AS_NUMBERS:
        return _AS_NUMBERS[oid].format(column)
    return column if oid in AS_THEY_ARE else f"{column}::pg_catalog.text"


_MICROSECONDS = (
    "CASE WHEN pg_catalog.isfinite({0}) THEN (EXTRACT(epoch FROM {0}) * 1000000)::pg_catalog.int8"
    " WHEN {0} IS NOT NULL THEN 9223372036854775807 END"
)
_AS_NUMBERS = {
    BYTEA: "pg_catalog.encode({0}, 'hex')",
    DATE: "CASE WHEN pg_catalog.isfinite({0}) THEN {0} - pg_catalog.date '1970-01-01' WHEN {0} IS NOT NULL THEN 2147483647 END",
    TIMESTAMP: _MICROSECONDS,
    TIMESTAMPTZ: _MICROSECONDS,
}


def ask(connection: Connection, sql: str, names: tuple[str, ...], state: State, timeout_s: float | None = None) -> Question:
    """Return what a reader with a connection of its own needs."""
    driver = _driver(connection)
    info = driver.info
    parameters = {name: value for name, value in info.get_parameters().items() if name not in ("client_encoding", "replication")}
    if info.password:
        parameters["password"] = info.password
    parameters.setdefault("host", info.host)
    parameters.setdefault("port", str(info.port))
    settings = [item for item in state.settings if timeout_s is None or item[0] != "statement_timeout"]
    if timeout_s is not None:
        limit = int(dict(state.settings).get("statement_timeout", 0))
        settings.append(("statement_timeout", str(min(limit or _FOREVER, max(1, int(timeout_s * 1000))))))
    return Question(sql, names, parameters, _set(driver, settings), bool(driver.pgconn.ssl_in_use))


def _set(driver: Any, settings: Sequence[tuple[str, str]]) -> str:
    from psycopg import sql

    calls = [sql.SQL("pg_catalog.set_config({}, {}, false)").format(sql.Literal(name), sql.Literal(value)) for name, value in settings]
    return sql.SQL("SELECT {}").format(sql.SQL(", ").join(calls)).as_string(driver) if calls else ""


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _load(found: Any) -> Any:
    import json

    return json.loads(found) if isinstance(found, str | bytes) else found
