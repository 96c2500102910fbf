"""qapla.database.replicas, routing: reads from a real replica of PostgreSQL"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import Counter
from types import SimpleNamespace

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, event, func, insert, select, text, union, update
from sqlalchemy.exc import InternalError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from qapla.database import replicas as replicas_module
from qapla.database.application import DatabaseApplication
from qapla.database.database import Database
from qapla.errors import SettingsError
from qapla.testing import processes


class Model(DeclarativeBase):
    """Our models."""


class Choice(Model):
    """What can be chosen."""

    __tablename__ = "choice"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("choice.id"))
    children: Mapped[list[Choice]] = relationship()


choice = Choice.__table__


class Words(DatabaseApplication):
    """One database."""

    class MetaConfig:
        settings_module = "lazydb.settings"

    def append_app_plugins(self):
        """Declare it."""
        self.add_database_app([Database("main")])


@pytest.fixture(scope="module")
def folder():
    """Give the folder of two servers: a primary and what follows it."""
    with processes.server_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def urls(folder):
    """Give the URLs of the primary, which writes at once what it commits, and of its replica."""
    primary = processes.start_postgresql(folder / "primary", os.getpid(), settings={"synchronous_commit": "local"})
    replica = processes.start_replica(folder / "replica", os.getpid(), primary)
    return primary, replica


@pytest.fixture
def make_app(urls):
    """Give a function that starts an application with replicas, by default the one there is."""
    started = []

    def make(*replicas, **settings):
        replicas = list(replicas) or [urls[1]]
        app = Words().run_command({"db:main:url": urls[0], "db:main:replicas": replicas, **settings})
        started.append(app)
        return app

    yield make
    for app in started:
        app.stop()


@pytest.fixture
def database(make_app):
    """Give the database, with two rows that the replica has, too; it counts statements per server in ``asked``."""
    database = make_app()["database"]["main"]
    Model.metadata.create_all(database.engine)
    with database.transaction() as session:
        session.execute(text("TRUNCATE choice"))
        session.add_all([Choice(id=1, name="one"), Choice(id=2, name="two", parent_id=1)])
    wait_for_replica(database)
    count(database)
    return database


def count(database):
    """Count the statements of *database* from now on: how many the primary has, and the replica."""
    database.asked = Counter()
    servers = {"primary": database.engine} | {f"replica {n}": one.engines.engine for n, one in enumerate(database._replicas)}
    for name, engine in servers.items():
        event.listen(engine, "before_cursor_execute", lambda *arguments, name=name: database.asked.update([name]))


def wait_for_replica(database):
    """Wait until the replica has everything."""
    position = "SELECT pg_current_wal_flush_lsn()"
    with database.engine.connect() as connection:
        goal = connection.exec_driver_sql(position).scalar()
    for replica in database._replicas:
        with replica.engines.engine.connect() as connection:
            deadline = time.monotonic() + 10
            while not connection.exec_driver_sql(f"SELECT pg_last_wal_replay_lsn() >= '{goal}'").scalar():
                assert time.monotonic() < deadline
                time.sleep(0.01)


class TestRouting:
    """Which statement goes where"""

    READS = {
        "core": select(choice),
        "orm": select(Choice),
        "count": select(func.count()).select_from(Choice),
        "union": union(select(choice.c.id), select(choice.c.parent_id)),
        "subquery": select(select(choice).subquery()),
        "text": text("  SELECT id FROM choice WHERE name = 'one'"),
        "from_statement": select(Choice).from_statement(text("SELECT * FROM choice")),
    }
    WRITES = {
        "insert": insert(choice).values(id=7, name="seven"),
        "orm update": update(Choice).where(Choice.id == 1).values(name="uno"),
        "for update": select(Choice).with_for_update(),
        "for update inside": select(select(choice).with_for_update().subquery()),
        "cte": select(insert(choice).values(id=8, name="eight").returning(choice.c.id).cte()),
        "text": text("UPDATE choice SET name = 'x'"),
        "text with": text("WITH x AS (SELECT 1) SELECT * FROM x"),
        "text for update": text("SELECT * FROM choice FOR UPDATE"),
        "lock": select(func.pg_try_advisory_xact_lock(1)),
        "session's own": select(func.pg_backend_pid()),
        "text inside": select(Choice).where(text("nextval('choice_id_seq') > 0")),
    }

    @pytest.mark.parametrize("kind", READS)
    def test_reads_go_to_the_replica(self, database, kind):
        """Plain reads, of Core, ORM and text."""
        with database.session() as session:
            session.execute(self.READS[kind]).all()

        assert database.asked == {"replica 0": 1}

    @pytest.mark.parametrize("kind", WRITES)
    def test_everything_else_and_what_comes_after_goes_to_the_primary(self, database, kind):
        """Also after the commit."""
        with database.session() as session:
            session.execute(self.WRITES[kind])
            session.execute(select(choice))
            session.commit()
            session.execute(select(choice))

        assert set(database.asked) == {"primary"}
        assert database.asked["primary"] >= 3

    def test_orm_reads_then_writes(self, database):
        """Loading, lazy loading and refreshing read; from the flush on it is the primary."""
        with database.session() as session:
            first = session.get(Choice, 1)
            assert [child.name for child in first.children] == ["two"]
            session.refresh(first)
            before = dict(database.asked)
            first.name = "uno"
            names = session.scalars(select(Choice.name).order_by(Choice.id)).all()
            session.commit()
            after = first.name

        assert before == {"replica 0": 3}
        assert (names, after) == (["uno", "two"], "uno")
        assert database.asked["replica 0"] == 3

    def test_a_pending_change_is_seen_by_the_query_that_flushes_it(self, database):
        """Autoflush comes first, so the same query goes to the primary."""
        with database.session() as session:
            session.add(Choice(id=3, name="three"))

            assert session.scalar(select(func.count()).select_from(Choice)) == 3
        assert set(database.asked) == {"primary"}

    def test_insisting_for_one_read(self, database):
        """``qapla_primary`` is for one statement, wherever it is said; ``use_primary`` is for all that follow."""
        with database.session() as session:
            session.execute(select(choice).execution_options(qapla_primary=True))
            session.execute(select(choice), execution_options={"qapla_primary": True})
            session.scalars(select(Choice))
            session.use_primary()
            session.scalars(select(Choice)).all()

        assert database.asked == {"primary": 3, "replica 0": 1}

    def test_asking_for_the_engine_changes_nothing(self, database):
        """A connection of one's own is to the primary, and so is all that follows; its engine's dialect is anybody's to know."""
        with database.session() as session:
            assert session.get_bind() is database.engine
            session.execute(select(choice))
            session.connection().execute(select(choice))
            session.execute(select(choice))

        assert database.asked == {"replica 0": 1, "primary": 2}

    def test_one_snapshot_per_transaction(self, make_app, urls):
        """A session stays with one replica until its transaction ends; the next transaction asks the next."""
        database = make_app(urls[1], {"url": urls[1], "options": {"pool_size": 1}})["database"]["main"]
        count(database)

        with database.session() as session:
            for _ in range(4):
                session.execute(text("SELECT 1"))
                session.execute(text("SELECT 1"))
                session.rollback()

        assert database.asked == {"replica 0": 4, "replica 1": 4}

    def test_hidden_write_fails(self, make_app, urls):
        """A function that writes is refused by the database, not done on a copy; here the replica could write."""
        database = make_app(urls[0])["database"]["main"]
        with database.engine.begin() as connection:
            connection.exec_driver_sql("CREATE OR REPLACE FUNCTION hidden() RETURNS int LANGUAGE sql AS 'CREATE TABLE sly (); SELECT 1'")

        with database.session() as session, pytest.raises(InternalError, match="read-only transaction"):
            session.execute(select(func.hidden()))

    def test_connections_go_back(self, database):
        """At the end of the session, of a transaction, and after an error."""
        pools = [database.engine.pool, next(iter(database._replicas)).engines.engine.pool]

        with database.session() as session:
            session.execute(text("SELECT 1"))
            during = [pool.checkedout() for pool in pools]
            session.commit()
            after = [pool.checkedout() for pool in pools]
            with pytest.raises(Exception, match="does not exist"):
                session.execute(text("SELECT nothing"))

        assert (during, after, [pool.checkedout() for pool in pools]) == ([0, 1], [0, 0], [0, 0])

    def test_not_in_a_commit_of_two_phases(self, database):
        """Only the primary prepares."""
        with database.make_session(twophase=True) as session:
            session.execute(select(choice)).all()
            session.execute(insert(choice).values(id=9, name="nine"))
            before = session.get_transaction().connections
            session.prepare()
            session.commit()

        assert [connection.engine for connection in before] == [database.engine]
        assert database.asked == {"primary": 1, "replica 0": 1}

    def test_not_in_a_transaction_of_several_databases(self, urls):
        """Reads of a block that commits together are from replicas until it writes, and those connections have no branch of the commit."""

        class Two(Words):
            def append_app_plugins(self):
                self.add_database_app([Database("main"), Database("music")])

        settings = {f"db:{name}:{key}": value for name in ("main", "music") for key, value in (("url", urls[0]), ("replicas", [urls[1]]))}
        app = Two().run_command(settings)
        with app["database"]["main"].transaction() as session:
            session.execute(text("CREATE TABLE IF NOT EXISTS part (name TEXT)"))
        wait_for_replica(app["database"]["main"])

        with app["database"].transaction("main", "music") as sessions:
            in_recovery = [sessions[name].scalar(text("SELECT pg_is_in_recovery()")) for name in ("main", "music")]
            for name in ("main", "music"):
                sessions[name].execute(text("INSERT INTO part VALUES ('x')"))

        with app["database"]["main"].session() as session:
            session.use_primary()
            assert session.scalar(text("SELECT count(*) FROM part")) == 2
            assert session.scalar(text("SELECT count(*) FROM pg_prepared_xacts")) == 0
        assert in_recovery == [True, True]
        assert [engine.pool.checkedout() for database in app["database"] for engine in database.opened_engines] == [0] * 4
        app.stop()

    def test_savepoint(self, database):
        """Reads inside of a savepoint are reads."""
        with database.session() as session:
            with session.begin_nested():
                session.execute(select(choice)).all()
            with session.begin_nested():
                session.execute(insert(choice).values(id=10, name="ten"))
            session.commit()
            assert session.scalar(select(choice.c.name).where(choice.c.id == 10)) == "ten"

        assert database.asked["replica 0"] == 1

    def test_declared_database_without_replicas_is_as_before(self, urls):
        """Its sessions are SQLAlchemy's own."""
        from sqlalchemy.orm import Session

        app = Words().run_command({"db:main:url": urls[0]})

        assert type(app["database"]["main"].make_session()) is Session
        app.stop()


class TestAsyncio:
    """The same in coroutines"""

    def test_reads_and_writes(self, database):
        """Each goes where it belongs."""

        async def work():
            async with database.async_session() as session:
                for replica in database._replicas:
                    for name, engine in ("replica", replica.engines.async_engine), ("primary", database.async_engine):
                        event.listen(engine.sync_engine, "before_cursor_execute", lambda *_, name=name: asked.update([name]))
                await session.scalars(select(Choice))
                await session.execute(insert(choice).values(id=3, name="three"))
                await session.commit()
                return await session.scalar(select(func.count()).select_from(Choice))

        asked = Counter()

        assert asyncio.run(work()) == 3
        assert asked == {"replica": 1, "primary": 2}


class TestFaults:
    """Replicas that do not answer"""

    @pytest.fixture(autouse=True)
    def _soon(self, monkeypatch):
        monkeypatch.setattr(replicas_module, "PASSED_OVER_S", 0.5)

    def test_killed_replica_is_passed_over_and_comes_back(self, database, folder, caplog):
        """Reads go on, on the primary; the log says it once; soon after its return the replica is asked again."""
        caplog.set_level(logging.INFO, "qapla.database")

        def read():
            database.asked.clear()
            with database.session() as session:
                assert session.scalar(select(func.count()).select_from(Choice)) == 2
            return set(database.asked)

        assert read() == {"replica 0"}
        processes.kill(folder / "replica")
        meanwhile = [read() for _ in range(20)]
        processes.start_again(folder / "replica")
        deadline = time.monotonic() + 30
        while read() != {"replica 0"}:
            assert time.monotonic() < deadline

        assert meanwhile == [{"primary"}] * 20
        said = [record.message for record in caplog.records if record.name == "qapla.database.replicas"]
        assert len(said) == 2
        assert "is passed over: " in said[0]
        assert said[1].endswith("answers again")

    def test_killed_in_the_middle_of_a_transaction(self, database, folder):
        """That session has its error; the next ones read on without waiting."""
        with database.session() as session:
            session.execute(select(choice))
            processes.kill(folder / "replica")
            with pytest.raises(OperationalError):
                session.execute(select(choice))
            session.rollback()
            assert session.scalar(select(func.count()).select_from(Choice)) == 2
        processes.start_again(folder / "replica")

    def test_next_replica_is_asked(self, make_app, urls, caplog):
        """One that never answered keeps nobody: another does."""
        nowhere = f"postgresql://u:geheim@127.0.0.1:{processes.free_port()}/x"
        database = make_app(nowhere, urls[1])["database"]["main"]

        for _ in range(4):
            with database.session() as session:
                assert session.scalar(text("SELECT pg_is_in_recovery()")) is True

        assert "geheim" not in caplog.text
        assert caplog.text.count("is passed over") == 1

    def test_of_many_one_asks_again(self, make_app, monkeypatch):
        """While a replica is passed over, nobody waits for it; then one asks whether it is back."""
        database = make_app(f"postgresql://u@127.0.0.1:{processes.free_port()}/x")["database"]["main"]
        (replica,) = database._replicas
        now = [1000.0]
        monkeypatch.setattr(replicas_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
        with database.session() as session:
            session.execute(text("SELECT 1"))

        at_once = [replica.may_be_asked() for _ in range(3)]
        now[0] += 0.6
        later = [replica.may_be_asked() for _ in range(3)]

        assert (replica.is_passed_over, at_once, later) == (True, [False] * 3, [True, False, False])


class TestSettings:
    """db:<name>:replicas"""

    @pytest.mark.parametrize(
        ("replicas", "problem"),
        [
            (["no url"], "a database URL"),
            ([{"options": {}}], "a list of database URLs"),
            ([{"url": "postgresql://h/x", "weight": 2}], "a list of database URLs"),
            (5, "a list of database URLs"),
            (["mariadb://h/x"], "replicas on the engine of the primary, 'postgresql', and one is on another"),
        ],
    )
    def test_wrong(self, replicas, problem):
        """It is told at the start, with the key."""
        with pytest.raises(SettingsError, match=rf"setting 'db:main:replicas' in .* is wrong .*{problem}"):
            Words().run_command({"db:main:url": "postgresql://h/x", "db:main:replicas": replicas})

    def test_engine_without_replicas(self):
        """What is not offered is refused."""
        with pytest.raises(SettingsError, match="replicas on 'oracle' are not offered"):
            Words().run_command({"db:main:url": "oracle://h/x", "db:main:replicas": ["oracle://i/x"]})

    def test_text(self):
        """The environment has them in one text."""
        app = Words().run_command({"db:main:url": "sqlite://", "db:main:replicas": "sqlite:///a sqlite:///b"})

        assert len(app["database"]["main"]._replicas) == 2
        app.stop()

    def test_options(self):
        """Those of the primary, and the replica's own; a wrong one is told with the key."""
        replica = {"url": "postgresql://h/y", "options": {"pool_sise": 3}}
        app = Words().run_command({"db:main:url": "postgresql://h/x", "db:main:options": {"pool_size": "2"}, "db:main:replicas": [replica]})
        (made,) = app["database"]["main"]._replicas

        with pytest.raises(SettingsError, match=r"setting 'db:main:replicas' .*'pool_sise'"):
            _ = made.engines.engine
        del replica["options"]["pool_sise"]
        assert made.engines.engine.pool.size() == 2
        app.stop()


@pytest.mark.parametrize("engine_name", ["sqlite", "mariadb"])
def test_replicas_of_other_engines_take_no_writes(fresh_database, make_app):
    """A connection to a replica reads only, on every engine that offers replicas."""
    url = fresh_database.render_as_string(hide_password=False)
    app = Words().run_command({"db:main:url": url, "db:main:replicas": [url]})
    thing = Table("thing", MetaData(), Column("id", Integer, primary_key=True), Column("name", String(20)))
    thing.metadata.create_all(app["database"]["main"].engine)
    (replica,) = app["database"]["main"]._replicas

    with replica.engines.engine.connect() as connection:
        assert connection.execute(select(thing)).all() == []
        with pytest.raises(OperationalError, match=r"(?i)read.?only"):
            connection.execute(insert(thing).values(id=1))
    with app["database"]["main"].session() as session:
        session.execute(insert(thing).values(id=1))
        session.commit()
        assert session.scalar(select(func.count()).select_from(thing)) == 1

    async def awaiting():
        async with replica.engines.async_engine.connect() as connection:
            assert (await connection.execute(select(thing.c.id))).all() == [(1,)]
            with pytest.raises(OperationalError, match=r"(?i)read.?only"):
                await connection.execute(insert(thing).values(id=2))

    asyncio.run(awaiting())
    app.stop()
