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
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import NoSuchModuleError

from qapla.database import dialects
from qapla.database.session import Sessions, run
from qapla.errors import ConfigurationError
from qapla.loops import PerLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import URL
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

    from qapla.database.database import Database


class LoopEngines(PerLoop["AsyncEngine"]):
    """One engine per event loop."""

    def __init__(self, open_engine: Callable[[], AsyncEngine]) -> None:
        super().__init__(open_engine, lambda engine: engine.dispose())

    def get(self) -> AsyncEngine:
        """Return the engine of the running loop.

        Raises:
            ConfigurationError: none is running.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            hint = "use it in a coroutine; elsewhere there is 'engine'"
            raise ConfigurationError("an asyncio engine is used where no event loop runs", hint=hint) from None
        return super().get()


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
