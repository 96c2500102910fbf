"""qapla.plugins.repositories.made: services of a program's own, lent like those that are declared"""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass
from functools import partial

import pytest

from qapla.application import Application
from qapla.driver import DictFallbackDataSource, DictMemoryDataSource, HashRepository, Service, make_hash_service
from qapla.driver.repositories.background import LOOP
from qapla.errors import PluginError, SettingsError
from qapla.plugins.health.plugin import HealthPlugin
from qapla.plugins.repositories import Declared, Made, RepositoriesPlugin, WithRepositories


@dataclass
class Person:
    id: str
    name: str


class PersonRepository(HashRepository[Person, str]):
    pass


ADA = Person("ada", "Ada")


class CountedMemory(DictMemoryDataSource):
    """A memory that is closed"""

    closed = 0

    async def aclose(self):
        self.closed += 1


@pytest.fixture
def repository():
    return PersonRepository(CountedMemory(), DictFallbackDataSource(), 60)


@pytest.fixture
def start():
    """Give what starts an application with these repositories"""
    LOOP.stop()  # what another test has left running
    started = []

    def start(*declared, settings=None):
        class Shop(Application):
            class MetaConfig:
                settings_module = "lazydb.settings"

            def append_app_plugins(self):
                self.add_app_plugin(HealthPlugin())
                self.add_app_plugin(RepositoriesPlugin(declared))

        started.append(Shop().run_tests(settings))
        return started[-1]

    yield start
    for app in started:
        app.stop()
    assert not LOOP.is_running


async def make(repository, app):
    """Make a service of what the application has; as long as it takes"""
    await asyncio.sleep(0)
    assert app["health"] is not None
    return await make_hash_service(PersonRepository, lambda: repository.memory_data_source, lambda: repository.fallback_data_source, 60)


@pytest.mark.parametrize(
    "spell",
    [
        lambda repository: repository,
        lambda repository: Service(repository),
        lambda repository: Service(repository).sync,
        lambda repository: Made(Service(repository)),
        lambda repository: Made(lambda app: Service(repository), "person"),
        lambda repository: Made(lambda app: repository, "person"),
        lambda repository: Made(partial(make, repository), "person"),
    ],
    ids=["repository", "service", "sync", "made", "function", "function of a repository", "coroutine function"],
)
def test_spellings(start, repository, spell):
    """A service, a repository, and what makes one are lent to all who are lent those that are declared, and closed at the stop."""
    app = start(spell(repository))

    @WithRepositories(app, "person")
    def greet(person):
        return person.get_one("ada").name

    async def greet_awaited():
        async with app.scope() as scope:
            return (await scope["repositories"]["person"].get_one("ada")).name

    app["repositories"]["person"].add(ADA)

    assert (greet(), asyncio.run(greet_awaited())) == ("Ada", "Ada")
    assert app["repositories"].service("person") is app["repositories"].service("person")
    app.stop()
    assert repository.memory_data_source.closed == 1


def test_names(start, repository):
    """A name of one's own stands beside those that are declared."""
    declared = Declared(PersonRepository, memory=lambda app: DictMemoryDataSource(), fallback=lambda app: DictFallbackDataSource())
    app = start(Made(repository, "friend"), declared)

    app["repositories"]["friend"].add(ADA)

    assert list(app["repositories"]) == ["friend", "person"]
    assert not app["repositories"]["person"].exists("ada")


def test_function_is_called_once_per_process(start, repository):
    """Nothing is made before it is used; then once, and anew in a process that was forked."""
    calls = []
    app = start(Made(lambda app: calls.append(os.getpid()) or repository, "person"))
    before = list(calls)
    for _ in range(2):
        app["repositories"]["person"].add(ADA)

    pid = os.fork()
    if pid == 0:
        signal.alarm(10)
        found = app["repositories"]["person"].get_one("ada")
        os._exit(0 if found == ADA and calls[1:] == [os.getpid()] else 1)

    assert os.waitpid(pid, 0)[1] == 0
    assert (before, calls) == ([], [os.getpid()])


def test_settings(start, repository):
    """Whether it is required may be a setting; everything else is the program's."""
    assert start(repository, settings={"repositories:person:required": True})["repositories"]._declared["person"].options.required
    with pytest.raises(SettingsError, match=r"'repositories:person:expire_time'.*makes by itself"):
        start(repository, settings={"repositories:person:expire_time": 7})


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (lambda: RepositoriesPlugin([5]), "5 is no repository"),
        (lambda: RepositoriesPlugin(["person"]), "'person' is no repository"),
        (lambda: RepositoriesPlugin([lambda app: None]), "has no name"),
        (lambda: Made(DictMemoryDataSource()), "is no repository"),
        (lambda: RepositoriesPlugin([Made(lambda app: None, "a"), Made(lambda app: None, "a")]), "two repositories are declared as 'a'"),
    ],
    ids=range(5),
)
def test_what_is_none(declare, said):
    """What is no service, and makes none, is told when it is declared."""
    with pytest.raises(PluginError, match=said):
        declare()


def test_function_that_makes_something_else(start):
    """A function that makes no service is told when it is asked."""
    app = start(Made(lambda app: DictMemoryDataSource(), "person"))

    with pytest.raises(PluginError, match="is no repository of an application"):
        app["repositories"]["person"]
