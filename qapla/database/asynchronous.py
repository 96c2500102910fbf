"""Declared databases for asyncio: an engine per event loop, and sessions to ``await``.

::

    async with app.scope() as scope:
        session = scope["database"]["main"]  # an AsyncSession, since the scope was entered with ``async with``
        rows = await session.scalars(select(Choice))

What is in a session stays readable after a commit (``expire_on_commit`` is off): reading an expired attribute would need an ``await`` that
attribute access cannot have. SQLAlchemy's asyncio and the drivers for it are the extra ``asyncio``.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import NoSuchModuleError

from qapla.database import dialects
from qapla.database.session import Sessions, run
from qapla.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Mapping

    from sqlalchemy import URL, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

    from qapla.database.database import Database

CLOSE_WAIT_S = 5.0


class LoopEngines:
    """One engine per event loop, since a connection belongs to the loop that opened it.

    An engine is closed when its loop ends: it hangs on an asynchronous generator, and ``asyncio.run``, like every runner of loops, closes
    those before the loop itself.
    """

    def __init__(self, open_engine: Callable[[], AsyncEngine]) -> None:
        self._open = open_engine
        self._lock = threading.RLock()
        self._kept: dict[asyncio.AbstractEventLoop, tuple[AsyncEngine, AsyncGenerator[None]]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def get(self) -> AsyncEngine:
        """Return the engine of the running loop.

        Raises:
            ConfigurationError: none is running.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            hint = "use it in a coroutine; elsewhere there is 'engine'"
            raise ConfigurationError("an asyncio engine is used where no event loop runs", hint=hint) from None
        kept = self._kept.get(loop)
        return self._make(loop) if kept is None else kept[0]

    @property
    def opened(self) -> Iterator[Engine]:
        """Yield the engines inside of those that are open."""
        for engine, _ in list(self._kept.values()):
            yield engine.sync_engine

    def _make(self, loop: asyncio.AbstractEventLoop) -> AsyncEngine:
        engine = self._open()
        keeper = self._keep(loop, engine)
        with suppress(StopIteration):
            keeper.__anext__().send(None)  # as far as its yield: the loop knows of it from now on
        with self._lock:
            for closed in [known for known in self._kept if known.is_closed()]:
                del self._kept[closed]
            self._kept[loop] = engine, keeper
        return engine

    async def _keep(self, loop: asyncio.AbstractEventLoop, engine: AsyncEngine) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self._kept.pop(loop, None)
            await engine.dispose()

    async def aclose(self) -> None:
        """Close the engine of the running loop."""
        kept = self._kept.get(asyncio.get_running_loop())
        if kept is not None:
            await kept[1].aclose()

    def dispose(self) -> None:
        """Close every engine, each on its own loop. That of the running loop is closed as soon as the caller lets it."""
        for loop, (_, keeper) in list(self._kept.items()):
            if not loop.is_closed():
                self._close_on(loop, keeper)

    def _close_on(self, loop: asyncio.AbstractEventLoop, keeper: AsyncGenerator[None]) -> None:
        if _is_running_here(loop):
            task = loop.create_task(_close(keeper))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        elif loop.is_running():
            asyncio.run_coroutine_threadsafe(_close(keeper), loop).result(CLOSE_WAIT_S)
        else:
            loop.run_until_complete(_close(keeper))


async def _close(keeper: AsyncGenerator[None]) -> None:
    await keeper.aclose()


def _is_running_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


class AsyncSessions(Sessions):
    """Sessions by database name in a scope of asyncio; like ``Sessions``, but they are awaited. You commit by yourself.

    Args:
        databases: the declared ones, by name.
    """

    _open: dict[str, AsyncSession]  # type: ignore[assignment]

    def __init__(self, databases: Mapping[str, Database]) -> None:
        super().__init__(databases)

    if TYPE_CHECKING:

        def __getitem__(self, name: str) -> AsyncSession: ...  # type: ignore[override]

    def _open_session(self, database: Database) -> Any:
        return database.make_async_session()

    def _listen(self, name: str, session: Any) -> None:
        super()._listen(name, session.sync_session)

    async def close(self, error: BaseException | None = None) -> None:  # type: ignore[override]
        """Close all sessions, last first; what is not committed is rolled back. *error* is what ended the scope, if it failed."""
        due = self._take_due(error)
        failed: BaseException | None = None
        while self._open:
            _, session = self._open.popitem()
            try:
                await session.close()
            except Exception as problem:
                failed = failed or problem
        run(due)
        if failed is not None:
            raise failed


def make_async_session(engine: AsyncEngine, **options: Any) -> AsyncSession:
    """Make a session; what it has loaded stays readable after a commit."""
    from sqlalchemy.ext.asyncio import AsyncSession

    return AsyncSession(engine, **{"expire_on_commit": False, **options})


def find_async_url(url: URL) -> tuple[URL, str | None]:
    """Return *url* with a driver that can await, and the extra of qapla that installs it."""
    known = dialects.ENGINES.get(url.get_backend_name())
    if known is None:
        return url, None
    if "+" in url.drivername and url.drivername != known.drivername and _can_await(url):
        return url, None
    return url.set(drivername=known.async_drivername), known.async_extra


def _can_await(url: URL) -> bool:
    try:
        return bool(url.get_dialect(True).is_async)
    except NoSuchModuleError:
        return False
