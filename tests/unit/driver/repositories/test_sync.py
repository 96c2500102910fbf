"""qapla.driver.repositories.sync: for who cannot await"""

from __future__ import annotations

import asyncio
import inspect
import os
import selectors
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from qapla.driver import (
    DictFallbackDataSource,
    DictMemoryDataSource,
    EntityNotFound,
    HashRepository,
    Service,
    StoreTimedOut,
    StoreUnavailable,
    make_hash_service,
    sync,
)
from qapla.driver.repositories.background import LOOP, Selector
from qapla.errors import ConfigurationError
from qapla.ports import current_request


@dataclass
class Person:
    id: str
    name: str


class PersonRepository(HashRepository[Person, str]):
    async def rename(self, key: str, name: str) -> str:
        """Give somebody another name."""
        await self.add(Person(key, name))
        return current_request.get()


class SilentFallback(DictFallbackDataSource):
    """A store that never answers"""

    def __init__(self):
        super().__init__()
        self.asked = threading.Event()
        self.cancelled = threading.Event()

    async def get_many(self, keys):
        self.asked.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


ADA = Person("ada", "Ada")


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
    service = Service(PersonRepository(DictMemoryDataSource(), DictFallbackDataSource())).sync
    service.add(ADA)

    assert service.get_one("ada") == ADA
    assert service.breaker.state == "closed"


def test_any_thread_may_call(people):
    """Threads share one loop."""

    class Looking(PersonRepository):
        async def loop(self):
            return asyncio.get_running_loop()

    looking = Looking.sync(DictMemoryDataSource(), DictFallbackDataSource())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: people.add(Person(str(number), "x")), range(50)))
        loops = set(pool.map(lambda _: looking.loop(), range(50)))

    assert len(people.query(many=range(50)).entities) == 50
    assert len(loops) == 1


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


def test_services_are_made_without_await():
    """What makes a service is a coroutine function, and can be called like a function, too."""
    service = sync(make_hash_service)(PersonRepository, DictMemoryDataSource, DictFallbackDataSource, 60)
    service.add(ADA)

    assert (service.get_one("ada"), service.repository.query("ada").entity, service.exists("eve")) == (ADA, ADA, False)


def test_own_methods(people):
    """Coroutine methods of a class of one's own wait, too; names, signatures and docstrings are kept."""
    assert people.rename("ada", "Lovelace") == ""
    assert people.query("ada").entity.name == "Lovelace"
    assert people.rename.__doc__ == "Give somebody another name."
    assert list(inspect.signature(people.rename).parameters) == ["key", "name"]
    assert {"rename", "query", "add"} <= set(dir(people))


def test_only_repositories_are_wrapped():
    """Anything else is refused by name."""
    with pytest.raises(ConfigurationError, match="'people' is no repository"):
        sync("people")


def test_the_request_goes_along(people):
    """Context variables of the caller are those of the call: the log knows the request."""
    token = current_request.set("r-7")

    assert people.rename("ada", "Ada") == "r-7"
    current_request.reset(token)


def test_deadlines_hold():
    """The deadline of a repository is that of its synchronous side; it is no "not found"."""
    people = PersonRepository.sync(DictMemoryDataSource(), SilentFallback(), 60, deadline_s=0.05)

    with pytest.raises(StoreTimedOut) as caught:
        people.query("ada").entity  # noqa: B018
    assert caught.value.key == "person:ada"


def test_an_interrupted_call_is_cancelled():
    """Ctrl-C ends the wait and cancels the coroutine."""
    begun, cancelled = threading.Event(), threading.Event()

    class Slow(PersonRepository):
        async def wait(self):
            begun.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.set()
                raise

    def interrupt():
        begun.wait(5)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background commands ignore it
    try:
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            Slow.sync(DictMemoryDataSource(), DictFallbackDataSource()).wait()
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)

    assert cancelled.wait(5)


def test_stop_gives_up_what_is_under_way():
    """Who waits when the loop is stopped gets an error; the next call finds a new loop."""
    store = SilentFallback()
    people = PersonRepository.sync(DictMemoryDataSource(), store, 60)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: people.query("bob").entity)
        assert store.asked.wait(5)
        LOOP.stop()

        with pytest.raises(StoreUnavailable, match="closed"):
            waiting.result(5)
    assert store.cancelled.is_set()
    people.add(ADA)
    assert people.query("ada").entity == ADA


def test_its_own_loop_is_refused(people):
    """On the loop itself a call would wait for itself for ever: that is told."""

    class Careless(PersonRepository):
        async def both(self):
            return people.query("ada").entity

    with pytest.raises(ConfigurationError, match="its own event loop"):
        Careless.sync(DictMemoryDataSource(), DictFallbackDataSource()).both()


def test_notebooks_may_call(people, monkeypatch):
    """A cell of a notebook runs in an event loop, and calls all the same."""
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))

    async def cell():
        people.add(ADA)
        return people.query("ada").entity

    assert asyncio.run(cell()) == ADA


def test_forks_under_load(people):
    """A fork while other threads are busy leaves no lock held: every child answers."""
    people.add(ADA)
    busy = True

    def work():
        while busy:
            people.query("ada").entity  # noqa: B018

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(work) for _ in range(2)]
        children = []
        for _ in range(10):
            pid = os.fork()
            if pid == 0:
                signal.alarm(10)
                os._exit(0 if people.query("ada").entity == ADA else 1)
            children.append(pid)
        codes = [os.waitpid(pid, 0)[1] for pid in children]
        busy = False
        assert [one.result() for one in running] == [None, None]

    assert codes == [0] * 10


def test_a_child_does_not_end_the_watch_of_its_parent():
    """What a child closes, the parent's loop still hears of: the kernel would otherwise forget it for both."""
    near, far = socket.socketpair()
    watch = Selector()
    watch.register(near, selectors.EVENT_READ)

    pid = os.fork()
    if pid == 0:
        watch.modify(near, selectors.EVENT_WRITE)
        watch.unregister(near)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    far.send(b"1")

    assert [key.fileobj for key, _ in watch.select(2)] == [near]
    watch.unregister(near)
    for one in (watch, near, far):
        one.close()
