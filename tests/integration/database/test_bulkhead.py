"""The bulkhead on real servers: what runs, what is cut off, what is refused, and that nothing stays behind."""

from __future__ import annotations

import contextlib
import gc
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url

from qapla.database.bulkhead import Bulkhead, make_bulkhead, make_bulkhead_from_url
from qapla.database.catalog import Options
from qapla.database.connect import make_engine, spec_of
from qapla.database.spec import ConnectionSpec
from qapla.database.statement import Statement
from qapla.errors import DatabaseError, QaplaError, ReadOnly, TimedOut, Unavailable
from qapla.testing import servers
from qapla.testing.line import Line

OPTIONS = Options(writable=True, statement_timeout_s=2.0, pool_size=2, pool_timeout_s=0.3)
COUNT_LONG = {
    "sqlite": "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
    "postgresql": "SELECT count(*) FROM generate_series(1, 10000000000)",
    "mariadb": "SELECT sleep(20)",
}


@pytest.fixture(scope="module", params=servers.ENGINE_NAMES)
def database(request: pytest.FixtureRequest) -> Iterator[tuple[str, URL]]:
    """Make a database with one table on each engine."""
    with servers.make_database(request.param) as url:
        bulkhead = make_bulkhead_from_url(url, "shop", OPTIONS)
        with bulkhead.connection() as connection:
            connection.exec_driver_sql("CREATE TABLE thing (id integer PRIMARY KEY, name varchar(20) UNIQUE)")
        bulkhead.close()
        yield request.param, url


@pytest.fixture(scope="module", params=[name for name in servers.ENGINE_NAMES if name != "sqlite"])
def server(request: pytest.FixtureRequest) -> Iterator[URL]:
    """Make a database on each engine that is a server."""
    with servers.make_database(request.param) as url:
        yield url


@pytest.fixture
def bulkhead(database: tuple[str, URL]) -> Iterator[Bulkhead]:
    """Give a bulkhead with two connections and two seconds."""
    made = make_bulkhead_from_url(database[1], "shop", OPTIONS)
    made.fetch(Statement("SELECT 1"))
    with made.transaction() as transaction:
        transaction.execute(Statement("DELETE FROM thing"))
    yield made
    made.close()


def insert(bulkhead: Bulkhead, number: int, name: str = "x") -> Statement:
    """Return the statement that adds a thing."""
    mark = "?" if bulkhead.engine == "sqlite" else "%s"
    return Statement(f"INSERT INTO thing (id, name) VALUES ({mark}, {mark})", (number, name))


def count(bulkhead: Bulkhead) -> int:
    """Return how many things there are."""
    return int(bulkhead.fetch(Statement("SELECT count(*) FROM thing"))[0][0])


def wait_for(condition: object, seconds: float = 30.0) -> None:
    """Wait until *condition* holds."""
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:  # type: ignore[operator]
        time.sleep(0.02)
    assert condition()  # type: ignore[operator]


class TestTransaction:
    """transaction"""

    def test_keeps_all_or_nothing(self, bulkhead: Bulkhead) -> None:
        """What ends well is kept; an error and rollback_only take everything back."""
        with bulkhead.transaction() as transaction:
            transaction.execute(insert(bulkhead, 1, "a"))
        with pytest.raises(KeyError), bulkhead.transaction() as transaction:  # noqa: PT012
            transaction.execute(insert(bulkhead, 2, "b"))
            raise KeyError
        with bulkhead.transaction() as transaction:
            transaction.execute(insert(bulkhead, 3, "c"))
            transaction.rollback_only()

        assert count(bulkhead) == 1

    def test_a_broken_constraint_leaves_the_connection_usable(self, bulkhead: Bulkhead) -> None:
        """The error is translated, everything is taken back, and the next one works."""
        with pytest.raises(DatabaseError) as caught, bulkhead.transaction() as transaction:  # noqa: PT012
            transaction.execute(insert(bulkhead, 1, "a"))
            transaction.execute(insert(bulkhead, 2, "a"))

        assert (caught.value.code, caught.value.status) == ("23505", 409)
        assert [count(bulkhead) for _ in range(3)] == [0, 0, 0]
        assert bulkhead.state == "closed"

    def test_counts_and_tells_every_statement(self, bulkhead: Bulkhead) -> None:
        """Listeners hear of what runs, not of BEGIN and COMMIT."""
        heard: list[Statement] = []
        bulkhead.on_statement.append(heard.append)

        with bulkhead.transaction() as transaction:
            result = transaction.execute(insert(bulkhead, 1))
        count(bulkhead)

        assert result.count == 1
        assert len(heard) == 2

    def test_read_only_sessions_write_nothing(self, database: tuple[str, URL]) -> None:
        """The database itself refuses, whatever a statement tries: 25006."""
        bulkhead = make_bulkhead_from_url(database[1], "shop", Options())

        with pytest.raises(ReadOnly) as caught, bulkhead.transaction() as transaction:
            transaction.execute(insert(bulkhead, 1))
        with pytest.raises(ReadOnly):
            bulkhead.fetch(Statement("DELETE FROM thing"))

        assert (caught.value.code, caught.value.status) == ("25006", 405)
        bulkhead.close()


class TestLimits:
    """Deadlines and the pool"""

    def test_a_long_statement_is_ended(self, bulkhead: Bulkhead) -> None:
        """After the connection's limit comes 504 57014, and the next statement works."""
        started = time.monotonic()

        with pytest.raises(TimedOut) as caught:
            bulkhead.fetch(Statement(COUNT_LONG[bulkhead.engine]))

        assert (caught.value.code, caught.value.status) == ("57014", 504)
        assert time.monotonic() - started < 10
        assert count(bulkhead) == 0

    def test_a_full_pool_is_504(self, bulkhead: Bulkhead) -> None:
        """Who finds no free connection in time hears PGRST003."""
        with contextlib.ExitStack() as stack:
            if bulkhead.engine == "sqlite":
                for _ in range(OPTIONS.pool_size):
                    stack.enter_context(bulkhead.connection())
            else:
                for _ in range(OPTIONS.pool_size):
                    stack.enter_context(bulkhead.transaction())
            with pytest.raises(TimedOut) as caught:
                count(bulkhead)

        assert (caught.value.code, caught.value.status) == ("PGRST003", 504)
        assert count(bulkhead) == 0

    def test_a_lock_is_waited_for_no_longer_than_a_statement(self, bulkhead: Bulkhead) -> None:
        """What somebody else holds locked is 504, and nothing hangs."""
        with bulkhead.transaction() as transaction:
            transaction.execute(insert(bulkhead, 1))
            with pytest.raises(TimedOut) as caught, bulkhead.transaction() as other:
                other.execute(insert(bulkhead, 1))

        assert caught.value.code in ("55P03", "57014")

    def test_a_silent_server_costs_seconds(self, server: URL) -> None:
        """A server that stops talking is given up, and after a few times not asked. When it talks again, all is well."""
        one = Statement("SELECT 1")
        with Line(server.host or "", server.port or 0) as line:
            spec = replace(spec_of(server.set(host="127.0.0.1", port=line.port)), connect_timeout=2)
            bulkhead = make_bulkhead(spec, "shop", Options(statement_timeout_s=1.0))
            bulkhead.fetch(one)
            line.silence()
            errors = []
            for _ in range(3):
                started = time.monotonic()
                with pytest.raises(Unavailable) as caught:
                    bulkhead.fetch(one)
                errors.append(type(caught.value))
                assert time.monotonic() - started < 10

            with pytest.raises(Unavailable) as caught:
                bulkhead.fetch(one)

            assert errors == [TimedOut, Unavailable, Unavailable]  # cut off once, then it takes no new connection
            assert "lately" in caught.value.message
            line.mend()
            wait_for(lambda: _works(bulkhead))
            assert bulkhead.state == "closed"
            bulkhead.close()


class TestTrouble:
    """A database that goes away, comes back, was never there"""

    def test_a_stale_connection_is_replaced(self, server: URL) -> None:
        """After a restart of the server every read works at once, whatever the pool holds; so does a transaction."""
        with Line(server.host or "", server.port or 0) as line:
            bulkhead = make_bulkhead_from_url(server.set(host="127.0.0.1", port=line.port), "shop", OPTIONS)
            with bulkhead.transaction(), bulkhead.transaction():
                pass
            line.drop()

            assert [bulkhead.fetch(Statement("SELECT 1")) for _ in range(3)] == [[(1,)]] * 3
            line.drop()
            with bulkhead.transaction() as transaction:
                transaction.execute(Statement("SELECT 1"))
            bulkhead.close()

    def test_a_database_that_is_down_is_not_asked_again_and_again(self, postgresql_url: str) -> None:
        """After a few failures callers are refused at once; when it is back, within seconds they are not."""
        server = make_url(postgresql_url)
        with Line(server.host or "", server.port or 0) as line:
            line.cut()
            spec = ConnectionSpec(
                "postgresql",
                host="127.0.0.1",
                port=line.port,
                database=server.database,
                user=server.username,
                password=server.password,
                connect_timeout=2,
            )
            bulkhead = make_bulkhead(spec, "shop", OPTIONS)
            for _ in range(3):
                with pytest.raises(Unavailable) as caught:
                    bulkhead.fetch(Statement("SELECT 1"))
            started = time.monotonic()

            with pytest.raises(Unavailable):
                bulkhead.fetch(Statement("SELECT 1"))

            assert time.monotonic() - started < 1  # at once: the deadlines of a try are longer
            assert (caught.value.status, caught.value.headers["Retry-After"]) == (503, "5")
            assert bulkhead.state == "open"
            line.mend()
            wait_for(lambda: _works(bulkhead))
            assert bulkhead.state == "closed"
            bulkhead.close()

    def test_why_it_cannot_be_used_is_said(self, server: URL) -> None:
        """A database that does not exist, a login that is refused: the cause in words, 503, no password."""
        for url, words in [
            (server.set(database="no_such_one"), "does not exist"),
            (server.set(username="nobody_here", password="s3cr3t"), "login was refused"),
        ]:
            bulkhead = make_bulkhead_from_url(url, "shop", OPTIONS)
            with pytest.raises(Unavailable) as caught:
                bulkhead.fetch(Statement("SELECT 1"))
            assert words in caught.value.message
            assert "s3cr3t" not in str(caught.value)
            bulkhead.close()

    def test_a_missing_file_is_never_made(self, tmp_path: Path) -> None:
        """SQLite opens what is there and creates nothing."""
        bulkhead = make_bulkhead(ConnectionSpec("sqlite", path=str(tmp_path / "gone.db")), "shop")

        with pytest.raises(Unavailable):
            bulkhead.fetch(Statement("SELECT 1"))

        assert list(tmp_path.iterdir()) == []

    def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        """What is not SQLite is a clear error, without the contents."""
        path = tmp_path / "letter.db"
        path.write_text("Dear Sir, " * 500)
        bulkhead = make_bulkhead(ConnectionSpec("sqlite", path=str(path)), "shop")

        with pytest.raises(QaplaError) as caught:
            bulkhead.fetch(Statement("SELECT 1 FROM sqlite_schema"))

        assert "Sir" not in str(caught.value)
        bulkhead.close()

    def test_other_files_cannot_be_attached(self, tmp_path: Path, sqlite_path: Path) -> None:
        """One connection, one file."""
        bulkhead = make_bulkhead(ConnectionSpec("sqlite", path=str(sqlite_path)), "shop", OPTIONS)

        with pytest.raises(QaplaError):
            bulkhead.fetch(Statement(f"ATTACH '{tmp_path / 'other.db'}' AS other"))

        assert not (tmp_path / "other.db").exists()
        bulkhead.close()

    def test_a_changed_table_is_a_clear_error(self, bulkhead: Bulkhead) -> None:
        """A table or column that has gone is 404 or 400 with the hint to refresh."""
        for sql, code, status in [("SELECT 1 FROM gone", "PGRST205", 404), ("SELECT thing.gone FROM thing", "42703", 400)]:
            with pytest.raises(DatabaseError) as caught:
                bulkhead.fetch(Statement(sql))
            assert (caught.value.code, caught.value.status) == (code, status)
            assert "refresh" in (caught.value.hint or "")

    def test_a_statement_that_is_prepared_survives_a_change(self, bulkhead: Bulkhead) -> None:
        """A column that changes its type under a prepared statement is not an error of the reader."""
        with bulkhead.connection() as connection:
            connection.exec_driver_sql("CREATE TABLE changing (id integer)")
        for _ in range(6):
            bulkhead.fetch(Statement("SELECT * FROM changing"))
        with bulkhead.connection() as connection:
            connection.exec_driver_sql("ALTER TABLE changing ADD other bigint")

        assert bulkhead.fetch(Statement("SELECT * FROM changing")) == []
        with bulkhead.connection() as connection:
            connection.exec_driver_sql("DROP TABLE changing")

    def test_a_password_is_in_no_repr(self) -> None:
        """Neither the engine nor the spec shows it."""
        spec = ConnectionSpec("postgresql", host="127.0.0.1", port=1, database="d", user="u", password="s3cr3t")

        assert "s3cr3t" not in repr(make_engine(spec)) + repr(spec) + str(make_engine(spec).url)


class TestStream:
    """stream"""

    def test_gives_all_rows_in_pieces(self, bulkhead: Bulkhead) -> None:
        """Rows come in lists, the first of the size that was asked for; of small ones, more at once from then on."""
        with bulkhead.transaction() as transaction:
            for number in range(50):
                transaction.execute(insert(bulkhead, number, f"n{number}"))

        with bulkhead.stream(Statement("SELECT id FROM thing ORDER BY id"), size_rows=4) as lists:
            pieces = list(lists)

        assert [len(rows) for rows in pieces] == [4, 16, 30]
        assert [row[0] for rows in pieces for row in rows] == list(range(50))

    def test_may_be_left_in_the_middle(self, bulkhead: Bulkhead) -> None:
        """Who goes away leaves nothing behind; the pool of the others is not touched."""
        with bulkhead.transaction() as transaction:
            for number in range(100):
                transaction.execute(insert(bulkhead, number, f"n{number}"))
        long = Statement("SELECT a.id FROM thing a, thing b, thing c")

        for _ in range(4):
            with bulkhead.stream(long, size_rows=10) as lists:
                next(lists)
                assert count(bulkhead) == 100

        assert count(bulkhead) == 100

    def test_an_error_at_its_beginning_is_an_ordinary_one(self, bulkhead: Bulkhead) -> None:
        """Nothing was sent yet, so the caller can still answer properly."""
        with pytest.raises(DatabaseError), bulkhead.stream(Statement("SELECT 1 FROM gone")) as lists:
            next(lists)

        assert bulkhead.fetch(Statement("SELECT 1")) == [(1,)]


class TestLife:
    """close, fork, many rounds"""

    def test_close_lets_others_finish(self, database: tuple[str, URL]) -> None:
        """A statement that runs elsewhere ends well; the next one is refused."""
        bulkhead = make_bulkhead_from_url(database[1], "shop", OPTIONS)
        with bulkhead.transaction() as transaction:
            bulkhead.close()
            result = transaction.execute(Statement("SELECT 1"))

        assert result.rows == [(1,)]
        with pytest.raises(Unavailable):
            bulkhead.fetch(Statement("SELECT 1"))

    def test_is_made_anew_after_a_fork(self, bulkhead: Bulkhead) -> None:
        """The child connects by itself and leaves the parent's connections alone."""
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(write_end, str(bulkhead.fetch(Statement("SELECT 41 + 1"))[0][0]).encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)

        assert os.read(read_end, 10) == b"42"
        assert bulkhead.fetch(Statement("SELECT 1")) == [(1,)]
        os.close(read_end)
        os.close(write_end)

    def test_leaves_nothing_behind(self, database: tuple[str, URL], leaves_nothing: Callable[..., None]) -> None:
        """Many rounds of open, use, close leave no thread and no file open."""

        def use() -> None:
            bulkhead = make_bulkhead_from_url(database[1], "shop", OPTIONS)
            count(bulkhead)
            with bulkhead.stream(Statement("SELECT 1")) as lists:
                list(lists)
            bulkhead.close()

        leaves_nothing(use, 10)

    def test_connections_make_no_classes(self, database: tuple[str, URL]) -> None:
        """However many connections come and go, no class is made for one: drivers keep their readers' classes for ever."""

        def connect() -> None:
            bulkhead = make_bulkhead_from_url(database[1], "shop", OPTIONS)
            bulkhead.fetch(Statement("SELECT 1"))
            bulkhead.close()

        def count_classes() -> int:
            gc.collect()
            return sum(isinstance(each, type) for each in gc.get_objects())

        counts = [count_classes()]
        for _ in range(4):
            for _ in range(3):
                connect()
            counts.append(count_classes())

        # A module that somebody imports meanwhile makes classes once, connections would make them every time.
        assert any(later <= earlier for earlier, later in pairwise(counts)), counts

    def test_text_that_is_not_utf8_can_be_read(self, sqlite_path: Path) -> None:
        """SQLite's text comes as bytes."""
        with contextlib.closing(sqlite3.connect(sqlite_path)) as connection:
            connection.execute("CREATE TABLE t (x TEXT)")
            connection.execute("INSERT INTO t VALUES (CAST(X'ff41' AS TEXT))")
            connection.commit()
        bulkhead = make_bulkhead(ConnectionSpec("sqlite", path=str(sqlite_path)), "shop")

        assert bulkhead.fetch(Statement("SELECT x FROM t")) == [(b"\xffA",)]
        bulkhead.close()


def _works(bulkhead: Bulkhead) -> bool:
    try:
        return bulkhead.fetch(Statement("SELECT 1")) == [(1,)]
    except Unavailable:
        return False
