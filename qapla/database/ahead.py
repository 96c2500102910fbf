"""Read many rows of PostgreSQL from a cursor of the server, the next ones while the last ones are being sent on.

A cursor is asked for some rows at a time, so that neither side ever holds many. As soon as they are here it is asked for the next: the
server works while the reader of the stream does, and the line between them holds what is ready.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from qapla.database.pace import Pace
from qapla.database.prepared import checked, read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg.pq.abc import PGconn, PGresult

    from qapla.database.prepared import Connection, Rows
    from qapla.database.statement import Statement

PATIENT = b"SET LOCAL statement_timeout = 0"  # it would count the time of a slow reader, too


def read_ahead(connection: Connection, statement: Statement, size_rows: int) -> Iterator[Rows]:
    """Yield the rows of *statement*, about *size_rows* at first; a transaction is open.

    The server's own limit on a statement holds until the first rows are there. Who stops early closes the connection.
    """
    pgconn = connection.pgconn
    connection.prepared.execute(connection, "DECLARE qapla NO SCROLL CURSOR FOR " + statement.sql, statement.values)
    pace = Pace(size_rows)
    wanted = _ask(pgconn, pace.size)
    is_first = True
    while rows := read_rows(connection, _receive(pgconn)):
        if is_first:
            is_first = False
            checked(pgconn.exec_(PATIENT))
        if len(rows) < wanted:
            yield rows
            return
        pace.saw(rows)
        wanted = _ask(pgconn, pace.size)
        yield rows


def _ask(pgconn: PGconn, rows: int) -> int:
    pgconn.send_query_params(b"FETCH FORWARD %d FROM qapla" % rows, None)
    return rows


def _receive(pgconn: PGconn) -> PGresult:
    result: Any = pgconn.get_result()
    if result is None:
        raise psycopg.OperationalError("the connection is lost")
    while pgconn.get_result() is not None:
        pass
    return checked(result)
