"""``@WithDatabase(main, "main")``: give a task or a function a session that is closed when it ends."""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from qapla.database.application import DatabaseApplication


class WithDatabase:
    """Pass a session on *database* to the decorated function, as the keyword *argument* (default: the name of the database).

    The session is closed in every ending; what is not committed is rolled back. Works on functions, methods, generators, coroutines
    and asynchronous generators. A caller that passes the keyword itself, as a test does, gets no other session.
    """

    def __init__(self, app: DatabaseApplication, database: str, argument: str | None = None) -> None:
        self._app = app
        self._database = database
        self._argument = argument or database

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return *function* with name and signature kept, less the session."""
        wrapped = wraps(function)(self._wrap(function))
        signature = inspect.signature(function)
        kept = [parameter for parameter in signature.parameters.values() if parameter.name != self._argument]
        wrapped.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        return wrapped

    def _wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isasyncgenfunction(function):
            return self._async_generator(function)
        if inspect.iscoroutinefunction(function):
            return self._coroutine(function)
        if inspect.isgeneratorfunction(function):
            return self._generator(function)
        return self._function(function)

    def _lend(self, scope: Any, keywords: dict[str, Any]) -> dict[str, Any]:
        if self._argument in keywords:
            return keywords
        return {**keywords, self._argument: scope["database"][self._database]}

    def _function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **keywords: Any) -> Any:
            with self._app.scope() as scope:
                return function(*arguments, **self._lend(scope, keywords))

        return run

    def _generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **keywords: Any) -> Iterator[Any]:
            with self._app.scope() as scope:
                return (yield from function(*arguments, **self._lend(scope, keywords)))

        return run

    def _coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def run(*arguments: Any, **keywords: Any) -> Any:
            with self._app.scope() as scope:
                return await function(*arguments, **self._lend(scope, keywords))

        return run

    def _async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def run(*arguments: Any, **keywords: Any) -> AsyncIterator[Any]:
            with self._app.scope() as scope:
                async for item in function(*arguments, **self._lend(scope, keywords)):
                    yield item

        return run
