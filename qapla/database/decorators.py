"""``@WithDatabase(main, "main")``: give a task or a function a session that is closed when it ends.

::

    @WithDatabase(main, "main")
    def recount(main, choice_id): ...

    recount(7)  # the session is passed by the decorator

    @shared_task  # a Celery task: WithDatabase comes below
    @WithDatabase(main, "main")
    def mytask(main): ...

Each call is a scope of its own, also inside of a request, a task or another such call: what one call commits or rolls back is its own.
Two decorators, for two databases, are two scopes, one in the other; for work that is committed in both or in none there is
``app["database"].transaction("main", "music")``.

A coroutine gets a session to ``await`` (``AsyncSession``); with ``asynchronous=False`` it gets a plain one, whose statements block the
event loop while they run.
"""

from __future__ import annotations

import inspect
import sys
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from qapla.lending import Lent, lend
from qapla.scope import current

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator

    from qapla.application import Application
    from qapla.scope import Scope

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class WithDatabase:
    """Pass a session on *database* to the decorated function, as its parameter *argument* (default: the name of the database).

    The session is closed in every ending; what is not committed is rolled back. Works on functions, methods, class and static methods,
    generators, coroutines and asynchronous generators, those that are closed early too. A caller that passes the session himself, as a
    test does, gets no other one, and the application need not run.

    Args:
        app: the application that declares the database. It has to run when the function is called, not before.
        database: the name of the database.
        argument: the parameter that takes the session.
        asynchronous: whether coroutines get a session to ``await``.
    """

    def __init__(self, app: Application, database: str, argument: str | None = None, *, asynchronous: bool = True) -> None:
        self._app = app
        self._database = database
        self._argument = argument or database
        self._asynchronous = asynchronous

    def __call__(self, function: Callable[Parameters, Result]) -> Callable[..., Result]:
        """Return *function* with name and signature kept, less the session.

        Raises:
            ConfigurationError: it has no such parameter, or is no function.
        """
        lent = {self._database: self._argument}
        given: Callable[..., Result] = lend(function, LentSession, _wrap, self._app, lent, asynchronous=self._asynchronous)
        return given


class LentSession(Lent):
    """Where the session goes among the arguments of one function.

    Args:
        asynchronous: whether coroutines get a session to ``await``.
    """

    kind, owner, decorator = "a session", "a database", "WithDatabase"

    def __init__(self, *place: Any, asynchronous: bool) -> None:
        super().__init__(*place)
        self._asynchronous = asynchronous

    def holds(self, value: Any) -> bool:
        """Tell whether *value* is a session."""
        return is_session(value)

    def scope(self) -> Scope:
        """Begin the scope of one call.

        Raises:
            PluginError: the application does not run.
        """
        return self.find_app().scope()

    @asynccontextmanager
    async def async_scope(self) -> AsyncIterator[Scope]:
        """Begin the scope of one call of a coroutine.

        Raises:
            PluginError: the application does not run.
        """
        if self._asynchronous:
            async with self.find_app().scope() as scope:
                yield scope
        else:
            with self.find_app().scope() as scope:
                yield scope

    def call(self, function: Callable[..., Any], scope: Scope, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Call *function* with the session of *scope* among its arguments."""
        return self.pass_on(function, scope["database"][self.name], arguments, keywords)


def is_session(value: Any) -> bool:
    """Tell whether *value* is a session, plain or to be awaited."""
    from sqlalchemy.orm import Session, scoped_session

    if isinstance(value, Session | scoped_session):
        return True
    asyncio = sys.modules.get("sqlalchemy.ext.asyncio")  # not imported: nobody has a session of it, and perhaps it is not installed whole
    return asyncio is not None and isinstance(value, asyncio.AsyncSession)


def _wrap(function: Callable[..., Any], lent: LentSession) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(function):
        return wrap_async_generator(function, lent)
    if inspect.iscoroutinefunction(function):
        return wrap_coroutine(function, lent)
    return wrap_generator(function, lent) if inspect.isgeneratorfunction(function) else wrap_function(function, lent)


def wrap_function(function: Callable[..., Any], lent: LentSession) -> Callable[..., Any]:
    """Return *function*, called in a scope."""

    def run(*arguments: Any, **keywords: Any) -> Any:
        if lent.is_given(arguments, keywords):
            return function(*arguments, **keywords)
        with lent.scope() as scope:
            return lent.call(function, scope, arguments, keywords)

    return run


def wrap_coroutine(function: Callable[..., Any], lent: LentSession) -> Callable[..., Any]:
    """Return *function*, awaited in a scope."""

    async def run(*arguments: Any, **keywords: Any) -> Any:
        if lent.is_given(arguments, keywords):
            return await function(*arguments, **keywords)
        async with lent.async_scope() as scope:
            return await lent.call(function, scope, arguments, keywords)

    return run


def wrap_generator(function: Callable[..., Any], lent: LentSession) -> Callable[..., Any]:
    """Return *function*, whose generator lives in a scope."""

    def run(*arguments: Any, **keywords: Any) -> Generator[Any, Any, Any]:
        if lent.is_given(arguments, keywords):
            return (yield from function(*arguments, **keywords))
        with lent.scope() as scope:
            scope.leave()  # between the steps, the current scope is the caller's
            return (yield from _steps(scope, lent.call(function, scope, arguments, keywords)))

    return run


def wrap_async_generator(function: Callable[..., Any], lent: LentSession) -> Callable[..., Any]:
    """Return *function*, whose asynchronous generator lives in a scope."""

    async def run(*arguments: Any, **keywords: Any) -> AsyncGenerator[Any, Any]:
        async with nullcontext() if lent.is_given(arguments, keywords) else lent.async_scope() as scope:
            context: Callable[[], AbstractContextManager[None]] = nullcontext
            if scope is None:
                steps = function(*arguments, **keywords)
            else:
                scope.leave()
                steps, context = lent.call(function, scope, arguments, keywords), partial(current, scope)
            step, given = steps.asend, None
            while True:
                try:
                    with context():
                        value = await step(given)
                except StopAsyncIteration:
                    return
                try:
                    step, given = steps.asend, (yield value)
                except GeneratorExit:  # it is closed early
                    with context():
                        await steps.aclose()
                    raise
                except BaseException as error:
                    step, given = steps.athrow, error

    return run


def _steps(scope: Scope, steps: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Run the *steps* of a generator, each with *scope* as the current one."""
    step: Callable[[Any], Any] = steps.send
    given: Any = None
    while True:
        try:
            with current(scope):
                value = step(given)
        except StopIteration as end:
            return end.value
        try:
            step, given = steps.send, (yield value)
        except GeneratorExit:  # it is closed early
            with current(scope):
                steps.close()
            raise
        except BaseException as error:
            step, given = steps.throw, error
