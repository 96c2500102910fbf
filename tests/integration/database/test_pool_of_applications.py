"""Connections by name where nobody has named any: the databases of the application whose scope is open."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Column, MetaData, String, text
from webtest import TestApp

from qapla.database.application import DatabaseApplication
from qapla.database.database import Database
from qapla.database.models import BaseModel
from qapla.database.pool import get_pool, init_pool
from qapla.errors import ConfigurationError, NotBound, NothingPending, UnknownConnection


class Music(BaseModel):
    __abstract__ = True
    metadata = MetaData()


class Hit(Music):
    __tablename__ = "pool_hit"
    name = Column(String(40), unique=True)


def names(connection_name="DEFAULT"):
    return [hit.name for hit in Hit.objects.filter_by(connection_name=connection_name)]


class Songs(DatabaseApplication):
    class MetaConfig:
        settings_module = "lazydb.settings"

    def append_app_plugins(self):
        self.add_database_app([Database("music_catalog"), Database("main")])

    def append_web_plugins(self):
        self.add_database_web()
        self.config.add_route("hits", "/hits")
        self.config.add_view(add_hit, route_name="hits", renderer="string")


def add_hit(request):
    Hit(name=request.params["name"]).add()
    if "keep" in request.params:
        get_pool().commit()
        assert request.main is get_pool().session()
    return " ".join(names())


@pytest.fixture
def settings(tmp_path):
    return {f"db:{name}:url": f"sqlite:///{tmp_path / name}.sqlite" for name in ("main", "music_catalog")}


@pytest.fixture
def app(settings):
    """An application with its tables; at the end no connection is lent out."""
    app = Songs().run_command(settings)
    with app.scope():
        get_pool().create_tables(metadata=Music.metadata)
    yield app
    assert [engine.pool.checkedout() for database in app["database"] for engine in database.opened_engines] == [0, 0]
    app.stop()


def test_scope(app):
    """In a scope the pool is the application's databases with the scope's sessions; ``main`` is DEFAULT, also when it is not the first."""
    with app.scope() as scope:
        Hit(name="one").add()
        Hit(name="two").add(connection_name="MUSIC_CATALOG")

        assert list(get_pool().connections) == ["music_catalog", "DEFAULT"]
        assert scope["database"]["main"] is get_pool().session() is get_pool().session("main")
        with pytest.raises(UnknownConnection, match="there are 'music_catalog', 'DEFAULT'"):
            get_pool().commit(connection_name="SONGS")
        get_pool().commit()
        get_pool().commit(connection_name="music_catalog")

    with app.scope():
        assert (names(), names("MUSIC_CATALOG")) == (["one"], ["two"])


def test_wrong_commit_in_scope(app):
    """The wrong commit is told in an application, too; what was written before the pool was used is not known, and let pass."""
    with app.scope() as scope:
        Hit(name="one").add()
        with pytest.raises(NothingPending, match="'music_catalog', but there is on 'DEFAULT'"):
            get_pool().commit(connection_name="MUSIC_CATALOG")
        get_pool().rollback()

    with app.scope() as scope:
        scope["database"]["music_catalog"].execute(text("INSERT INTO pool_hit (name) VALUES ('x')"))
        Hit(name="one").add()
        get_pool().commit(connection_name="MUSIC_CATALOG")

    with app.scope():
        assert (names(), names("MUSIC_CATALOG")) == ([], ["x"])


def test_transaction(app):
    """In a block that commits by itself the pool has its sessions, and no commit of its own."""
    with app["database"].transaction("main"):
        Hit(name="one").add()
        with pytest.raises(ConfigurationError, match=r"session.commit.. is called where all sessions are committed together"):
            get_pool().commit()

    with app.scope():
        assert names() == ["one"]


def test_own_pool_first(app, tmp_path):
    """Who calls ``init_pool`` gets those connections, in a scope, too."""
    with init_pool({"DATABASES": {"SQLITE": {"DEFAULT": f"sqlite:///{tmp_path / 'own'}.sqlite"}}}) as pool:
        pool.create_tables(metadata=Music.metadata)
        with app.scope():
            Hit(name="one").add()
            pool.commit()

        assert names() == ["one"]
    with app.scope():
        assert names() == []


def test_asynchronous_scope(app):
    """A scope of asyncio has sessions that are awaited: the pool says so; a thread of its own works."""

    def work():
        with app.scope():
            Hit(name="one").add()
            get_pool().commit()
            return names()

    async def main():
        async with app.scope():
            with pytest.raises(NotBound, match="not awaited, and this scope is one of asyncio"):
                get_pool().commit()
        return await asyncio.to_thread(work)

    assert asyncio.run(main()) == ["one"]


def test_request(settings):
    """In a view the pool is the request's, also before anybody has used its sessions; nothing is kept that is not committed."""
    songs = Songs()
    web = TestApp(songs.run_uwsgi(settings))
    with songs.scope():
        get_pool().create_tables(metadata=Music.metadata)

    answers = [web.get(f"/hits?{query}").text for query in ("name=one&keep=1", "name=two", "name=three")]

    assert answers == ["one", "one two", "one three"]
    assert songs["database"]["main"].engine.pool.checkedout() == 0
    songs.stop()
