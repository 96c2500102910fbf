"""Threads and tasks, each with its own databases; and a thousand of them that leave nothing behind"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
import sqlalchemy.orm

from qapla.database import drivers, models
from qapla.database.models.binding import bound, innermost
from qapla.database.models.bound import Bound
from qapla.errors import NotBound

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import URL

WORKERS, ROUNDS = 6, 5


class Base(models.Model):
    """Models with tables of their own, whatever other modules declare."""

    __abstract__ = True
    metadata = sa.MetaData()


class Note(Base):
    """Who wrote it."""

    author = models.Char(max_length=40)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Give a file with the table for each worker."""
    found = [tmp_path / f"notes{number}.db" for number in range(WORKERS)]
    for path in found:
        with drivers.Sqlite(path) as db:
            db.create_table(Note)
    return found


def check(path: Path) -> None:
    """See that the database of *path* is the only one here, and that it has what was written here."""
    assert [each.place for each in bound()] == [str(path)]
    assert innermost().place == str(path)
    assert {note.author for note in Note.select().all()} == {path.name}


class TestThreads:
    """Threads at once"""

    def test_have_their_own(self, paths: list[Path]) -> None:
        """Each of several threads that work at once sees its own database and rows, and writes there."""
        together = threading.Barrier(WORKERS)

        def work(path: Path) -> None:
            for _ in range(ROUNDS):
                with drivers.Sqlite(path):
                    together.wait(30)
                    Note(author=path.name).save()
                    together.wait(30)
                    check(path)
                    together.wait(30)
                assert bound() == ()

        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(work, paths))

        assert [count_rows(path) for path in paths] == [ROUNDS] * WORKERS

    def test_see_nothing_of_their_parent(self, paths: list[Path]) -> None:
        """A thread that is started inside of a block has no database, and does not take away that of the block."""
        found: list[Any] = []

        def work() -> None:
            found.append(bound())
            with pytest.raises(NotBound):
                Note(author="nobody").save()
            with drivers.Sqlite(paths[1]):
                Note(author=paths[1].name).save()

        with drivers.Sqlite(paths[0]) as db:
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            assert bound() == (db,)

        assert found == [()]
        assert [count_rows(path) for path in paths[:2]] == [0, 1]


class TestTasks:
    """Tasks of asyncio"""

    def test_have_their_own(self, paths: list[Path]) -> None:
        """Each of several tasks sees its own database, whichever runs in between."""

        async def work(path: Path) -> None:
            for _ in range(ROUNDS):
                with drivers.Sqlite(path):
                    Note(author=path.name).save()
                    await asyncio.sleep(0.001)
                    check(path)
                await asyncio.sleep(0)
                assert bound() == ()

        async def main() -> None:
            await asyncio.gather(*map(work, paths))

        asyncio.run(main())

        assert [count_rows(path) for path in paths] == [ROUNDS] * WORKERS

    def test_see_nothing_of_their_parent(self, paths: list[Path]) -> None:
        """A task that is made inside of a block has no database; what the block awaits directly has."""

        async def look() -> int:
            await asyncio.sleep(0)
            return len(bound())

        async def main() -> tuple[int, ...]:
            with drivers.Sqlite(paths[0]):
                return await look(), await asyncio.create_task(look()), len(bound())

        assert asyncio.run(main()) == (1, 0, 1)

    def test_in_threads_of_tasks(self, paths: list[Path]) -> None:
        """Work that a task gives to a thread opens its own database there."""

        def work(path: Path) -> int:
            assert bound() == ()
            with drivers.Sqlite(path):
                Note(author=path.name).save()
                return Note.select().count()

        async def main() -> list[int]:
            with drivers.Sqlite(paths[0]):
                return await asyncio.gather(*(asyncio.to_thread(work, path) for path in paths[1:]))

        assert asyncio.run(main()) == [1] * (WORKERS - 1)


def count_rows(path: Path) -> int:
    """Return how many rows are there."""
    with drivers.Sqlite(path):
        count: int = Note.select().count()
        return count


KINDS = (Bound, sa.orm.Session, sa.Engine, sa.Connection, sa.Pool, sqlite3.Connection, Note)


class TestThousand:
    """1,000 binds"""

    def test_in_threads(self, paths: list[Path], leaves_nothing: Any) -> None:
        """A thousand of them, fifty inside each other and in four threads, are unbound in the end, and nothing of them is left."""

        def work(_: int) -> int:
            with ExitStack() as stack:
                names = {stack.enter_context(drivers.Sqlite(paths[0])).name for _ in range(50)}
                assert len(names) == 50
                assert Note.select().using(innermost()).count() == 0
            return len(bound())

        def all_at_once() -> None:
            with ThreadPoolExecutor(4) as pool:
                assert set(pool.map(work, range(4))) == {0}

        leaves_nothing(all_at_once, 5, *KINDS)

    def test_that_write(self, paths: list[Path], leaves_nothing: Any) -> None:
        """Open, write, read, remove, in two databases inside each other: nothing is left."""

        def work() -> None:
            with drivers.Sqlite(paths[0]) as outer, drivers.Sqlite(paths[1]):
                for database in (None, outer):
                    note = Note(author="a")
                    note.save(using=database)
                assert len(Note.select().where(author="a").all()) == 2
                for note in Note.select():
                    note.delete()

        leaves_nothing(work, 15, *KINDS)
        assert bound() == ()
        assert [count_rows(path) for path in paths[:2]] == [0, 0]

    def test_that_fail(self, paths: list[Path], leaves_nothing: Any) -> None:
        """Blocks that end by an exception leave as little, and no row."""

        def fail() -> None:
            with drivers.Sqlite(paths[0]):
                Note(author="a").save()
                raise ZeroDivisionError

        def work() -> None:
            with pytest.raises(ZeroDivisionError):
                fail()

        leaves_nothing(work, 30, *KINDS)
        assert bound() == ()
        assert count_rows(paths[0]) == 0

    @pytest.mark.parametrize("engine_name", ["postgresql", "mariadb"])
    def test_on_servers(self, fresh_database: URL, engine_name: str, leaves_nothing: Any) -> None:
        """No connection stays on the server, neither of the main thread nor of others, nor of a block that failed."""
        opener = getattr(drivers, engine_name.capitalize())
        with opener(fresh_database) as db:
            db.create_table(Note)

        def work(fails: bool = False) -> None:
            with suppress(ZeroDivisionError), opener(fresh_database):
                Note(author="a").save()
                if fails:
                    raise ZeroDivisionError

        leaves_nothing(work, 10, *KINDS)
        leaves_nothing(lambda: work(True), 10, *KINDS)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: work(), range(8)))

        with opener(fresh_database):
            assert Note.select().count() == 11 + 8
        deadline = time.monotonic() + 30
        while count_connections(fresh_database, engine_name):  # a server ends them by itself
            assert time.monotonic() < deadline
            time.sleep(0.02)


def count_connections(url: URL, engine_name: str) -> int:
    """Return how many others are connected to the database."""
    statements = {
        "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
        "mariadb": "SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()",
    }
    with getattr(drivers, engine_name.capitalize())(url) as db:
        found: int = db.connection().exec_driver_sql(statements[engine_name]).scalar_one()
        return found
