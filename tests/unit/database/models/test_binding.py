"""qapla.database.models.binding: which databases are open here"""

from __future__ import annotations

import asyncio
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from qapla.database.drivers import Sqlite
from qapla.database.models.binding import bound, innermost, require_bound
from qapla.database.models.bound import Bound
from qapla.errors import NotBound, NotOffered

if TYPE_CHECKING:
    from collections.abc import Callable


def names() -> list[str]:
    return [each.name for each in bound()]


def test_nesting() -> None:
    """Blocks may be inside each other: the outermost database is the first, and a new row goes to the innermost."""
    with Sqlite(":memory:", name="a"), Sqlite(":memory:", name="b") as inner:
        seen = names()
        assert innermost() is inner

    assert seen == ["a", "b"]
    assert names() == []


def test_nothing_bound() -> None:
    """Where no database is open, the error says so and how one is opened."""
    with pytest.raises(NotBound, match=r"no database is bound in this thread or task .*with Sqlite"):
        require_bound()


def test_ends_in_any_order() -> None:
    """A block that ends before one inside it takes its own database away, and no other."""
    outer, inner = Sqlite(":memory:", name="outer"), Sqlite(":memory:", name="inner")
    outer.__enter__()
    inner.__enter__()

    outer.__exit__(None, None, None)
    left = names()
    inner.__exit__(None, None, None)

    assert left == ["inner"]
    assert names() == []


def test_stack() -> None:
    """An ExitStack holds any number of databases; those of one name are told apart by a number."""
    with ExitStack() as stack:
        [stack.enter_context(Sqlite(":memory:", name="poll")) for _ in range(3)]
        seen = names()

    assert seen == ["poll", "poll-2", "poll-3"]
    assert names() == []


def test_error_unbinds() -> None:
    """An exception ends the binding as well, and goes on."""
    with pytest.raises(ZeroDivisionError), Sqlite(":memory:"):
        raise ZeroDivisionError

    assert names() == []


def test_thread_sees_none() -> None:
    """A thread that is started inside of a block sees none of its databases, and has its own."""
    seen: list[Any] = []

    def work() -> None:
        seen.append(names())
        with Sqlite(":memory:", name="own"):
            seen.append(names())
        seen.append(names())

    with Sqlite(":memory:", name="parent"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        seen.append(names())

    assert seen == [[], ["own"], [], ["parent"]]


def test_thread_of_a_copied_context() -> None:
    """Also where the context is copied into the thread, as ``asyncio.to_thread`` does."""

    async def main() -> list[str]:
        with Sqlite(":memory:"):
            return await asyncio.to_thread(names)

    assert asyncio.run(main()) == []


def test_tasks_see_their_own() -> None:
    """A task that is started inside of a block sees none of its databases; tasks side by side see their own, whatever is awaited."""

    async def work(name: str) -> list[list[str]]:
        seen = [names()]
        with Sqlite(":memory:", name=name):
            for _ in range(3):
                await asyncio.sleep(0)
                seen.append(names())
        return [*seen, names()]

    async def main() -> Any:
        with Sqlite(":memory:", name="parent"):
            found = await asyncio.gather(*(work(name) for name in ("a", "b")))
            return [*found, names()]

    assert asyncio.run(main()) == [[[], ["a"], ["a"], ["a"], []], [[], ["b"], ["b"], ["b"], []], ["parent"]]


def test_async_with_is_refused() -> None:
    """``async with`` is refused by name, with the way that works."""

    async def main() -> None:
        async with Sqlite(":memory:"):
            pass

    with pytest.raises(NotOffered, match=r"'async with'.*plain 'with'"):
        asyncio.run(main())


def test_closed_database_is_closed() -> None:
    """After the end of the block its database has no session any more, and the error names it."""
    with Sqlite(":memory:", name="poll") as db:
        pass

    with pytest.raises(NotBound, match="database 'poll' is closed"):
        db.session  # noqa: B018


def test_nothing_stays(leaves_nothing: Callable[..., None]) -> None:
    """Many blocks leave nothing behind: no thread, and none of the databases."""

    def work() -> None:
        with Sqlite(":memory:"):
            pass

    leaves_nothing(work, 200, Bound)
