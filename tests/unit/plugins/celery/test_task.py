"""Tasks of qapla.plugins.celery, done at once: no broker, no worker"""

from __future__ import annotations

import asyncio
import inspect
import time
from datetime import UTC, datetime, timedelta

import pytest
from celery import shared_task
from celery.exceptions import Reject, Retry
from kombu.exceptions import OperationalError as BrokerError
from pyramid.config import Configurator
from sqlalchemy import Column, Integer, MetaData, Table, func, insert, select
from sqlalchemy.exc import IntegrityError, OperationalError
from webtest import TestApp

from qapla.database.application import DatabaseApplication
from qapla.database.database import Database
from qapla.database.decorators import WithDatabase
from qapla.errors import ConfigurationError, PluginError, SecretLost, SettingsError, TimedOut, Unavailable
from qapla.plugin import Plugin
from qapla.plugins.celery.outages import is_outage, pause_s
from qapla.plugins.celery.plugin import CeleryPlugin, has_module
from qapla.plugins.celery.receipts import RECEIPTS, add_receipts, remove_old
from qapla.ports import current_task
from qapla.scope import find_current

METADATA = MetaData()
ROWS = Table("rows", METADATA, Column("n", Integer))
add_receipts(METADATA)


class Counters(Plugin):
    """A MetricsBackend that remembers."""

    key = "metrics"

    def start(self, app):
        """Remember nothing yet."""
        self.seen = []
        return self

    def increment(self, name, value=1, **tags):
        """Remember it."""
        self.seen.append((name, tags))

    def observe(self, name, seconds, **tags):
        """Remember it."""
        self.seen.append((name, tags))


class Shop(DatabaseApplication):
    """An application with tasks."""

    class MetaConfig:
        settings_module = "lazydb.settings"

    def append_app_plugins(self):
        """Declare."""
        self.add_database_app([Database("main")])
        self.add_app_plugin(Counters())
        self.add_app_plugin(CeleryPlugin())


main = Shop()


def write(session, n):
    """Write a row."""
    session.execute(insert(ROWS).values(n=n))


@shared_task
@WithDatabase(main, "main")
def plain(n, main, times=1):
    """Write rows, one by one."""
    for _ in range(times):
        write(main, n)
    main.commit()
    return [n, current_task.get()]


@shared_task
async def awaited(n):
    """Write a row after a pause."""
    await asyncio.sleep(0)
    async with find_current().app.scope() as scope:
        session = scope["database"]["main"]
        await session.execute(insert(ROWS).values(n=n))
        await session.commit()
    return n


@shared_task
def fail(n):
    """Write a row in the scope of the task, and raise."""
    write(find_current()["database"]["main"], n)
    raise ValueError(n)


@shared_task(once="main", bind=True, ignore_result=False)
def once(self, n, main):
    """Write a row in a savepoint, and tell a secret."""
    with main.begin_nested():
        write(main, n)
    return {"n": n}


@shared_task(once="main")
def without_session(n):
    """Use the session of the scope."""
    write(find_current()["database"]["main"], n)


@shared_task(once="main")
def rolls_back(n, main):
    """Lose the receipt."""
    main.rollback()
    write(main, n)


@shared_task(once="main")
def commits(n, main):
    """Part the work from its receipt."""
    write(main, n)
    main.commit()


def nothing():
    """Do nothing."""


@pytest.fixture
def app(tmp_path):
    """Give a running application with an empty database."""
    app = Shop().run_tests({"celery:task_always_eager": True, "db:main:url": f"sqlite:///{tmp_path}/shop.sqlite"})
    with app["database"]["main"].transaction() as session:
        METADATA.create_all(session.connection())
    yield app
    app.stop()


@pytest.fixture
def shop(tmp_path):
    """Give the application of the decorators, started."""
    global main
    settings = {"celery:task_always_eager": True, "db:main:url": f"sqlite:///{tmp_path}/shop.sqlite"}
    main.__init__()  # an application starts once, and the decorators know this one
    main.run_tests(settings)
    with main["database"]["main"].transaction() as session:
        METADATA.create_all(session.connection())
    yield main
    main.stop()


def rows(app):
    """Return what was committed."""
    with app["database"]["main"].session() as session:
        return list(session.scalars(select(ROWS.c.n)))


class TestScope:
    """Every run is a scope of its own"""

    def test_with_database(self, shop):
        """Name and signature are kept, less the session; the id of the task is known while it runs."""
        answer = plain.delay(7, times=2)

        assert answer.get() == [7, answer.id]
        assert rows(shop) == [7, 7]
        assert (plain.name, str(inspect.signature(plain.run)), plain.__doc__) == (
            f"{__name__}.plain",
            "(n, times=1)",
            "Write rows, one by one.",
        )
        assert current_task.get() == ""
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'n'"):
            plain.delay()

    def test_an_error_rolls_back(self, app):
        """The error is the task's; what it wrote in its scope is gone, and it is counted."""
        answer = fail.delay(7)

        with pytest.raises(ValueError, match="7"):
            answer.get()
        assert rows(app) == []
        assert app["metrics"].seen == [("tasks", {"task": fail.name, "outcome": "failed"}), ("task_seconds", {"task": fail.name})]

    def test_a_coroutine(self, shop):
        """It is run to its end."""
        answer = awaited.delay(7)

        assert answer.get() == 7
        assert rows(shop) == [7]

    def test_a_plain_call_is_a_plain_call(self, app):
        """A unit test calls the function; the scope is the caller's."""
        with app.scope() as scope:
            with pytest.raises(ValueError, match="7"):
                fail(7)
            scope["database"]["main"].commit()

        assert rows(app) == [7]

    def test_the_application_of_the_scope_sends(self, app, tmp_path):
        """Of two that are running, a task belongs to the one whose scope is open; without a scope to the youngest."""
        other = Shop().run_tests({"celery:task_always_eager": True, "db:main:url": f"sqlite:///{tmp_path}/other.sqlite"})
        with other["database"]["main"].transaction() as session:
            METADATA.create_all(session.connection())

        with app.scope():
            without_session.delay(1)
        without_session.delay(2)
        other.stop()
        without_session.delay(3)

        assert rows(app) == [1, 3]

    @pytest.mark.parametrize("send", ["delay", "delay_after_commit"])
    def test_no_application(self, send):
        """It is one clear error, and no search for a broker."""
        with pytest.raises(PluginError, match=r"task '.*fail' cannot be sent: no application is running \(call one of"):
            getattr(fail, send)(1)


class TestAfterCommit:
    """delay_after_commit"""

    def test_committed(self, app):
        """It waits for the commit, and knows its id before."""
        with app.scope() as scope:
            session = scope["database"]["main"]
            write(session, 1)
            task_id = without_session.delay_after_commit(2)
            assert app["metrics"].seen == []
            session.commit()

        assert rows(app) == [1, 2]
        with app["database"]["main"].session() as session:
            assert session.scalar(select(RECEIPTS.c.task_id)) == task_id

    def test_rolled_back(self, app):
        """Nothing is done, not even by a later commit."""
        with app.scope() as scope:
            session = scope["database"]["main"]
            write(session, 1)
            without_session.delay_after_commit(2)
            session.rollback()
            write(session, 3)
            session.commit()

        assert rows(app) == [3]

    def test_nothing_to_wait_for(self, app):
        """Without a scope, or a session in it, it is done at once."""
        without_session.delay_after_commit(1)
        with app.scope():
            without_session.delay_after_commit(2)
            assert rows(app) == [1, 2]

    def test_committed_before(self, app):
        """Where nothing is left to be committed, the end of the scope is late enough; work that is not committed is rolled back there."""
        for n, is_committed in ((1, True), (3, False)):
            with app.scope() as scope:
                session = scope["database"]["main"]
                session.commit()
                without_session.delay_after_commit(n + 1)
                write(session, n)
                session.commit() if is_committed else None
        with app.scope() as scope:
            scope["database"]["main"].commit()
            without_session.delay_after_commit(5)

        assert rows(app) == [1, 2, 5]

    def test_a_scope_that_fails(self, app):
        """An error leaves nothing to be done."""
        scope = app.scope()
        with scope:
            scope["database"]["main"].commit()
            without_session.delay_after_commit(1)
            scope.close(KeyError("end"))

        assert rows(app) == []

    def test_together(self, app):
        """A block that commits several databases together is a piece of work, too."""
        with app["database"].transaction("main") as sessions:
            write(sessions["main"], 1)
            without_session.apply_async_after_commit((2,), task_id="mine")
            assert app["metrics"].seen == []

        assert rows(app) == [1, 2]


class TestOnce:
    """once="main\""""

    def test_delivered_twice(self, app):
        """The work is done and committed once; the second delivery has the answer of the first."""
        first = once.apply_async((7,), task_id="a")
        second = once.apply_async((7,), task_id="a")
        third = once.apply_async((8,), task_id="b")

        assert [answer.get() for answer in (first, second, third)] == [{"n": 7}, {"n": 7}, {"n": 8}]
        assert rows(app) == [7, 8]
        assert str(inspect.signature(once.__header__)) == "(n)"

    def test_fails(self, app):
        """There is no receipt for work that was not done."""
        with pytest.raises(ConfigurationError, match=r"'.*rolls_back' is done once, and rolled its session back \(raise an error"):
            rolls_back.delay(7).get()
        with pytest.raises(ConfigurationError, match=r"'.*commits' is done once: its session is committed with the receipt"):
            commits.delay(7).get()

        assert rows(app) == []
        with app["database"]["main"].session() as session:
            assert session.scalar(select(func.count()).select_from(RECEIPTS)) == 0

    def test_table_is_missing(self, app):
        """It is said which, and how it is made; in a worker the task waits for it."""
        with app["database"]["main"].transaction() as session:
            RECEIPTS.drop(session.connection())

        with pytest.raises(ConfigurationError, match=r"database 'main' has no table 'qapla_receipts' \(add_receipts\(") as caught:
            once.delay(7).get()

        assert is_outage(caught.value)

    def test_wrong_option(self, app):
        """One database, by name."""
        app["celery"].task(nothing, name="shop.both", once=("main", "music"), shared=False)

        with pytest.raises(ConfigurationError, match=r"'shop.both' is done once by \('main', 'music'\) \(say the name of one database"):
            app["celery"].finalize()

    def test_old_receipts_are_removed(self, app, monkeypatch):
        """Those older than a week; once an hour."""
        monkeypatch.setattr("qapla.plugins.celery.receipts._removed_at", {})
        with app["database"]["main"].transaction() as session:
            for days in (6, 8):
                at = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=days)
                session.execute(insert(RECEIPTS).values(task_id=str(days), task="t", done_at=at))

        with app.scope() as scope:
            remove_old(scope, "main")
            remove_old(scope, "main")

        with app["database"]["main"].session() as session:
            assert list(session.scalars(select(RECEIPTS.c.task_id))) == ["6"]


class TestOutages:
    """What is worth another try"""

    @pytest.mark.parametrize(
        ("error", "passes"),
        [
            (Unavailable("away"), True),
            (TimedOut("late"), True),
            (SecretLost("another key"), False),
            (ValueError("wrong"), False),
            (OperationalError(None, None, __import__("pymysql").OperationalError(2003, "no")), True),
            (OperationalError(None, None, __import__("pymysql").OperationalError(1213, "Deadlock")), True),
            (OperationalError(None, None, __import__("psycopg").OperationalError("connection refused")), True),
            (OperationalError(None, None, __import__("psycopg").errors.SerializationFailure("again")), True),
            (OperationalError(None, None, __import__("psycopg").errors.QueryCanceled("too long")), False),
            (IntegrityError(None, None, __import__("psycopg").errors.UniqueViolation("twice")), False),
        ],
    )
    def test_kinds(self, error, passes):
        """A thing that was away may be back; what is wrong stays wrong."""
        assert is_outage(error) is passes

    def test_pauses(self):
        """They grow to a minute, less where messages come back early."""
        assert 0.75 <= pause_s(1) <= 1
        assert 45 <= pause_s(50) <= 60
        assert pause_s(50, 20) <= 10

    def test_given_up(self, app, caplog):
        """After the last try the error is the task's."""
        runs = []

        @app["celery"].task(name="shop.away", outage_retries=3, shared=False)
        def away():
            runs.append(away.request.headers)
            raise Unavailable("away")

        app["celery"].conf.task_always_eager = False
        for count, error in ((0, Retry), (2, Retry), (3, Unavailable)):
            headers = {"qapla_outages": count} if count else None
            away.push_request(id="a", called_directly=False, is_eager=False, headers=headers, args=(), kwargs={}, delivery_info={})
            with pytest.raises(error):
                away()
            away.pop_request()
        assert runs == [None, {"qapla_outages": 2}, {"qapla_outages": 3}]
        assert "task shop.away (a) is given up: what it needs was away 3 times" in caplog.text

    def test_broker_is_away_too(self, app):
        """The broker keeps the message that it has."""

        @app["celery"].task(name="shop.alone", shared=False)
        def alone():
            raise Unavailable("away")

        app["celery"].conf.task_always_eager = False
        app["celery"].conf.broker_url = "redis://127.0.0.1:1/0"
        alone.push_request(id="a", called_directly=False, is_eager=False, args=(), kwargs={}, delivery_info={})

        with pytest.raises(Reject) as caught:
            alone()

        assert caught.value.requeue is True
        alone.pop_request()


class TestPlugin:
    """CeleryPlugin"""

    def test_health(self, app):
        """A broker that is there is well, one that is not is told within seconds."""
        app["celery"].ping()
        app["celery"].conf.broker_url = "redis://127.0.0.1:1/0"
        begin = time.monotonic()

        with pytest.raises(BrokerError):
            app["celery"].ping()

        assert time.monotonic() - begin < 5

    def test_modules(self):
        """Those that are named, else the module of tasks in the application's own package."""
        app = Shop().run_tests({"celery:task_always_eager": True, "celery:modules": "shop.tasks other"})

        assert app["celery"].conf.include == ["shop.tasks", "other"]
        assert (has_module("lazydb", "tasks"), has_module("lazydb", "nothing"), has_module("json", "x"), has_module("click", "x")) == (
            True,
            False,
            False,
            False,
        )
        app.stop()

    def test_outbox_of_no_database(self):
        """It says what was expected."""
        with pytest.raises(SettingsError, match=r"'celery:outbox' in .* is wrong \(expected the name of a database"):
            Shop().run_tests({"celery:task_always_eager": True, "celery:outbox": "music"})

    def test_a_limit_beyond_the_broker(self, app):
        """A task that may take longer than the broker waits would be done twice."""
        app["celery"].conf.broker_transport_options = {"visibility_timeout": 4000}
        app["celery"].task(nothing, name="shop.long", time_limit=5000, shared=False)

        with pytest.raises(ConfigurationError, match=r"task 'shop.long' may take 5000 s, but its message comes back after 4000 s"):
            app["celery"].finalize()

    def test_in_a_pyramid_program(self):
        """``config.include`` is enough; tasks run in scopes there, too."""
        config = Configurator(settings={"qapla.celery.task_always_eager": "true"})
        config.include("qapla.plugins.celery")
        ran = []

        @config.registry["qapla.app"]["celery"].task(name="guest.run", shared=False)
        def run():
            ran.append(find_current().app)

        config.add_route("send", "/")
        config.add_view(lambda request: str(request.app["celery"].tasks["guest.run"].delay().state), route_name="send", renderer="string")

        answer = TestApp(config.make_wsgi_app()).get("/")

        assert answer.text == "SUCCESS"
        assert ran == [config.registry["qapla.app"]]
        config.registry["qapla.app"].stop()
