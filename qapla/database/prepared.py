"""Statements on one connection of PostgreSQL, straight on libpq: after a few times as a prepared statement, values beside it.

psycopg's cursor costs the application more CPU than sending the question and reading the answer. This does the same steps without it:
the same types for values, the same errors, and the adapters of the connection for whatever is not text, an integer or JSON. A call
waits in C, without Python's lock; who wants to end it shuts the socket down.
"""

from __future__ import annotations

import itertools
import re
import select
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, PipelineStatus, TransactionStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg.pq.abc import PGconn, PGresult

    from qapla.database.statement import Statement

AFTER = 3  # executions of the same text, after which it is prepared
MOST = 100  # statements that a connection keeps, and the server for it; as psycopg
LONGEST = 20_000  # bytes of a text that is prepared; a longer one is an insert of many rows
EMPTY_QUERY = int(ExecStatus.EMPTY_QUERY)
TUPLES_OK, COMMAND_OK = int(ExecStatus.TUPLES_OK), int(ExecStatus.COMMAND_OK)
CONNECTION_OK, PIPELINE_OFF = int(ConnStatus.OK), int(PipelineStatus.OFF)
IDLE, IN_TRANSACTION, IN_ERROR = int(TransactionStatus.IDLE), int(TransactionStatus.INTRANS), int(TransactionStatus.INERROR)
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
        self._poll = select.poll()
        self._poll.register(pgconn.socket, select.POLLIN)
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
        return read_rows(connection, self._execute(connection, sql, values))

    def execute(self, connection: Connection, sql: str, values: Sequence[Any]) -> tuple[Rows, int]:
        """Run one statement; return its rows, and how many rows it touched, -1 where it touches none."""
        result = self._execute(connection, sql, values)
        if result.status == TUPLES_OK:
            return read_rows(connection, result), result.ntuples
        count = result.command_tuples
        return [], -1 if count is None else count

    def is_lost(self) -> bool:
        """Tell whether the server has closed the line meanwhile. It is asked only where something has arrived that nobody asked for."""
        if not self._poll.poll(0):
            return False
        try:
            return self._pgconn.exec_(b"").status != EMPTY_QUERY
        except psycopg.OperationalError:
            return True

    def run(self, sql: str) -> None:
        """Run a statement without values, such as ``BEGIN``."""
        checked(self._pgconn.exec_(sql.encode()))

    def together(self, connection: Connection, statements: Sequence[Statement]) -> list[Rows]:
        """Run statements in one round trip, and return the rows of each. The first that fails ends all: what they began is rolled back.

        Args:
            statements: few, and small: all of them are sent before an answer is read.
        """
        try:
            results = self._run_together(connection, statements)
        except BaseException:
            self._end()
            raise
        return [read_rows(connection, result) if result.status == TUPLES_OK else [] for result in results]

    def _run_together(self, connection: Connection, statements: Sequence[Statement]) -> list[PGresult]:
        pgconn = self._pgconn
        bound = [(statement.sql, *_bind(connection, statement.values)) for statement in statements]
        pgconn.enter_pipeline_mode()
        try:
            sent = [self._send(*question) for question in bound]
            pgconn.pipeline_sync()
            found = [[self._receive() for _ in range(count)] for _, _, count in sent]
            pgconn.get_result()  # of the synchronization
        finally:
            if pgconn.status == CONNECTION_OK:
                pgconn.exit_pipeline_mode()
        for (key, name, count), results in zip(sent, found, strict=True):
            if count == 2 and results[0].status == COMMAND_OK:
                self._keep(key, name)
        return [checked(results[0]) if len(results) == 1 else checked(checked(results[0]) and results[1]) for results in found]

    def _send(self, sql: str, parameters: list[Any], types: tuple[int, ...], formats: Any) -> tuple[Key, bytes, int]:
        """Send one statement of several; return its key, its name, and how many results it will have: two when it is prepared first."""
        key, pgconn = (sql, types), self._pgconn
        name = self._names.get(key)
        if name is not None:
            self._names.move_to_end(key)
            pgconn.send_query_prepared(name, parameters, formats)
            return key, name, 1
        text, count = self._waiting.pop(key) if key in self._waiting else (_numbered(sql), 0)
        if count < AFTER:
            self._count(key, text, count)
            pgconn.send_query_params(text, parameters, types, formats)
            return key, b"", 1
        name = b"qapla_%d" % next(self._numbers)
        pgconn.send_prepare(name, text, types)
        pgconn.send_query_prepared(name, parameters, formats)
        return key, name, 2

    def _receive(self) -> PGresult:
        """Return the next result of several, and pass over the end of its statement."""
        result = self._pgconn.get_result()
        if result is None:
            raise psycopg.OperationalError("the connection is lost")
        self._pgconn.get_result()
        return result

    def _end(self) -> None:
        """Roll back what is open; a connection in an unknown state is of no use to anybody."""
        pgconn = self._pgconn
        if pgconn.pipeline_status == PIPELINE_OFF and pgconn.transaction_status in (IN_TRANSACTION, IN_ERROR):
            pgconn.exec_(b"ROLLBACK")
        elif pgconn.pipeline_status != PIPELINE_OFF or pgconn.transaction_status != IDLE:
            pgconn.finish()

    def _execute(self, connection: Connection, sql: str, values: Sequence[Any]) -> PGresult:
        parameters, types, formats = _bind(connection, values)
        key = (sql, types)
        name = self._names.get(key)
        if name is not None:
            self._names.move_to_end(key)
            result = self._pgconn.exec_prepared(name, parameters, formats)
        else:
            result = self._execute_new(key, parameters, formats)
        return result if result.status == TUPLES_OK else checked(result)

    def _execute_new(self, key: Key, parameters: list[Any], formats: Any) -> PGresult:
        waiting = self._waiting
        text, count = waiting.pop(key) if key in waiting else (_numbered(key[0]), 0)
        if count < AFTER:
            self._count(key, text, count)
            return self._pgconn.exec_params(text, parameters, key[1], formats)
        name = b"qapla_%d" % next(self._numbers)
        checked(self._pgconn.prepare(name, text, key[1]))
        result = self._pgconn.exec_prepared(name, parameters, formats)
        self._keep(key, name)
        return result

    def _count(self, key: Key, text: bytes, count: int) -> None:
        """Remember that a text ran once more."""
        if len(text) <= LONGEST:
            self._waiting[key] = text, count + 1
        if len(self._waiting) > MOST:
            self._waiting.popitem(last=False)

    def _keep(self, key: Key, name: bytes) -> None:
        """Remember what the server has prepared, and let go of the oldest when there is too much."""
        self._names[key] = name
        if len(self._names) > MOST:
            _, oldest = self._names.popitem(last=False)
            self._pgconn.exec_(b"DEALLOCATE " + oldest)  # in a failed transaction it stays until the connection ends


def _bind(connection: Connection, values: Sequence[Any]) -> tuple[list[Any], tuple[int, ...], Any]:
    """Return what the server is sent for *values*: parameters, types, formats."""
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
    return parameters, tuple(types), formats


def checked(result: PGresult) -> PGresult:
    """Return *result*.

    Raises:
        psycopg.Error: it is none, but an error.
    """
    if result.status not in (COMMAND_OK, TUPLES_OK):
        raise error_from_result(result)
    return result


def read_rows(connection: Connection, result: PGresult) -> Rows:
    """Return the rows of *result*; JSON as bytes."""
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
