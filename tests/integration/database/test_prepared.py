"""Statements straight on libpq: the same values, rows and errors as with psycopg's cursors, prepared after a few times."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from sqlalchemy import make_url

from qapla.database.bulkhead import Bulkhead, make_bulkhead_from_url
from qapla.database.catalog import Options
from qapla.database.prepared import AFTER, MOST, Connection
from qapla.database.statement import Statement
from qapla.errors import DatabaseError, Unavailable


@pytest.fixture
def connection(postgresql_url: str) -> Iterator[Connection]:
    """Connect as a bulkhead does."""
    url = make_url(postgresql_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with Connection.open(conninfo=url, autocommit=True) as opened:
        yield opened


@pytest.fixture
def bulkhead(postgresql_url: str) -> Iterator[Bulkhead]:
    """Give a bulkhead over a database with one table."""
    made = make_bulkhead_from_url(make_url(postgresql_url), "shop", Options(writable=True, pool_size=1))
    made.execute(Statement("CREATE TABLE IF NOT EXISTS kept (id integer PRIMARY KEY)"))
    yield made
    made.execute(Statement("DROP TABLE kept"))
    made.close()


def names(connection: Connection) -> list[str]:
    """Return what the server has prepared for *connection*."""
    return [row[0] for row in connection.execute("SELECT name FROM pg_prepared_statements WHERE name LIKE 'qapla%'").fetchall()]


class TestValues:
    """What is bound."""

    VALUES = ("text", "", "50%", 1, -1, 40_000, 2**40, 2**70, None, True, 1.5, Decimal("1.10"), b"\x00", [1, 2], Jsonb({"a": 1}))

    @pytest.mark.parametrize("value", VALUES, ids=repr)
    def test_has_the_type_and_value_of_psycopg(self, connection: Connection, value: Any) -> None:
        """Ours beside what its cursor makes of it."""
        sql = "SELECT x, pg_typeof(x)::text, '100%%' FROM (SELECT %s AS x) AS s"
        theirs = connection.execute(sql, (value,)).fetchall()

        for _ in range(AFTER + 2):
            assert connection.prepared.fetch(connection, sql, (value,)) == theirs

    def test_refuses_nul_in_a_text(self, connection: Connection) -> None:
        """libpq would end the text there."""
        with pytest.raises(psycopg.DataError, match="NUL"):
            connection.prepared.fetch(connection, "SELECT %s", ("a\0b",))

    def test_gives_json_as_bytes(self, connection: Connection) -> None:
        """One column or two, NULL too."""
        one = connection.prepared.fetch(connection, "SELECT to_json(1) UNION ALL SELECT NULL", ())
        two = connection.prepared.fetch(connection, "SELECT to_json(1), NULL::json", ())

        assert (one, two) == ([(b"1",), (None,)], [(b"1", None)])


class TestPreparing:
    """When a statement is prepared."""

    def test_begins_after_a_few_times(self, connection: Connection) -> None:
        """A text that came once costs the server no memory."""
        counts = []
        for _ in range(AFTER + 2):
            connection.prepared.fetch(connection, "SELECT %s + 1", (1,))
            counts.append(len(names(connection)))

        assert counts == [0] * AFTER + [1, 1]

    def test_keeps_so_many(self, connection: Connection) -> None:
        """The one that was not used for longest goes, and is prepared anew when it comes again."""
        for number in range(MOST + 1):
            for _ in range(AFTER + 1):
                connection.prepared.fetch(connection, f"SELECT {number}", ())

        assert len(names(connection)) == MOST
        assert connection.prepared.fetch(connection, "SELECT 0", ()) == [(0,)]

    def test_goes_on_after_an_error(self, connection: Connection) -> None:
        """The error has its SQLSTATE."""
        for value, found in ((1, 1), (0, "22012"), (1, 1), (0, "22012"), (1, 1), (0, "22012"), (1, 1)):
            try:
                got = connection.prepared.fetch(connection, "SELECT 1 / %s", (value,))[0][0]
            except psycopg.Error as error:
                got = error.sqlstate
            assert got == found


class TestAlone:
    """A write that is a transaction by itself."""

    def test_is_kept(self, bulkhead: Bulkhead) -> None:
        """The next one sees it; an error keeps nothing, and says what it is."""
        written = bulkhead.execute(Statement("INSERT INTO kept VALUES (%s) RETURNING id", (1,)))

        with pytest.raises(DatabaseError) as caught:
            bulkhead.execute(Statement("INSERT INTO kept VALUES (2), (%s)", (1,)))

        assert (written.rows, written.count, caught.value.code) == ([(1,)], 1, "23505")
        assert bulkhead.fetch(Statement("SELECT id FROM kept")) == [(1,)]

    def test_notices_a_lost_connection_before(self, bulkhead: Bulkhead, postgresql_url: str) -> None:
        """What the server has closed meanwhile is not written on."""
        (pid,) = bulkhead.fetch(Statement("SELECT pg_backend_pid()"))[0]
        with psycopg.connect(make_url(postgresql_url).set(drivername="postgresql").render_as_string(hide_password=False)) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))

        assert bulkhead.execute(Statement("INSERT INTO kept VALUES (1)")).count == 1

    def test_tells_when_nobody_knows(self, bulkhead: Bulkhead) -> None:
        """The line breaks under way: it may have been kept, and is not done again."""
        with pytest.raises(Unavailable) as caught:
            bulkhead.execute(Statement("SELECT pg_terminate_backend(pg_backend_pid())"))

        assert caught.value.code == "08007"
