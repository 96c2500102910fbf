"""One unit of work: a request, a task, a command or a test.

A scope asks a plugin for its value only when somebody wants it, and closes what was opened in reverse order, in every ending.
``request.main``, ``@WithDatabase(main, "main")``, the fixture ``dbsession`` and ``with app.scope() as scope`` are four spellings of it.

``find_current()`` returns the innermost open scope of this thread or asyncio task: one of a ``with`` statement, or that of the request
which is being answered, once somebody has used it.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from qapla.application import Application

innermost: ContextVar[Scope | None] = ContextVar("qapla.scope", default=None)


def find_current() -> Scope | None:
    """Return the innermost open scope of this thread or task, or None."""
    scope = innermost.get()
    while scope is not None and scope.closed:  # perhaps by another thread, which cannot take it away here
        scope = scope.outer
    return scope


@contextmanager
def current(scope: Scope | None) -> Iterator[None]:
    """Make *scope* the current one for a while; None: there is none.

    A generator needs this around each of its steps: between them, the scope in its ``with`` statement would be its caller's.
    """
    before = innermost.get()
    innermost.set(scope)
    try:
        yield
    finally:
        innermost.set(before)


class Scope:
    """Values of plugins that live as long as one unit of work. Used by one thread, or by one asyncio task.

    Entered with ``async with``, it is a scope of asyncio: plugins may offer it other values than to a scope of threads (sessions that are
    awaited), and closing them is awaited, to the end, also when the task is cancelled.

    Args:
        app: the application whose plugins are asked.
        request: the request that this scope belongs to, if it is one.

    Attributes:
        outer: the scope in which this one was entered, if there was one.
        is_asynchronous: it was entered with ``async with``.
    """

    def __init__(self, app: Application, request: Any = None) -> None:
        self.app = app
        self.request = request
        self.closed = False
        self.outer: Scope | None = None
        self.is_asynchronous = False
        self._entered = False
        self._values: dict[str, Any] = {}
        self._closers: list[Callable[[BaseException | None], Any]] = []

    def __getitem__(self, key: str) -> Any:
        """Return what the plugin called *key* offers to this scope; it is opened by the first who asks."""
        try:
            return self._values[key]
        except KeyError:
            return self._open(key)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def _open(self, key: str) -> Any:
        if self.closed:
            raise RuntimeError(f"the scope is closed: {key!r} cannot be opened any more")
        plugin = self.app.get_plugin(key)
        value = self._values[key] = plugin.enter(self)
        self._closers.append(lambda error: plugin.exit(self, value, error))
        return value

    def on_close(self, closer: Callable[[BaseException | None], Any]) -> None:
        """Call *closer* when the scope ends, with the error that ended it or None; the last one added is called first.

        In a scope of asyncio it may return something to be awaited.
        """
        self._closers.append(closer)

    def enter(self) -> Self:
        """Make this the current scope until it is closed."""
        if not self._entered:  # only once: entered again further in, it would become its own outer scope
            self._entered, self.outer = True, find_current()
        innermost.set(self)
        return self

    def leave(self) -> None:
        """Make the scope in which this one was entered the current one again; this one stays open."""
        if innermost.get() is self:
            innermost.set(self.outer)

    def close(self, error: BaseException | None = None) -> None:
        """Close what was opened, last first. Closing twice does nothing.

        All closers run, whatever one of them raises; the first of their errors is raised afterwards.
        """
        if self.is_asynchronous and not self.closed:
            raise RuntimeError("a scope that was entered with 'async with' is closed with 'await scope.aclose()'")
        self.closed = True
        failed: BaseException | None = None
        while self._closers:
            try:
                self._closers.pop()(error)
            except BaseException as problem:
                failed = failed or problem
        self._let_go()
        self.leave()
        if failed is not None:
            raise failed

    def _let_go(self) -> None:
        self._values.clear()
        self.request = None  # it knows this scope: two that know each other would wait for the garbage collector

    async def aclose(self, error: BaseException | None = None) -> None:
        """Close what was opened in a coroutine; like ``close``."""
        import asyncio  # programs without asyncio need not wait for its import

        closing = asyncio.ensure_future(self._close_awaiting(error))
        cancelled: BaseException | None = None
        while not closing.done():
            try:
                await asyncio.shield(closing)
            except asyncio.CancelledError as problem:
                cancelled = problem
            except BaseException:  # noqa: S110 - raised below
                pass
        self.leave()
        failed = None if closing.cancelled() else closing.exception()
        if cancelled is not None or failed is not None:
            raise cancelled or failed  # type: ignore[misc]

    async def _close_awaiting(self, error: BaseException | None) -> None:
        self.closed = True
        failed: BaseException | None = None
        while self._closers:
            try:
                result = self._closers.pop()(error)
                if hasattr(result, "__await__"):
                    await result
            except BaseException as problem:
                failed = failed or problem
        self._let_go()
        if failed is not None:
            raise failed

    async def __aenter__(self) -> Self:
        self.is_asynchronous = True
        return self.enter()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose(error)

    def __enter__(self) -> Self:
        return self.enter()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close(error)
