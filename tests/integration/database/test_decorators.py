"""qapla.database.decorators"""

from __future__ import annotations

import asyncio
import inspect
import sys
import typing

import pytest
from celery import Celery, shared_task
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from qapla.database.application import DatabaseApplication
from qapla.database.database import Database
from qapla.database.decorators import WithDatabase
from qapla.errors import ConfigurationError, PluginError
from qapla.scope import find_current

ANSWER = text("SELECT 40 + :b")


class Words(DatabaseApplication):
    """Two databases."""

    class MetaConfig:
        settings_module = "lazydb.settings"

    def append_app_plugins(self):
        """Declare them."""
        self.add_database_app([Database("main"), Database("music")])


@pytest.fixture
def urls(tmp_path):
    """Give the settings of two databases."""
    return {f"db:{name}:url": f"sqlite:///{tmp_path / name}.sqlite" for name in ("main", "music")}


@pytest.fixture
def app(urls):
    """Give a running application; at the end of a test no connection is lent out."""
    app = Words().run_command(urls)
    with app["database"]["main"].transaction() as session:
        session.execute(text("CREATE TABLE word (value TEXT)"))
    yield app
    assert [engine.pool.checkedout() for database in app["database"] for engine in database.opened_engines] == [0] * count(app)
    app.stop()


def count(app):
    """Return how many engines are in use."""
    return sum(len(database.opened_engines) for database in app["database"])


def words(app):
    """Return how many rows there are."""
    with app["database"]["main"].session() as session:
        return session.scalar(text("SELECT count(*) FROM word"))


class TestFunction:
    """@WithDatabase(app, "main") def …"""

    def test_name_and_signature_are_kept(self, app):
        """Whoever looks at the function sees it without the session; the whole one is in ``__wrapped__``."""

        @WithDatabase(app, "main")
        def add(main: Session, a: int, b: int = 1) -> int:
            """Add."""

        assert (add.__name__, add.__doc__, str(inspect.signature(add))) == ("add", "Add.", "(a: 'int', b: 'int' = 1) -> 'int'")
        assert typing.get_type_hints(add) == {"a": int, "b": int, "return": int}
        assert list(inspect.signature(add.__wrapped__).parameters) == ["main", "a", "b"]

    @pytest.mark.parametrize(("arguments", "keywords"), [((2,), {}), ((), {"b": 2}), ((2, "c"), {}), ((2,), {"c": "c"})])
    def test_arguments_are_as_if_there_were_no_session(self, app, arguments, keywords):
        """The session finds its place, wherever that is among the parameters."""

        @WithDatabase(app, "main")
        def first(main, b, c="c"):
            return main.scalar(ANSWER, {"b": b}), c

        @WithDatabase(app, "main")
        def between(b, main, c="c"):
            return main.scalar(ANSWER, {"b": b}), c

        @WithDatabase(app, "main")
        def last(b, c="c", *, main):
            return main.scalar(ANSWER, {"b": b}), c

        @WithDatabase(app, "main")
        def any_name(*arguments, **keywords):
            return keywords.pop("main").scalar(ANSWER, {"b": 2}), "c"

        assert [call(*arguments, **keywords) for call in (first, between, last, any_name)] == [(42, "c")] * 4

    def test_error_rolls_back(self, app):
        """What was not committed is gone, and the error is the caller's."""

        @WithDatabase(app, "main")
        def write(value, main):
            main.execute(text("INSERT INTO word VALUES (:value)"), {"value": value})
            if value == "bad":
                raise KeyError(value)
            main.commit()

        write("good")
        with pytest.raises(KeyError):
            write("bad")

        assert words(app) == 1

    def test_methods(self, app):
        """Methods of every kind, whichever decorator is above."""

        class Service:
            @WithDatabase(app, "main")
            def plain(self, b, main):
                return main.scalar(ANSWER, {"b": b})

            @classmethod
            @WithDatabase(app, "main")
            def of_class(cls, b, main):
                return main.scalar(ANSWER, {"b": b})

            @WithDatabase(app, "main")
            @classmethod
            def of_class_below(cls, b, main):
                return main.scalar(ANSWER, {"b": b})

            @WithDatabase(app, "main")
            @staticmethod
            def static(b, main):
                return main.scalar(ANSWER, {"b": b})

        service = Service()

        assert [call(2) for call in (service.plain, service.of_class, Service.of_class_below, Service.static, service.static)] == [42] * 5

    def test_two_databases_are_two_scopes(self, app):
        """Each decorator opens its own; the inner one is the current one and knows the outer."""

        @WithDatabase(app, "main")
        @WithDatabase(app, "music")
        def both(main, music):
            assert main.get_bind() is app["database"]["main"].engine
            assert music.get_bind() is app["database"]["music"].engine
            scope = find_current()
            return music is scope["database"]["music"], main is scope.outer["database"]["main"]

        assert both() == (True, True)
        assert str(inspect.signature(both)) == "()"

    def test_nested_calls_commit_on_their_own(self, app):
        """A call inside of another has a session of its own: what it commits stays when the outer one fails."""

        @WithDatabase(app, "main")
        def inner(main):
            main.execute(text("INSERT INTO word VALUES ('inner')"))
            main.commit()
            return main

        @WithDatabase(app, "main")
        def outer(main):
            assert inner() is not main
            main.execute(text("INSERT INTO word VALUES ('outer')"))
            raise KeyError

        with pytest.raises(KeyError):
            outer()

        assert words(app) == 1

    def test_session_of_the_caller_passes_through(self):
        """By keyword or in its place; the application need not run then, and nobody closes the session."""

        @WithDatabase(Words(), "main")
        def which(main, b=None):
            return main, b

        fake, session = object(), Session()

        assert [which(main=fake), which(session), which(session, 2)] == [(fake, None), (session, None), (session, 2)]

    def test_application_that_does_not_run(self):
        """The error says so, and what to do."""

        @WithDatabase(Words(), "main")
        def never(main):
            raise AssertionError

        with pytest.raises(PluginError, match=r"the application is 'new' \(call one of its run_… methods first\)"):
            never()

    def test_application_of_a_test(self, app):
        """A test starts an application of its own: a function that was decorated for the module's one works on the test's."""

        @WithDatabase(Words(), "main")
        def add(main):
            main.execute(text("INSERT INTO word VALUES ('x')"))
            main.commit()

        add()

        assert words(app) == 1

    def test_no_application(self):
        """The name of one is refused where the function is defined."""
        with pytest.raises(ConfigurationError, match="'shop' is no application"):
            WithDatabase("shop", "main")(lambda main: None)

    def test_unknown_database(self, app):
        """The nearest name is in the hint."""
        with pytest.raises(PluginError, match=r"no database is declared as 'mian' \(did you mean 'main'\?\)"):
            WithDatabase(app, "mian")(lambda mian: None)()

    @pytest.mark.parametrize("function", [lambda other: None, lambda main, /: None, lambda *main: None, lambda **main: None])
    def test_no_parameter_for_the_session(self, function):
        """It is told where the function is defined, not when it is called."""
        with pytest.raises(ConfigurationError, match="has no parameter 'main' that takes a session by its name"):
            WithDatabase(Words(), "main")(function)

    def test_not_a_function(self):
        """A class cannot be given a session."""
        with pytest.raises(ConfigurationError, match="it is no function"):
            WithDatabase(Words(), "main")(Words)


def test_without_the_extra_for_asyncio(app, monkeypatch):
    """Functions need nothing of it."""
    for name in [known for known in sys.modules if known.startswith("sqlalchemy.ext.asyncio")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "greenlet", None)

    @WithDatabase(app, "main")
    def first(main, b):
        return main.scalar(ANSWER, {"b": b})

    assert first(2) == 42
    assert not any(known.startswith("sqlalchemy.ext.asyncio") for known in sys.modules)


class TestGenerator:
    """@WithDatabase(app, "main") on generators"""

    @pytest.fixture
    def numbers(self, app):
        """Give a generator function that shows what it meets."""

        @WithDatabase(app, "main", argument="db")
        def numbers(db, limit):
            met = []
            for number in range(limit):
                assert find_current()["database"]["main"] is db
                try:
                    met.append((yield db.scalar(text("SELECT :n"), {"n": number})))
                except KeyError:
                    met.append("thrown")
            return met

        return numbers

    def test_lives_as_long_as_the_body(self, app, numbers):
        """Values, what is sent and thrown in, and the result go through."""
        steps = numbers(3)

        assert [next(steps), steps.send("sent"), steps.throw(KeyError())] == [0, 1, 2]
        with pytest.raises(StopIteration) as end:
            next(steps)
        assert end.value.value == ["sent", "thrown", None]

    def test_between_the_steps_the_scope_is_the_callers(self, app, numbers):
        """A generator that waits is nobody's current scope."""
        with app.scope() as mine:
            steps = numbers(2)
            next(steps)
            between = find_current()
            steps.close()

            assert (between, find_current()) == (mine, mine)

    def test_closed_early(self, app, numbers):
        """The session goes at once."""
        steps = numbers(3)
        next(steps)
        before = app["database"]["main"].engine.pool.checkedout()

        steps.close()

        assert (before, app["database"]["main"].engine.pool.checkedout()) == (1, 0)

    def test_stays_a_generator_function(self, numbers):
        """Whoever asks finds one."""
        assert inspect.isgeneratorfunction(numbers)
        given = type("Given", (), {"scalar": lambda self, *a: "given"})()
        assert WithDatabase(Words(), "main")(lambda main: main)(main=given) is given


class TestCoroutine:
    """@WithDatabase(app, "main") async def …"""

    def test_session_is_awaited(self, app):
        """Many at once, each with a session of its own; committed is what they commit."""

        @WithDatabase(app, "main")
        async def add(value, main):
            assert isinstance(main, AsyncSession)
            await main.execute(text("INSERT INTO word VALUES (:value)"), {"value": value})
            if value % 2:
                raise KeyError(value)
            await main.commit()
            return value

        async def work():
            return await asyncio.gather(*map(add, range(4)), return_exceptions=True)

        done = asyncio.run(work())

        assert [type(one) for one in done] == [int, KeyError, int, KeyError]
        assert words(app) == 2
        assert inspect.iscoroutinefunction(add)

    def test_plain_session(self, app):
        """Who wants one that blocks gets it."""

        @WithDatabase(app, "main", asynchronous=False)
        async def answer(main):
            return main.scalar(ANSWER, {"b": 2})

        assert asyncio.run(answer()) == 42

    def test_cancelled(self, app):
        """The session is closed and rolled back; the loop ends in peace."""

        @WithDatabase(app, "main")
        async def slow(main):
            await main.execute(text("INSERT INTO word VALUES ('lost')"))
            started.set()
            await asyncio.sleep(60)

        async def work():
            task = asyncio.create_task(slow())
            await started.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return task.cancelled(), [engine.pool.checkedout() for engine in app["database"]["main"].opened_engines]

        started = asyncio.Event()

        assert asyncio.run(work()) == (True, [0, 0])
        assert words(app) == 0

    def test_asynchronous_generator(self, app):
        """Values go in and out; closed early, the session goes at once."""

        @WithDatabase(app, "main")
        async def numbers(main):
            number = 0
            while True:
                assert find_current()["database"]["main"] is main
                try:
                    number = (yield await main.scalar(text("SELECT :n"), {"n": number})) or number + 1
                except KeyError:
                    number = 100

        async def work():
            steps = numbers()
            seen = [await anext(steps), await anext(steps), await steps.asend(7), await steps.athrow(KeyError())]
            assert find_current() is None
            await steps.aclose()
            return seen, [engine.pool.checkedout() for engine in app["database"]["main"].opened_engines]

        assert asyncio.run(work()) == ([0, 1, 7, 100], [0, 0])
        assert inspect.isasyncgenfunction(numbers)

    def test_session_of_the_caller_passes_through(self):
        """For coroutines and asynchronous generators, too."""

        @WithDatabase(Words(), "main")
        async def one(main):
            return main

        @WithDatabase(Words(), "main")
        async def several(main):
            yield main

        async def work():
            return [await one(main="given"), [value async for value in several(main="given")]]

        assert asyncio.run(work()) == ["given", ["given"]]


class TestCelery:
    """@shared_task @WithDatabase(app, "main")"""

    @pytest.fixture
    def celery(self):
        """Give a Celery application that does tasks at once."""
        celery = Celery("words", broker="memory://", set_as_current=False)
        celery.conf.update(task_always_eager=True, task_eager_propagates=True)
        yield celery
        celery.close()

    def test_task(self, app, celery):
        """Celery sees the parameters of the message only, and checks them."""

        @celery.task
        @WithDatabase(app, "main")
        def add(main, a, b=2):
            return main.scalar(text("SELECT :a + :b"), {"a": a, "b": b})

        assert add.delay(40).get() == 42
        assert add.apply_async((40,), {"b": 3}).get() == 43
        assert add.name.endswith("add")
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'a'"):
            add.delay()

    def test_bound_task(self, app, celery):
        """The task itself comes first."""

        @celery.task(bind=True)
        @WithDatabase(app, "main")
        def which(self, b, main):
            return self.name, main.scalar(ANSWER, {"b": b})

        assert which.delay(2).get() == (which.name, 42)

    def test_shared_task(self, app):
        """Defined before there is a Celery application."""

        @shared_task
        @WithDatabase(app, "main")
        def answer(main):
            return main.scalar(ANSWER, {"b": 2})

        assert answer() == 42

    def test_the_wrong_way_round(self, app):
        """A task is no function any more, and the hint says what to do."""

        @shared_task
        def task(main):
            raise AssertionError

        with pytest.raises(ConfigurationError, match=r"put @WithDatabase below @shared_task"):
            WithDatabase(app, "main")(task)


def test_database_is_away(tmp_path):
    """The driver's error reaches the caller, and no scope stays open."""
    app = Words().run_command({"db:main:url": "postgresql://u:geheim@127.0.0.1:1/x", "db:music:url": "sqlite://"})

    @WithDatabase(app, "main")
    def ask(main):
        return main.scalar(text("SELECT 1"))

    with pytest.raises(OperationalError) as caught:
        ask()
    assert "geheim" not in str(caught.value)
    assert find_current() is None
    app.stop()
