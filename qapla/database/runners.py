"""How a statement runs on each driver: the SQL text as it is, on the raw connection, without SQLAlchemy in between.

What differs between drivers beyond DB-API: how a transaction begins, how a statement of another thread is stopped, and what a
server-side cursor is.
"""

from __future__ import annotations

import contextlib
import os
import socket
from math import ceil
from typing import TYPE_CHECKING, Any

from qapla.database.local import SAID
from qapla.database.pace import Pace
from qapla.database.statement import Result, Sheet, Statement
from qapla.errors import DatabaseError, NotOffered

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from qapla.database.local import Local

Rows = list[tuple[Any, ...]]
CUT_WARNINGS = frozenset({1260, 1301})  # a row was cut by GROUP_CONCAT; a result was larger than max_allowed_packet and is NULL


class Runner:
    """Plain DB-API on a connection in autocommit."""

    begin: str | None = "BEGIN"
    begin_reading = "BEGIN READ ONLY"
    commit: str = "COMMIT"
    rollback: str = "ROLLBACK"
    check_constraints: str | None = None  # before a rollback that pretends to be a commit
    ping = "SELECT 1"
    can_look = False  # is_lost knows, without asking the server

    def is_lost(self, connection: Any) -> bool:
        """Tell whether the server has closed *connection* meanwhile."""
        raise NotImplementedError

    def fetch(self, connection: Any, statement: Statement) -> Rows:
        """Run a read and return all of its rows."""
        cursor = connection.cursor()
        try:
            cursor.execute(statement.sql, statement.values)
            rows = cursor.fetchall()
            return rows if type(rows) is list else list(rows)
        finally:
            cursor.close()

    def execute(self, connection: Any, statement: Statement) -> Result:
        """Run any statement."""
        cursor = connection.cursor()
        try:
            cursor.execute(statement.sql, statement.values)
            rows = list(cursor.fetchall()) if cursor.description else []
            return Result(rows, cursor.rowcount, getattr(cursor, "lastrowid", None) or None)
        finally:
            cursor.close()

    def call(self, connection: Any, statement: Statement) -> list[Sheet]:
        """Call a procedure and return everything that it gives."""
        raise NotOffered("procedures cannot be called on this engine")

    def run(self, connection: Any, sql: str) -> None:
        """Run one of our own words, ``BEGIN`` or ``COMMIT``."""
        cursor = connection.cursor()
        try:
            cursor.execute(sql)
        finally:
            cursor.close()

    def fetch_under(self, connection: Any, statement: Statement, local: Local) -> Rows:
        """Run a read in a transaction of its own, read only, as *local* says."""
        raise _no_local()

    def begin_under(self, connection: Any, local: Local, *, read_only: bool) -> None:
        """Begin a transaction as *local* says."""
        raise _no_local()

    def hear(self, connection: Any, local: Local) -> None:
        """Keep what functions have said about the HTTP answer, where somebody wants to know."""
        raise _no_local()

    def stream(self, connection: Any, statement: Statement, size_rows: int, local: Local | None = None) -> Generator[Rows, None, None]:
        """Yield the rows of a read, *size_rows* at a time, without holding all of them."""
        if local is not None:
            raise _no_local()
        pace = Pace(size_rows)
        cursor = connection.cursor()
        cursor.arraysize = size_rows
        try:
            cursor.execute(statement.sql, statement.values)
            while rows := cursor.fetchmany(pace.size):
                pace.saw(rows)
                yield list(rows)
        finally:
            cursor.close()

    def cancel(self, connection: Any) -> None:
        """Stop what another thread is running on *connection*, which is of no use afterwards."""

    def abandon(self, connection: Any) -> None:
        """Make a connection with an unfinished stream ready to be closed."""

    def open(self, module: Any, arguments: Any, keywords: dict[str, Any], limit_s: float, hold: Callable[[Any], None]) -> Any:
        """Open a connection as a server that is silent lets it be ended: by ``cancel`` of what *hold* is given, or after *limit_s*.

        Args:
            keywords: of the driver; they may be changed.

        Returns:
            None leaves it to the caller, with *keywords*.
        """
        return None


class PostgresqlRunner(Runner):
    """psycopg; what runs for nearly every request goes past its cursors (``prepared``)."""

    check_constraints = "SET CONSTRAINTS ALL IMMEDIATE"
    can_look = True

    def is_lost(self, connection: Any) -> bool:
        """Read what has arrived, without waiting: a server that ends a connection says so."""
        found: bool = connection.prepared.is_lost()
        return found

    def fetch(self, connection: Any, statement: Statement) -> Rows:
        """Run a read and return all of its rows."""
        rows: Rows = connection.prepared.fetch(connection, statement.sql, statement.values)
        return rows

    def execute(self, connection: Any, statement: Statement) -> Result:
        """Run any statement."""
        rows, count = connection.prepared.execute(connection, statement.sql, statement.values)
        return Result(rows, count)

    def run(self, connection: Any, sql: str) -> None:
        """Run one of our own words."""
        connection.prepared.run(sql)

    def fetch_under(self, connection: Any, statement: Statement, local: Local) -> Rows:
        """Run a read in a transaction of its own; all of it goes to the server in one message."""
        hearing = [SAID] if local.said is not None else []
        begin, before = Statement(local.begin(read_only=True)), local.statements
        found = connection.prepared.together(connection, [begin, *before, statement, *hearing, Statement(self.commit)])
        if local.said is not None:
            local.said.take(found[-2][0])
        rows: Rows = found[len(before) + 1]
        return rows

    def begin_under(self, connection: Any, local: Local, *, read_only: bool) -> None:
        """Begin a transaction, in one message; an error leaves none open."""
        connection.prepared.together(connection, [Statement(local.begin(read_only=read_only)), *local.statements])

    def hear(self, connection: Any, local: Local) -> None:
        """Keep what functions have said about the HTTP answer, where somebody wants to know."""
        if local.said is not None:
            local.said.take(self.fetch(connection, SAID)[0])

    def stream(self, connection: Any, statement: Statement, size_rows: int, local: Local | None = None) -> Generator[Rows, None, None]:
        """Yield from a cursor of the server, which lives in a transaction."""
        patient = "SET LOCAL idle_in_transaction_session_timeout = 0"  # a reader may take its time between two fetches
        if local is None:
            connection.execute(f"BEGIN READ ONLY; {patient}")
        else:
            self.begin_under(connection, local, read_only=True)
            self.hear(connection, local)
            connection.execute(patient)
        from qapla.database.ahead import read_ahead

        yield from read_ahead(connection, statement, size_rows)

    def cancel(self, connection: Any) -> None:
        """Cut the line; the server's own limit ends the statement there."""
        shut(connection.pgconn.socket)

    def open(self, module: Any, arguments: Any, keywords: dict[str, Any], limit_s: float, hold: Callable[[Any], None]) -> Any:
        """Let psycopg look at the time: in whole seconds, and not below 2."""
        keywords.setdefault("connect_timeout", max(2, ceil(limit_s)))


class MysqlRunner(Runner):
    """PyMySQL. A JSON that was cut, or left out as NULL, for being too large is only a warning of the server: here it is an error."""

    begin = "START TRANSACTION"
    begin_reading = "START TRANSACTION READ ONLY"

    def fetch(self, connection: Any, statement: Statement) -> Rows:
        """Run a read and return all of its rows."""
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, statement.values)
            rows = list(cursor.fetchall())
            if cursor.warning_count:
                _refuse_cut(cursor)
            return rows

    def execute(self, connection: Any, statement: Statement) -> Result:
        """Run any statement."""
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, statement.values)
            rows = list(cursor.fetchall()) if cursor.description else []
            result = Result(rows, cursor.rowcount, cursor.lastrowid or None)
            if cursor.warning_count:
                _refuse_cut(cursor)
            return result

    def call(self, connection: Any, statement: Statement) -> list[Sheet]:
        """Call a procedure and return its result sets."""
        from qapla.database.sheets import read_columns

        sheets = []
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, statement.values)
            more = True
            while more:
                if cursor.description:
                    sheets.append(Sheet(read_columns(cursor.description), list(cursor.fetchall())))
                more = cursor.nextset()
        return sheets

    def stream(self, connection: Any, statement: Statement, size_rows: int, local: Local | None = None) -> Generator[Rows, None, None]:
        """Yield rows as they arrive; the server waits while nobody takes them."""
        if local is not None:
            raise _no_local()
        from pymysql.cursors import SSCursor

        if "mariadb" in connection.get_server_info().lower():
            self.run(connection, "SET SESSION max_statement_time = 0")  # it would count the reader's time, too
        self.run(connection, "SET SESSION net_write_timeout = 3600")
        pace = Pace(size_rows)
        cursor = connection.cursor(SSCursor)
        cursor.execute(statement.sql, statement.values)
        try:
            while rows := cursor.fetchmany(pace.size):
                pace.saw(rows)
                yield list(rows)
            if connection._result is not None and connection._result.warning_count:
                _refuse_cut(connection.cursor())
        finally:
            cursor.connection = None  # or closing it would read all the rest

    def cancel(self, connection: Any) -> None:
        """Cut the line; the server's own limit ends the statement there."""
        if connection._sock is not None:
            shut(connection._sock.fileno())

    def open(self, module: Any, arguments: Any, keywords: dict[str, Any], limit_s: float, hold: Callable[[Any], None]) -> Any:
        """Give the connection away before it is open: PyMySQL waits for a silent server's greeting for ever."""
        connection = module.connect(*arguments, **{**keywords, "defer_connect": True})
        hold(connection)
        patience_s, connection._read_timeout = connection._read_timeout, limit_s  # cut before it has a socket, it would wait for ever
        connection.connect()
        connection._read_timeout = patience_s
        return connection

    def abandon(self, connection: Any) -> None:
        """Forget the unread rows: PyMySQL would read all of them before it lets go."""
        result = connection._result
        if result is not None:
            result.unbuffered_active = False
            result.connection = None


class SqliteRunner(Runner):
    """sqlite3. Text comes as bytes: a file may hold text that is not UTF-8."""

    begin = "BEGIN IMMEDIATE"  # a write that finds the file locked waits here, and not in the middle
    begin_reading = "BEGIN"  # does not wait for writers

    def fetch(self, connection: Any, statement: Statement) -> Rows:
        """Run a read and return all of its rows."""
        connection.text_factory = bytes
        return connection.execute(statement.sql, statement.values).fetchall()

    def execute(self, connection: Any, statement: Statement) -> Result:
        """Run any statement."""
        connection.text_factory = bytes
        return super().execute(connection, statement)

    def stream(self, connection: Any, statement: Statement, size_rows: int, local: Local | None = None) -> Generator[Rows, None, None]:
        """Yield rows as SQLite finds them."""
        connection.text_factory = bytes
        return super().stream(connection, statement, size_rows, local)

    def cancel(self, connection: Any) -> None:
        """Interrupt it."""
        connection.interrupt()


class OracleRunner(Runner):
    """python-oracledb, thin."""

    begin = None  # a transaction begins by itself once autocommit is off
    ping = "SELECT 1 FROM DUAL"

    def run(self, connection: Any, sql: str) -> None:
        """Commit and roll back are calls of the driver."""
        connection.commit() if sql == self.commit else connection.rollback()

    def cancel(self, connection: Any) -> None:
        """Send a break."""
        connection.cancel()


def _refuse_cut(cursor: Any) -> None:
    """Look at the warnings of the last statement.

    Raises:
        DatabaseError: a result was larger than ``group_concat_max_len`` or ``max_allowed_packet`` (54000).
    """
    cursor.execute("SHOW WARNINGS")
    if any(code in CUT_WARNINGS for _, code, _ in cursor.fetchall()):
        raise DatabaseError(
            "the answer has a value that is larger than what the server makes at once (max_allowed_packet)",
            code="54000",
            status=400,
            hint="choose fewer columns with select, or fewer embedded rows with limit",
        )


def _no_local() -> NotOffered:
    return NotOffered("roles and settings of a transaction are not offered by this engine", hint="PostgreSQL has them")


def shut(descriptor: int) -> None:
    """Shut a socket down under whoever waits for it, and leave the closing to its owner."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as line:
        line.shutdown(socket.SHUT_RDWR)


RUNNERS: Mapping[str, Runner] = {
    "postgresql": PostgresqlRunner(),
    "mariadb": MysqlRunner(),
    "mysql": MysqlRunner(),
    "sqlite": SqliteRunner(),
    "oracle": OracleRunner(),
}
