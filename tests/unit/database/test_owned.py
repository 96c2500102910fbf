"""Things that each thread and each task has for itself."""

import asyncio
import gc
import os
import threading

import pytest

from qapla.database.owned import Owned


@pytest.fixture
def closed():
    return []


@pytest.fixture
def owned(closed):
    return Owned(object, closed.append)


def run(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def test_thread(owned, closed):
    """A thread has one of its own, closed when it ends; the one of another thread stays."""
    mine = owned.get()

    theirs = run(owned.get)

    assert theirs is not mine
    assert closed == [theirs]
    assert owned.get() is mine


def test_task(owned, closed):
    """A task has one of its own, and so has a task or a thread that it starts."""

    async def child():
        return owned.get()

    async def parent():
        first = owned.get()
        others = await asyncio.gather(child(), child(), asyncio.to_thread(owned.get))
        return [first, *others, owned.get()]

    first, *others, last = asyncio.run(parent())
    gc.collect()

    assert first is last
    assert len({id(each) for each in (first, *others, owned.get())}) == 5
    assert {id(each) for each in closed} == {id(first), *(id(each) for each in others)}


def test_many_threads(owned, closed):
    """A thousand threads leave nothing behind."""
    for _ in range(1000):
        run(owned.get)

    assert len(closed) == 1000


def test_closed_task(owned, closed):
    """A task that is cancelled closes its own, too."""

    async def wait():
        owned.get()
        await asyncio.sleep(60)

    async def cancel():
        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0)
        return len(closed)

    assert asyncio.run(cancel()) == 1


def test_fork(owned, closed):
    """A forked child has one of its own and leaves its parent's alone."""
    mine = owned.get()
    read, write = os.pipe()

    child = os.fork()
    if not child:
        os.write(write, b"own" if owned.get() is not mine and not closed else b"not")
        os._exit(0)

    os.waitpid(child, 0)
    assert os.read(read, 3) == b"own"
    os.close(read)
    os.close(write)
