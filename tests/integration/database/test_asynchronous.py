"""qapla.database.asynchronous: sessions that are awaited"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import warnings

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from qapla.database.application import DatabaseApplication
from qapla.database.database import Database
from qapla.errors import ConfigurationError, PluginError, SettingsError
from qapla.scope import find_current


class Model(DeclarativeBase):
    """Our models."""


class Word(Model):
    """A word."""

    __tablename__ = "word"
    id: Mapped[int] = mapped_column(primary_key=True)


class Words(DatabaseApplication):
    """One database."""

    class MetaConfig:
        settings_module = "lazydb.settings"

    def append_app_plugins(self):
        """Declare it."""
        self.add_database_app([Database("main")])


@pytest.fixture
def make_app():
    """Give a function that starts an application."""
    started = []

    def make(url, **settings):
        app = Words().run_command({"db:main:url": url, **settings})
        started.append(app)
        return app

    yield make
    for app in started:
        app.stop()
    gc.collect()  # a connection that nobody closed would say so here


@pytest.fixture
def app(make_app, fresh_database):
    """Give an application on each engine, with a table."""
    app = make_app(fresh_database.render_as_string(hide_password=False))
    Model.metadata.create_all(app["database"]["main"].engine)
    return app


@pytest.fixture(autouse=True)
def _no_noise(monkeypatch):
    """Fail on what asyncio and Python only mention: an exception that nobody retrieved, a connection that nobody closed."""
    said = []
    monkeypatch.setattr(sys, "unraisablehook", lambda said_now: said.append(said_now.exc_value))
    monkeypatch.setattr(asyncio.BaseEventLoop, "call_exception_handler", lambda loop, context: said.append(context["message"]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
        gc.collect()
    assert said == []


def rows(app):
    """Return how many words there are."""
    with app["database"]["main"].session() as session:
        return session.scalar(text("SELECT count(*) FROM word"))


def lent(app):
    """Return how many connections are lent out, and how many engines are open."""
    engines = app["database"]["main"].opened_engines
    return sum(engine.pool.checkedout() for engine in engines), len(engines)


class TestScope:
    """async with app.scope() as scope"""

    def test_sessions_are_awaited(self, app):
        """One per database and scope; what is committed stays, what was loaded can still be read."""

        async def work():
            async with app.scope() as scope:
                session = scope["database"]["main"]
                assert isinstance(session, AsyncSession)
                assert session is scope["database"]["main"]
                assert find_current() is scope
                session.add(Word(id=1))
                await session.commit()
                (word,) = await session.scalars(select(Word))
                await session.commit()
                session.add(Word(id=2))
                await session.flush()
                return word.id

        assert asyncio.run(work()) == 1
        assert rows(app) == 1
        assert lent(app) == (0, 1)

    def test_error_closes(self, app):
        """What was not committed is rolled back; the error is the caller's."""

        async def work():
            async with app.scope() as scope:
                scope["database"]["main"].add_all([Word(id=1), Word(id=1)])
                await scope["database"]["main"].commit()

        with warnings.catch_warnings(), pytest.raises(IntegrityError):  # noqa: PT012
            warnings.simplefilter("ignore")  # SQLAlchemy notices the two rows of one key
            asyncio.run(work())

        assert rows(app) == 0
        assert lent(app) == (0, 1)

    def test_timeout(self, app):
        """A statement that takes too long is given up, with everything before it."""
        slow = {
            "postgresql": "SELECT pg_sleep(30)",
            "mariadb": "SELECT SLEEP(30)",
            "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n LIMIT 3000000",
        }[app["database"]["main"].url.get_backend_name()]
        if "RECURSIVE" in slow:
            slow = slow.replace("FROM n)", "FROM n WHERE i < 3000000)")

        async def work():
            async with asyncio.timeout(0.2):
                async with app.scope() as scope:
                    await scope["database"]["main"].execute(text("INSERT INTO word VALUES (1)"))
                    await scope["database"]["main"].execute(text(slow))

        with pytest.raises(TimeoutError):
            asyncio.run(work())

        assert rows(app) == 0
        assert lent(app) == (0, 1)

    def test_many_at_once_some_cancelled(self, app):
        """Whenever a task is cancelled, its connection goes back."""

        async def one(number):
            async with app.scope() as scope:
                session = scope["database"]["main"]
                for _ in range(5):
                    await session.execute(text("SELECT count(*) FROM word"))
                    await asyncio.sleep(0)
                return number

        async def work():
            tasks = [asyncio.create_task(one(number)) for number in range(12)]
            for number, task in enumerate(tasks):
                if number % 3 == 0:
                    asyncio.get_running_loop().call_later(0.002 * number, task.cancel)
            done = await asyncio.gather(*tasks, return_exceptions=True)
            return done, lent(app)

        done, (out, _) = asyncio.run(work())

        assert [result for number, result in enumerate(done) if number % 3] == [number for number in range(12) if number % 3]
        assert out == 0

    def test_closing_goes_to_its_end(self, app):
        """A task that is cancelled while it closes its scope closes it all the same."""

        async def work():
            async def slow_exit():
                await asyncio.sleep(0.05)
                seen.append("closed")

            async def one():
                async with app.scope() as scope:
                    scope.on_close(lambda error: slow_exit())
                    await scope["database"]["main"].execute(text("SELECT 1"))
                    closing.set()

            closing = asyncio.Event()
            task = asyncio.create_task(one())
            await closing.wait()
            await asyncio.sleep(0.01)
            task.cancel()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return task.cancelled(), lent(app)[0]

        seen = []

        assert asyncio.run(work()) == (True, 0)
        assert seen == ["closed"]

    def test_unknown_database(self, make_app):
        """The nearest name is in the hint."""

        async def work():
            async with make_app("sqlite://").scope() as scope:
                scope["database"]["mian"]

        with pytest.raises(PluginError, match="did you mean 'main'"):
            asyncio.run(work())

    def test_after_commit(self, app):
        """What waits for the commit is done after it, and not after a rollback."""

        async def work():
            async with app.scope() as scope:
                session = scope["database"]["main"]
                session.add(Word(id=1))
                scope["database"].after_commit(lambda: seen.append("lost"))
                await session.rollback()
                scope["database"].after_commit(lambda: seen.append("done"))
                session.add(Word(id=2))
                before = list(seen)
                await session.commit()
                await session.commit()
                return before

        seen = []

        assert asyncio.run(work()) == []
        assert seen == ["done"]


class TestEngines:
    """One engine per event loop"""

    def test_closed_with_its_loop(self, app):
        """Each loop has its own, which is gone with it."""

        async def work():
            database = app["database"]["main"]
            async with database.async_session() as session:
                await session.execute(text("SELECT 1"))
            assert database.async_engine is database.async_engine
            return database.async_engine, lent(app)

        first, second = asyncio.run(work()), asyncio.run(work())

        assert first[0] is not second[0]
        assert [first[1], second[1]] == [(0, 2), (0, 2)]
        assert lent(app) == (0, 1)
        assert first[0].sync_engine.pool.checkedin() == 0

    def test_a_loop_in_each_thread(self, app):
        """Threads with loops of their own are in nobody's way."""

        async def work():
            async with app["database"]["main"].async_session() as session:
                await session.execute(text("SELECT 1"))
                engines.add(app["database"]["main"].async_engine)

        engines = set()
        threads = [threading.Thread(target=lambda: asyncio.run(work())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(engines) == 4
        assert lent(app) == (0, 1)

    def test_stop_inside_of_the_loop(self, app):
        """The application may stop in a coroutine; its connections close as soon as the loop gets to it."""

        async def work():
            async with app["database"]["main"].async_session() as session:
                await session.execute(text("SELECT 1"))
            engine = app["database"]["main"].async_engine
            app["database"]["main"].dispose()
            async with asyncio.timeout(30):
                while engine.sync_engine.pool.checkedin():
                    await asyncio.sleep(0.01)
            return engine.sync_engine.pool.checkedin()

        assert asyncio.run(work()) == 0

    def test_stop_from_another_thread(self, app):
        """Then it waits for the loop to close them."""

        async def work():
            async with app["database"]["main"].async_session() as session:
                await session.execute(text("SELECT 1"))
            engine = app["database"]["main"].async_engine
            await asyncio.to_thread(app["database"]["main"].dispose)
            return engine.sync_engine.pool.checkedin()

        assert asyncio.run(work()) == 0

    def test_stop_between_two_runs_of_a_loop(self, app):
        """A loop that waits for its next run is run to close them."""

        async def work():
            async with app["database"]["main"].async_session() as session:
                await session.execute(text("SELECT 1"))
            return app["database"]["main"].async_engine

        with asyncio.Runner() as runner:
            engine = runner.run(work())
            app["database"]["main"].dispose()

            assert engine.sync_engine.pool.checkedin() == 0

    def test_closed_on_purpose(self, app):
        """``await database.aclose()`` closes those of this loop; the next use opens new ones."""

        async def work():
            database = app["database"]["main"]
            for _ in range(2):
                async with database.async_session() as session:
                    await session.execute(text("SELECT 1"))
                engine = database.async_engine
                await database.aclose()
                seen.append(engine.sync_engine.pool.checkedin())

        seen = []
        asyncio.run(work())

        assert seen == [0, 0]

    def test_made_anew_after_a_fork(self, app):
        """A child uses neither the engine nor the loop of its parent, which goes on."""

        async def ask():
            async with app["database"]["main"].async_session() as session:
                return await session.scalar(text("SELECT 41 + 1"))

        async def parent():
            before = await ask()
            pid = os.fork()
            if pid == 0:
                os._exit(child())
            _, status = await asyncio.to_thread(os.waitpid, pid, 0)
            return before, os.waitstatus_to_exitcode(status), await ask()

        def child():
            asyncio.events._set_running_loop(None)
            return asyncio.run(ask())

        assert asyncio.run(parent()) == (42, 42, 42)

    def test_no_loop(self, app):
        """The error says where it can be used."""
        with pytest.raises(ConfigurationError, match=r"where no event loop runs \(use it in a coroutine"):
            app["database"]["main"].make_async_session()

    def test_sqlite_is_prepared_as_for_threads(self, make_app, tmp_path):
        """Foreign keys, WAL, patience, and our BEGIN, immediate for a write."""
        app = make_app(f"sqlite:///{tmp_path}/x.sqlite")

        async def work():
            database = app["database"]["main"]
            async with database.async_session() as session:
                event.listen(database.async_engine.sync_engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
                found = [await session.scalar(text(f"PRAGMA {name}")) for name in ("foreign_keys", "journal_mode", "busy_timeout")]
            async with database.async_transaction() as session:
                await session.execute(text("CREATE TABLE t (a)"))
            return found

        seen = []

        assert asyncio.run(work()) == [1, "wal", 10000]
        assert "BEGIN" in seen
        assert seen[-2:] == ["BEGIN IMMEDIATE", "CREATE TABLE t (a)"]

    def test_pool_has_an_end(self, make_app, fresh_database):
        """Options are those of the setting; ``async_options`` win for asyncio."""
        url = fresh_database.render_as_string(hide_password=False)
        pool = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.2}
        app = make_app(url, **{"db:main:options": {"pool_size": 3}, "db:main:async_options": pool})

        async def work():
            database = app["database"]["main"]
            async with database.async_session() as one, database.async_session() as other:
                await one.execute(text("SELECT 1"))
                with pytest.raises(PoolTimeout):
                    await other.execute(text("SELECT 1"))

        asyncio.run(work())

        assert app["database"]["main"].engine.pool.size() == 3

    def test_wrong_options(self, make_app):
        """They are told with the key they come from."""
        app = make_app("sqlite:///:memory:", **{"db:main:async_options": {"pool_sise": 1}})

        async def work():
            app["database"]["main"].make_async_session()

        with pytest.raises(SettingsError, match=r"setting 'db:main:async_options' .*'pool_sise' is none"):
            asyncio.run(work())

    @pytest.mark.parametrize(
        ("module", "url", "extra"),
        [
            ("aiosqlite", "sqlite://", "asyncio"),
            ("aiomysql", "mariadb://h/x", "asyncio"),
            ("psycopg", "postgresql://h/x", "postgresql,asyncio"),
            ("greenlet", "sqlite://", "asyncio"),
        ],
    )
    def test_driver_that_is_not_installed(self, make_app, monkeypatch, module, url, extra):
        """The error says which extra has it."""
        app = make_app(url)
        monkeypatch.setitem(sys.modules, module, None)

        async def work():
            app["database"]["main"].make_async_session()

        with pytest.raises(ConfigurationError, match=rf"the asyncio driver '.*' is not installed \(pip install 'qapla\[{extra}\]'\)"):
            asyncio.run(work())



