"""Connections by name: sessions of threads, tasks and forked children, commits, tables."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import threading

import pytest
from sqlalchemy import Column, MetaData, String, create_engine, text
from sqlalchemy.exc import IntegrityError, OperationalError

from qapla.database.engines import open_async_engine
from qapla.database.models import BaseModel
from qapla.database.named import Named
from qapla.database.pool import get_pool, init_pool
from qapla.database.spec import ConnectionSpec
from qapla.errors import ConfigurationError, Conflict, DatabaseError, NotBound, NothingPending, UnknownConnection
from qapla.testing.servers import ENGINE_NAMES, make_database


class Music(BaseModel):
    __abstract__ = True
    metadata = MetaData()


class Tune(Music):
    __tablename__ = "pool_tune"
    name = Column(String(40), unique=True)


def text_of(url):
    return url.render_as_string(hide_password=False).replace(":@", "@")


def sqlite_urls(folder):
    return {name: f"sqlite:///{folder / name}.sqlite" for name in ("DEFAULT", "CATALOG")}


@pytest.fixture
def pool(tmp_path):
    """Two connections to files."""
    with init_pool({"DATABASES": {"SQLITE": sqlite_urls(tmp_path)}}) as pool:
        pool.create_tables(metadata=Music.metadata)
        yield pool


@pytest.fixture(scope="module", params=ENGINE_NAMES)
def databases(request):
    """Two databases of each engine."""
    with make_database(request.param) as default, make_database(request.param) as catalog:
        yield {"DEFAULT": text_of(default), "CATALOG": text_of(catalog)}


@pytest.fixture
def server_pool(databases):
    """Two connections to databases of each engine, their tables empty."""
    with init_pool({"DATABASES": {"ANY": databases}}) as pool:
        pool.create_tables(metadata=Music.metadata)
        for name in pool.connections:
            Tune.objects.filter_by(connection_name=name).delete()
            pool.commit(name)
        yield pool


def names(connection_name="DEFAULT"):
    return [tune.name for tune in Tune.objects.filter_by(connection_name=connection_name)]


def told(caplog):
    """Return what we have warned of; others may have something to say meanwhile."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("qapla.") and record.levelno >= logging.WARNING]


def run_in_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


# -- which databases


def test_before_init():
    """A pool may be asked for before it has connections; using it says how it gets some."""
    pool = get_pool()

    with pytest.raises(NotBound, match=r"the pool has no connections yet .init_pool"):
        pool.commit()
    with pytest.raises(NotBound):
        Tune.objects.count()


def test_unknown_connection(pool):
    """A wrong name is told with the right ones; connections are a mapping."""
    with pytest.raises(UnknownConnection, match=r"called 'CATALGO' .did you mean 'CATALOG'. there are 'DEFAULT', 'CATALOG'"):
        pool.commit(connection_name="CATALGO")

    assert list(pool.connections) == ["DEFAULT", "CATALOG"]
    assert "OTHER" not in pool.connections
    assert pool.connections.get("OTHER") is None


def test_wrong_options(tmp_path):
    """An option that SQLAlchemy does not have is told with its connection."""
    url = sqlite_urls(tmp_path)["DEFAULT"]

    pool = init_pool({"DATABASES": {"A": {"DEFAULT": {"url": url, "options": {"pool_sise": 3}}}}})

    with pytest.raises(ConfigurationError, match=r"options of database 'DEFAULT': .*pool_sise"):
        pool.connections["DEFAULT"].session.connection()
    pool.dispose()


def test_registered(pool, tmp_path, monkeypatch):
    """A registered database is opened by its name, and takes no writes where it is registered for reading."""
    Tune(name="one").add()
    pool.commit()
    spec = ConnectionSpec("sqlite", path=str(tmp_path / "DEFAULT.sqlite"))
    monkeypatch.setattr("qapla.database.poolurls.find_named", lambda name: Named("lazydb", name, spec, is_writable=name == "tunes"))

    init_pool({"DATABASES": {"REGISTERED": {"DEFAULT": "tunes", "READER": "archive"}}})

    Tune(name="two").add()
    pool.commit()
    assert names("READER") == ["one", "two"]
    with pytest.raises(OperationalError, match="readonly"):
        Tune(name="three").add(connection_name="READER")


def test_options(tmp_path):
    """Options are those of ``create_engine``."""
    url = sqlite_urls(tmp_path)["DEFAULT"]

    with init_pool({"DATABASES": {"A": {"DEFAULT": {"url": url, "options": {"pool_size": 3}}}}}) as pool:
        assert pool.connections["DEFAULT"].engine.pool.size() == 3


def test_init_again(pool, tmp_path, caplog):
    """A second ``init_pool`` takes the place of the first; work that was not committed is rolled back, and told."""
    Tune(name="lost").add()

    init_pool({"DATABASES": {"SQLITE": {"DEFAULT": sqlite_urls(tmp_path)["DEFAULT"]}}})

    assert list(pool.connections) == ["DEFAULT"]
    assert names() == []
    assert told(caplog) == ["work on connection 'DEFAULT' was not committed: it is rolled back"]


async def answer(engine):
    async with engine.connect() as connection:
        found = await connection.scalar(text("SELECT 1"))
    await engine.dispose()
    return found


def test_password(mariadb_url):
    """Any character stands in a password, for drivers of threads and of asyncio."""
    with make_database("mariadb") as url:
        password = "p@ss:/%40 50%ü'"
        owner = create_engine(url)
        with owner.begin() as connection:
            quoted = password.replace("'", "''").replace("%", "%%")
            connection.exec_driver_sql(f"CREATE USER `{url.database}`@'%%' IDENTIFIED BY '{quoted}'")
            connection.exec_driver_sql(f"GRANT ALL ON `{url.database}`.* TO `{url.database}`@'%%'")
        try:
            login = url.set(username=url.database, password=password)
            with init_pool({"DATABASES": {"MYSQL": {"DEFAULT": text_of(login)}}}) as pool:
                pool.create_tables(metadata=Music.metadata)
                assert Tune.objects.count() == 0
                assert "p@ss" not in repr(pool.connections["DEFAULT"])
            assert asyncio.run(answer(open_async_engine(login, {}))) == 1
        finally:
            with owner.begin() as connection:
                connection.exec_driver_sql(f"DROP USER `{url.database}`@'%%'")
            owner.dispose()


def test_many_rounds(tmp_path, leaves_nothing):
    """Many rounds of ``init_pool`` leave no file open, no thread and no metadata behind."""
    config = {"DATABASES": {"SQLITE": sqlite_urls(tmp_path)}}

    def work():
        with init_pool(config) as pool:
            pool.create_tables(metadata=Music.metadata)
            Tune(name="one").add()
            pool.commit()
            Tune.objects.get(name="one").delete()
            pool.commit()

    leaves_nothing(work, 30, MetaData)


# -- commit and rollback


def test_commit(server_pool):
    """Nothing is kept before the commit of its connection, and everything after it."""
    Tune(name="one").add()
    Tune(name="two").add(connection_name="CATALOG")
    server_pool.commit()
    server_pool.rollback(connection_name="CATALOG")
    Tune(name="three").add(connection_name="CATALOG")
    server_pool.commit(connection_name="CATALOG")
    Tune(name="four").add()

    server_pool.close()

    assert (names(), names("CATALOG")) == (["one"], ["three"])


@pytest.mark.parametrize(
    "work",
    [
        lambda pool: Tune(name="x").add(),
        lambda pool: pool.session().add(Tune(name="x")),
        lambda pool: Tune.objects.raw_sql("INSERT INTO pool_tune (name) VALUES ('x')"),
        lambda pool: Tune.objects.filter_by().delete(),
    ],
    ids=["added", "not flushed", "SQL", "deleted by query"],
)
def test_wrong_commit(pool, work):
    """The commit of a connection where nothing was done is refused while work waits on another, however it was done."""
    work(pool)

    with pytest.raises(NothingPending, match=r"on connection 'CATALOG', but there is on 'DEFAULT' .commit.connection_name='DEFAULT'"):
        pool.commit(connection_name="CATALOG")

    pool.commit()
    pool.commit(connection_name="CATALOG")


def test_right_commits(pool):
    """A commit where something was done is no mistake, whatever waits elsewhere; nor is one where nothing waits anywhere."""
    Tune(name="one").add()
    Tune(name="two").add(connection_name="CATALOG")

    pool.commit(connection_name="CATALOG")

    pool.commit()
    pool.commit()
    pool.close()
    assert (names(), names("CATALOG")) == (["one"], ["two"])


def test_commit_all(server_pool):
    """``None`` commits every connection, and rolls back every one."""
    Tune(name="one").add()
    Tune(name="two").add(connection_name="CATALOG")
    server_pool.commit(connection_name=None)
    Tune(name="three").add()
    Tune(name="four").add(connection_name="CATALOG")

    server_pool.rollback(connection_name=None)

    assert (names(), names("CATALOG")) == (["one"], ["two"])


def test_commit_all_refused(pool):
    """When one of several cannot be written, none is committed."""
    Tune(name="one").add(connection_name="CATALOG")
    pool.commit(connection_name="CATALOG")
    pool.session().add(Tune(name="two"))
    pool.session("CATALOG").add(Tune(name="one"))

    with pytest.raises(IntegrityError):
        pool.commit(connection_name=None)

    pool.rollback(connection_name=None)
    assert (names(), names("CATALOG")) == ([], ["one"])


def test_commit_all_torn(pool, monkeypatch):
    """When a later one cannot be committed, the error names those that were."""
    Tune(name="one").add()
    Tune(name="two").add(connection_name="CATALOG")

    def fail():
        raise OSError("the line is cut")

    monkeypatch.setattr(pool.session("CATALOG"), "commit", fail)
    with pytest.raises(DatabaseError, match="connection 'CATALOG' could not be committed after 'DEFAULT' had been"):
        pool.commit(connection_name=None)

    assert (names(), names("CATALOG")) == (["one"], [])


# -- threads, tasks, children


def test_threads(server_pool):
    """A thread neither sees nor commits what another has under way."""
    Tune(name="mine").add()
    found = []

    def work():
        Tune.objects.raw_sql("SELECT 1")
        found.append(server_pool.session() is not mine)
        server_pool.commit()
        found.extend(names())
        server_pool.close()

    mine = server_pool.session()
    run_in_thread(work)
    server_pool.rollback()

    assert found == [True]
    assert names() == []


def test_thread_ends(server_pool, caplog):
    """A thread that ends leaves no connection behind; what it has not committed is told."""
    engine = server_pool.connections["DEFAULT"].engine
    server_pool.close()

    for number in range(30):
        run_in_thread(lambda number=number: Tune(name=f"lost {number}").add())

    assert engine.pool.checkedout() == 0
    assert names() == []
    assert set(told(caplog)) == {"work on connection 'DEFAULT' was not committed: it is rolled back"}


def test_quiet_thread(pool, caplog):
    """A thread that has only read, or has committed, ends without a word."""

    def work():
        names()
        Tune(name="kept").add()
        pool.commit()
        names()

    run_in_thread(work)

    assert names() == ["kept"]
    assert told(caplog) == []


def test_tasks(pool):
    """Each asyncio task has sessions of its own, closed when it ends."""
    engine = pool.connections["DEFAULT"].engine

    async def add(name):
        Tune(name=name).add()
        session = pool.session()
        await asyncio.sleep(0)
        pool.commit()
        return session

    async def work():
        return [await asyncio.create_task(add(str(number))) for number in range(20)]

    sessions = asyncio.run(work())
    gc.collect()

    assert len({id(session) for session in sessions}) == 20
    assert engine.pool.checkedout() == 0
    assert len(names()) == 20


def test_rows_of_others(pool):
    """A row of another thread's session is not written here, and the error says so."""
    tune = Tune(name="mine").add()
    pool.commit()
    told = []

    def work():
        for act in (tune.update, tune.add, tune.delete):
            with pytest.raises(Conflict, match="belongs to a session that is not the pool's in this thread or task") as error:
                act()
            told.append(error)

    run_in_thread(work)

    assert len(told) == 3


def test_fork(server_pool):
    """A forked child has connections of its own, and its parent's stay usable."""
    Tune(name="parent").add()
    server_pool.commit()
    pid = text("SELECT pg_backend_pid()") if server_pool.connections["DEFAULT"].engine.name == "postgresql" else text("SELECT 1")
    mine = server_pool.session().execute(pid).scalar()
    server_pool.rollback()
    read, write = os.pipe()

    child = os.fork()
    if not child:
        try:
            Tune(name="child").add()
            server_pool.commit()
            os.write(write, f"{','.join(sorted(names()))} {server_pool.session().execute(pid).scalar() != mine}".encode())
            server_pool.dispose()
        finally:
            os._exit(0)
    os.waitpid(child, 0)

    said = os.read(read, 100).decode().split()
    os.close(read)
    os.close(write)
    assert said[0] == "child,parent"
    assert sorted(names()) == ["child", "parent"]
    assert said[1] == str(server_pool.connections["DEFAULT"].engine.name == "postgresql")


# -- tables


def test_tables(server_pool):
    """Tables are made in every connection unless one is named; making them twice is no error, dropping them neither."""
    names("CATALOG")  # begins a transaction, which must not stand in the way

    server_pool.drop_tables(connection_name="CATALOG", metadata=Music.metadata)
    server_pool.drop_tables(metadata=Music.metadata)
    server_pool.create_tables(connection_name="DEFAULT", metadata=Music.metadata)
    assert names() == []
    server_pool.create_tables(metadata=Music.metadata)

    assert names("CATALOG") == []


def test_tables_at_once(server_pool):
    """Several that begin together make the tables once, and nobody fails."""
    server_pool.drop_tables(metadata=Music.metadata)
    failed = []

    def begin():
        try:
            server_pool.create_tables(metadata=Music.metadata)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    assert names() == []


def test_all_models(pool):
    """Without a name, the tables are those of every model below ``BaseModel``, also of bases with a metadata of their own."""
    pool.drop_tables()
    pool.create_tables()

    assert names() == []


@pytest.mark.parametrize("act", ["create_tables", "drop_tables"])
def test_tables_in_work(pool, act):
    """Tables are not changed while this thread has work on a connection: some engines would commit it."""
    Tune(name="one").add(connection_name="CATALOG")

    with pytest.raises(Conflict, match="connection 'CATALOG' has work that is not committed"):
        getattr(pool, act)(metadata=Music.metadata)
