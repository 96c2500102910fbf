"""Statements on one connection of PostgreSQL, straight on libpq: after a few times as a prepared statement, values beside it.

psycopg's cursor costs the application more CPU than sending the question and reading the answer. This does the same steps without it:
the same types for values, the same errors, and the adapters of the connection for whatever is not text, an integer or JSON. A call
waits in C, without Python's lock; who wants to end it shuts the socket down.
"""

from __future__ import annotations

import itertools
import re
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg.pq.abc import PGconn, PGresult

AFTER = 3  # executions of the same text, after which it is prepared
MOST = 100  # statements that a connection keeps, and the server for it; as psycopg
LONGEST = 20_000  # bytes of a text that is prepared; a longer one is an insert of many rows
TUPLES_OK, COMMAND_OK = int(ExecStatus.TUPLES_OK), int(ExecStatus.COMMAND_OK)
JSON = frozenset((114, 3802))  # json, jsonb
SMALL, INTEGER, LARGE = 21, 23, 20  # int2, int4, int8
_PLACE = re.compile(r"%([s%])")

Rows = list[tuple[Any, ...]]
Key = tuple[str, tuple[int, ...]]


class Connection(psycopg.Connection[Any]):
    """A connection with its prepared statements."""

    prepared: Prepared

    @classmethod
    def open(cls, **arguments: Any) -> Connection:
        """Connect; *arguments* are those of ``psycopg.connect``."""
        made = cls.connect(**arguments)
        made.prepared = Prepared(made.pgconn)
        return made


class Prepared:
    """What a connection has prepared, and how often it ran what is not. Used by one thread at a time, as the connection is."""

    def __init__(self, pgconn: PGconn) -> None:
        self._pgconn = pgconn
        self._names: OrderedDict[Key, bytes] = OrderedDict()
        self._waiting: OrderedDict[Key, tuple[bytes, int]] = OrderedDict()  # the text for the server, and how often it ran
        self._numbers = itertools.count()

    def fetch(self, connection: Connection, sql: str, values: Sequence[Any]) -> Rows:
        """Run one statement and return its rows; JSON as bytes, everything else as the adapters of the connection read it.

        Args:
            sql: with ``%s`` in the place of each value, and ``%%`` for a percent sign.

        Raises:
            psycopg.Error: as psycopg's cursors do.
        """
        return _read_rows(connection, self._execute(connection, sql, values))

    def execute(self, connection: Connection, sql: str, values: Sequence[Any]) -> tuple[Rows, int]:
        """Run one statement; return its rows, and how many rows it touched, -1 where it touches none."""
        result = self._execute(connection, sql, values)
        if result.status == TUPLES_OK:
            return _read_rows(connection, result), result.ntuples
        count = result.command_tuples
        return [], -1 if count is None else count

    def run(self, sql: str) -> None:
        """Run a statement without values, such as ``BEGIN``."""
        _checked(self._pgconn.exec_(sql.encode()))

    def _execute(self, connection: Connection, sql: str, values: Sequence[Any]) -> PGresult:
        parameters: list[Any] = []
        types: list[int] = []
        formats = None
        for value in values:
            kind = type(value)
            if kind is str:
                if "\0" in value:
                    raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
                parameters.append(value.encode())
                types.append(0)
            elif kind is int and -0x8000_0000_0000_0000 <= value <= 0x7FFF_FFFF_FFFF_FFFF:
                parameters.append(b"%d" % value)
                types.append(SMALL if -0x8000 <= value <= 0x7FFF else INTEGER if -0x8000_0000 <= value <= 0x7FFF_FFFF else LARGE)
            elif value is None:
                parameters.append(None)
                types.append(0)
            else:
                adapted = Transformer(connection)
                parameters = list(adapted.dump_sequence(values, [PyFormat.AUTO] * len(values)))
                types, formats = list(adapted.types or ()), adapted.formats
                break
        key = (sql, tuple(types))
        name = self._names.get(key)
        if name is not None:
            self._names.move_to_end(key)
            result = self._pgconn.exec_prepared(name, parameters, formats)
        else:
            result = self._execute_new(key, parameters, formats)
        return result if result.status == TUPLES_OK else _checked(result)

    def _execute_new(self, key: Key, parameters: list[Any], formats: Any) -> PGresult:
        waiting = self._waiting
        text, count = waiting.pop(key) if key in waiting else (_numbered(key[0]), 0)
        if count < AFTER:
            if len(text) <= LONGEST:
                waiting[key] = text, count + 1
            if len(waiting) > MOST:
                waiting.popitem(last=False)
            return self._pgconn.exec_params(text, parameters, key[1], formats)
        name = b"qapla_%d" % next(self._numbers)
        _checked(self._pgconn.prepare(name, text, key[1]))
        self._names[key] = name
        result = self._pgconn.exec_prepared(name, parameters, formats)
        if len(self._names) > MOST:
            _, oldest = self._names.popitem(last=False)
            self._pgconn.exec_(b"DEALLOCATE " + oldest)  # in a failed transaction it stays until the connection ends
        return result


def _checked(result: PGresult) -> PGresult:
    """Return *result*.

    Raises:
        psycopg.Error: it is none, but an error.
    """
    if result.status not in (COMMAND_OK, TUPLES_OK):
        raise error_from_result(result)
    return result


def _read_rows(connection: Connection, result: PGresult) -> Rows:
    get, count = result.get_value, result.ntuples
    width = result.nfields
    if width == 1 and result.ftype(0) in JSON:
        return [(get(row, 0),) for row in range(count)]
    if width == 2 and result.ftype(0) in JSON and result.ftype(1) in JSON:
        return [(get(row, 0), get(row, 1)) for row in range(count)]
    if not count or not width:
        return [()] * count
    adapted = Transformer(connection)
    adapted.set_pgresult(result)
    return adapted.load_rows(0, count, tuple)


def _numbered(sql: str) -> bytes:
    """Return the text with the placeholders of the server, ``$1`` and so on."""
    numbers = itertools.count(1)
    return _PLACE.sub(lambda found: "%" if found[1] == "%" else f"${next(numbers)}", sql).encode()
