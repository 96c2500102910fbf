"""qapla.driver.repositories.sync: for who cannot await"""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from qapla.driver import DictFallbackDataSource, DictMemoryDataSource, EntityNotFound, HashRepository, Service, sync
from qapla.driver.repositories.sync import LOOP
from qapla.errors import ConfigurationError


@dataclass
class Person:
    id: str
    name: str


class PersonRepository(HashRepository[Person, str]):
    pass


ADA = Person("ada", "Ada")


@pytest.fixture(autouse=True)
def stopped():
    """Leave no loop behind"""
    yield
    LOOP.stop()


@pytest.fixture
def people():
    return PersonRepository.sync(DictMemoryDataSource(), DictFallbackDataSource(), 60)


def test_calls_wait(people):
    """A repository answers without await, whatever is asked."""
    people.add(ADA, Person("bob", "Bob"))

    assert people.query("ada").entity == ADA
    assert [one.id for one in people.query(many=["bob", "ada"]).entities] == ["bob", "ada"]
    people.delete(people.query("bob"))
    assert (people.query("bob").exists, people.name, people.query("ada").delete) == (False, "person", None)
    with pytest.raises(EntityNotFound):
        people.query("ada").entity  # noqa: B018


def test_services_wait():
    """So does a service."""
    service = sync(Service(PersonRepository(DictMemoryDataSource(), DictFallbackDataSource())))
    service.add(ADA)

    assert service.get_one("ada") == ADA
    assert service.breaker.state == "closed"


def test_any_thread_may_call(people):
    """Threads share one loop."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: people.add(Person(str(number), "x")), range(50)))

    assert len(people.query(many=range(50)).entities) == 50
    assert sum(thread.name == "qapla-repositories" for thread in threading.enumerate()) == 1


def test_coroutines_are_refused(people):
    """In a coroutine it would hold up the loop: that is told."""

    async def use():
        people.add(ADA)

    with pytest.raises(ConfigurationError, match="coroutine"):
        asyncio.run(use())


def test_a_fork_has_a_loop_of_its_own(people):
    """After a fork the child makes its own loop and answers; the parent's goes on."""
    people.add(ADA)
    read, write = os.pipe()

    pid = os.fork()
    if pid == 0:
        os.write(write, b"1" if people.query("ada").entity == ADA else b"0")
        os._exit(0)
    os.waitpid(pid, 0)

    assert os.read(read, 1) == b"1"
    assert people.query("ada").entity == ADA
    os.close(read)
    os.close(write)
