"""qapla.plugins.repositories: what is declared, and the services that are lent"""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import time
from dataclasses import dataclass

import pytest
from celery import Celery
from pyramid.response import Response
from webtest import TestApp

from qapla.application import Application
from qapla.database.application import DatabaseApplication
from qapla.database.database import Database
from qapla.driver import DictFallbackDataSource, DictMemoryDataSource, HashRepository, Service, StoreUnavailable, sync
from qapla.driver.repositories.background import LOOP
from qapla.errors import ConfigurationError, PluginError, SettingsError
from qapla.plugin import Plugin
from qapla.plugins.health.plugin import HealthPlugin
from qapla.plugins.repositories import Declared, RepositoriesPlugin, WithRepositories


@dataclass
class Person:
    id: str
    name: str


class PersonRepository(HashRepository[Person, str]):
    pass


ADA = Person("ada", "Ada")
STORES: list[DictFallbackDataSource] = []


class FailingMemory(DictMemoryDataSource):
    """A memory that can be away"""

    away = False
    closed = 0

    async def run(self, commands, *, atomic=False):
        if self.away:
            raise StoreUnavailable("it is away")
        return await super().run(commands, atomic=atomic)

    async def aclose(self):
        type(self).closed += 1


class Gauges(Plugin):
    """A MetricsBackend that remembers"""

    key = "metrics"

    def start(self, app):
        self.seen = {}
        return self

    def set(self, name, value, **tags):
        self.seen[name, tags["repository"]] = value


def make_store(app):
    """Return the one store of the test"""
    return STORES[0]


class Shop(Application):
    class MetaConfig:
        settings_module = "lazydb.settings"

    def append_app_plugins(self):
        self.add_app_plugin(Gauges())
        self.add_app_plugin(HealthPlugin())
        declared = Declared(
            PersonRepository,
            memory=lambda app: FailingMemory(),
            fallback=make_store,
            expire_time=60,
            cb_failure_threshold=1,
            cb_recovery_timeout=0.05,
        )
        friend = Declared(PersonRepository, "friend", memory=lambda app: DictMemoryDataSource(), fallback=make_store)
        self.add_app_plugin(RepositoriesPlugin([declared, friend]))

    def append_web_plugins(self):
        self.config.add_route("person", "/person/{id}")
        self.config.add_view(show, route_name="person")


def show(request):
    return Response(request.repositories["person"].get_one(request.matchdict["id"]).name)


main = Shop()


@WithRepositories(main, "person")
def greet(person_id: str, person, greeting: str = "Hello") -> str:
    """Greet somebody."""
    return f"{greeting} {person.get_one(person_id).name}"


@WithRepositories(main, "person", "friend")
async def both(person, friend):
    """Ask two."""
    return (await person.get_one("ada")).name, (await friend.exists("ada"))


@WithRepositories(main, "person", argument="people")
def names(people):
    """Yield names."""
    yield people.get_one("ada").name


@pytest.fixture
def store():
    """Give the store of all applications of a test"""
    LOOP.stop()  # what another test has left running
    STORES[:] = [DictFallbackDataSource()]
    yield STORES[0]
    assert not LOOP.is_running  # whoever stops last ends it


@pytest.fixture
def shop(store):
    app = Shop().run_tests()
    app["repositories"]["person"].add(ADA)
    yield app
    app.stop()


def test_services_wait_and_are_kept(shop):
    """A service is made once, on first use; it is called without await."""
    people = shop["repositories"]

    assert people["person"].get_one("ada") == ADA
    assert people.service("person") is people.service("person")
    assert (list(people), len(people)) == (["person", "friend"], 2)
    with pytest.raises(PluginError, match=r"'persn'.*\n?.*person"):
        people["persn"]


def test_scopes(shop):
    """A scope lends the same; one of asyncio lends what is awaited."""

    async def ask():
        async with shop.scope() as scope:
            return await scope["repositories"]["person"].get_one("ada")

    with shop.scope() as scope:
        assert scope["repositories"]["person"].get_one("ada") == ADA
    assert asyncio.run(ask()) == ADA


def test_views(store):
    """A view has request.repositories."""
    shop = Shop()
    web = TestApp(shop.run_web_tests())
    shop["repositories"]["person"].add(ADA)

    assert web.get("/person/ada").text == "Ada"
    shop.stop()


def test_functions_get_services(shop):
    """The decorator passes the service by name; name, docstring and signature are kept."""
    assert (greet("ada"), greet("ada", "Hi")) == ("Hello Ada", "Hi Ada")
    assert (greet.__name__, greet.__doc__) == ("greet", "Greet somebody.")
    assert str(inspect.signature(greet)) == "(person_id: 'str', greeting: 'str' = 'Hello') -> 'str'"
    assert list(names()) == ["Ada"]


def test_coroutines_get_what_is_awaited(shop):
    """A coroutine gets the service itself; several may be named."""
    assert asyncio.run(both()) == ("Ada", True)


def test_asynchronous_generators_get_what_is_awaited(shop):
    """So does an asynchronous generator."""

    @WithRepositories(main, "person")
    async def read(*ids, person):
        for one in ids:
            yield (await person.get_one(one)).name

    async def collect():
        return [name async for name in read("ada", "ada")]

    assert asyncio.run(collect()) == ["Ada", "Ada"]


def test_methods_get_services(shop):
    """So do methods, class methods and static methods."""

    class Greeter:
        @WithRepositories(main, "person")
        def hello(self, person):
            return person.get_one("ada").name

        @classmethod
        @WithRepositories(main, "person")
        def of_class(cls, person):
            return cls.__name__, person.exists("eve")

        @WithRepositories(main, "person")
        @staticmethod
        def static(person):
            return person.exists("ada")

    assert (Greeter().hello(), Greeter.of_class(), Greeter.static()) == ("Ada", ("Greeter", False), True)


def test_tasks_get_services(shop):
    """A task of Celery, too: its callers do not see the parameter."""
    celery = Celery("tests", set_as_current=False)
    celery.conf.task_always_eager = True
    task = celery.task(greet)

    assert task.delay("ada", greeting="Hi").get() == "Hi Ada"
    with pytest.raises(ConfigurationError, match="below @shared_task"):
        WithRepositories(main, "person")(task)


def test_a_given_service_is_taken():
    """A test passes its own; no application has to run."""
    people = sync(Service(PersonRepository(DictMemoryDataSource(), DictFallbackDataSource())))
    people.add(ADA)

    assert (greet("ada", people), greet("ada", person=people)) == ("Hello Ada", "Hello Ada")
    LOOP.stop()
    with pytest.raises(PluginError):
        greet("ada")


def test_wrong_decorators():
    """What cannot be passed is told when the function is defined."""
    with pytest.raises(ConfigurationError, match=r"no parameter 'person' that takes a repository.*\n?.*WithRepositories"):
        WithRepositories(main, "person")(lambda other: None)
    with pytest.raises(ConfigurationError, match="names no repository"):
        WithRepositories(main)
    with pytest.raises(ConfigurationError, match="several"):
        WithRepositories(main, "a", "b", argument="c")


def test_a_worker_that_forks(shop):
    """Each child has services and a loop of its own; the parent's go on."""
    before = shop["repositories"].service("person")

    pid = os.fork()
    if pid == 0:
        signal.alarm(10)
        fresh = shop["repositories"].service("person") is not before
        os._exit(0 if fresh and shop["repositories"]["person"].get_one("ada") == ADA else 1)

    assert os.waitpid(pid, 0)[1] == 0
    assert greet("ada") == "Hello Ada"


def test_stop_closes(store):
    """What was opened is closed at the stop, in a coroutine, too; what was not used opens nothing."""
    FailingMemory.closed = 0
    unused, used = Shop().run_tests(), Shop().run_tests()
    used["repositories"]["person"].exists("ada")

    async def stop():
        used.stop()

    unused.stop()
    asyncio.run(stop())

    assert FailingMemory.closed == 1


def test_an_outage_is_told(shop):
    """While the memory is away the store answers, the check and the gauge say so, and the check finds out when it is back."""
    memory = shop["repositories"].service("person").repository.memory_data_source.source
    memory.away = True

    assert greet("ada") == "Hello Ada"
    assert shop["health"].run().is_ready  # not required
    assert word_of(shop, "person") != word_of(shop, "friend")
    assert shop["metrics"].seen["repository_breaker_open", "person"] == 1
    memory.away = False
    until = time.monotonic() + 10
    while word_of(shop, "person") != word_of(shop, "friend") and time.monotonic() < until:
        time.sleep(0.01)
    assert shop["metrics"].seen["repository_breaker_open", "person"] == 0


def test_a_memory_can_be_required(store):
    """By a setting the application is ready only while the memory answers."""
    shop = Shop().run_tests({"repositories:person:required": "true", "repositories:person:cb_recovery_timeout": 60})
    assert shop["health"].run().is_ready
    service = shop["repositories"].service("person")
    service.repository.memory_data_source.source.away = True

    assert not shop["repositories"]["person"].exists("ada")
    assert not shop["health"].run().is_ready
    shop.stop()


def word_of(shop, name):
    """Return how a repository is"""
    return next(outcome.word for outcome in shop["health"].run().outcomes if outcome.name == f"repositories:{name}")


def test_settings_win(store):
    """Settings change options, and declare repositories."""
    app = Shop().run_tests({"repositories:person:expire_time": "7", "repositories:person:cache_type": "LRU"})
    service = app["repositories"].service("person")

    assert service.repository.expire_time == 7
    assert service.cache is not None
    app.stop()


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"repositories:person:expire_tme": 7}, "'repositories:person:expire_tme'.*unknown"),
        ({"repositories:person:expire_time": "long"}, "'repositories:person:expire_time'"),
        ({"repositories:person:expire_time": -1}, "expire_time"),
        ({"repositories:person:cache_type": "FIFO"}, "FIFO"),
        ({"repositories:person:cache_invalidation": "perhaps"}, "'repositories:person:cache_invalidation'"),
        ({"repositories:person:cache_invalidation": "true"}, "no cache to be told"),
        ({"repositories:person:cache_invalidation": True, "repositories:person:cache_type": "LRU"}, "'dict' does not tell"),
        ({"repositories:person:cb_failure_threshold": 0}, "at least one failure"),
        ({"repositories:other:expire_time": 7}, "'repositories:other'.*no repository"),
        ({"repositories:other:class": "nowhere.Repository"}, "'repositories:other:class'"),
        ({"repositories:other:class": "builtins.int"}, "no class of repositories"),
        ({"repositories:other:class": f"{__name__}.PersonRepository"}, "needs the plugin 'redis'|'repositories:other:class'"),
    ],
    ids=[
        *("unknown", "no number", "negative", "cache", "no switch", "no cache", "silent", "breaker", "undeclared"),
        *("no module", "no repository", "no redis"),
    ],
)
def test_wrong_settings(store, settings, match):
    """What is wrong is told at the start, by name."""
    with pytest.raises(ConfigurationError, match=match):
        Shop().run_tests(settings)


def test_wrong_declarations():
    """So is what is declared wrongly."""
    for declared, match in (
        ([PersonRepository, PersonRepository], "two repositories are declared as 'person'"),
        (PersonRepository, "no list of repositories"),
        ([int], "no class of repositories"),
        ([HashRepository], "no class of repositories"),
    ):
        with pytest.raises(PluginError, match=match):
            RepositoriesPlugin(declared)
    with pytest.raises(PluginError, match=r"no option 'expires'.*\n?.*expire_time"):
        Declared(PersonRepository, expires=7)
    assert RepositoriesPlugin([Declared(PersonRepository, database="main")]).requires == ("redis", "database")


def test_a_store_is_needed(store):
    """A repository without a database behind it is refused at the start."""

    class Storeless(DatabaseApplication):
        class MetaConfig:
            settings_module = "lazydb.settings"

        def append_app_plugins(self):
            self.add_database_app([Database("main")])
            self.add_app_plugin(RepositoriesPlugin([Declared(PersonRepository, memory=lambda app: DictMemoryDataSource())]))

    with pytest.raises(ConfigurationError, match=r"no database behind its memory"):
        Storeless().run_tests({"db:main:url": "sqlite://"})
    with pytest.raises(SettingsError, match="model"):
        Storeless().run_tests({"db:main:url": "sqlite://", "repositories:person:database": "main", "repositories:person:model": "no.Model"})
