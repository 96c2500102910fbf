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
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from qapla.errors import ConfigurationError
from qapla.exits import find_running
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
        if isinstance(function, classmethod | staticmethod):
            return type(function)(self(function.__func__))
        if isinstance(function, type) or not callable(function) or hasattr(function, "delay"):
            hint = "put @WithDatabase below @shared_task" if hasattr(function, "delay") else "decorate a function or a method"
            raise ConfigurationError(f"{function!r} cannot be given a database: it is no function", hint=hint)
        lent = Lent(self._app, self._database, self._argument, self._asynchronous, function)
        wrapped = wraps(function)(_wrap(function, lent))
        wrapped.__signature__ = lent.signature  # type: ignore[attr-defined]
        wrapped.__annotations__ = {name: kind for name, kind in wrapped.__annotations__.items() if name != self._argument}
        return wrapped


class Lent:
    """Where the session goes among the arguments of one function.

    Attributes:
        kind: what is lent, for error messages.
        decorator: by what.
    """

    kind = "a session"
    decorator = "WithDatabase"

    def __init__(self, app: Application, database: str, argument: str, asynchronous: bool, function: Callable[..., Any]) -> None:
        self._app = app
        self._database = database
        self._argument = argument
        self._asynchronous = asynchronous
        whole = inspect.signature(function)
        parameters = list(whole.parameters.values())
        found = whole.parameters.get(argument)
        if found is None and any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            self._position = len(parameters)
        elif found is None or found.kind in (found.POSITIONAL_ONLY, found.VAR_POSITIONAL, found.VAR_KEYWORD):
            name = getattr(function, "__qualname__", repr(function))
            hint = f"add it, or name another one: {self.decorator}(…, argument=…)"
            raise ConfigurationError(f"function {name!r} has no parameter {argument!r} that takes {self.kind} by its name", hint=hint)
        else:
            self._position = parameters.index(found) if found.kind is found.POSITIONAL_OR_KEYWORD else len(parameters)
        self.signature = whole.replace(parameters=[parameter for parameter in parameters if parameter.name != argument])

    def is_given(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> bool:
        """Tell whether the caller has passed one himself."""
        return self._argument in keywords or (len(arguments) > self._position and self.holds(arguments[self._position]))

    def holds(self, value: Any) -> bool:
        """Tell whether *value* is what is lent."""
        return is_session(value)

    def scope(self) -> Scope:
        """Begin the scope of one call.

        Raises:
            PluginError: the application does not run.
        """
        return self._running().scope()

    @asynccontextmanager
    async def async_scope(self) -> AsyncIterator[Scope]:
        """Begin the scope of one call of a coroutine.

        Raises:
            PluginError: the application does not run.
        """
        if self._asynchronous:
            async with self._running().scope() as scope:
                yield scope
        else:
            with self._running().scope() as scope:
                yield scope

    def _running(self) -> Application:
        """Return the application that is meant: in a test, the one that the test has started."""
        return find_running(self._app) or self._app

    def call(self, function: Callable[..., Any], scope: Scope, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Call *function* with the session of *scope* among its arguments."""
        return self.pass_on(function, scope["database"][self._database], arguments, keywords)

    def pass_on(self, function: Callable[..., Any], lent: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Call *function* with *lent* among its arguments."""
        if len(arguments) > self._position:  # those behind it are given by position, so it has to be, too
            return function(*arguments[: self._position], lent, *arguments[self._position :], **keywords)
        return function(*arguments, **keywords, **{self._argument: lent})


def is_session(value: Any) -> bool:
    """Tell whether *value* is a session, plain or to be awaited."""
    from sqlalchemy.orm import Session, scoped_session

    if isinstance(value, Session | scoped_session):
        return True
    asyncio = sys.modules.get("sqlalchemy.ext.asyncio")  # not imported: nobody has a session of it, and perhaps it is not installed whole
    return asyncio is not None and isinstance(value, asyncio.AsyncSession)


def _wrap(function: Callable[..., Any], lent: Lent) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(function):
        return wrap_async_generator(function, lent)
    if inspect.iscoroutinefunction(function):
        return wrap_coroutine(function, lent)
    return wrap_generator(function, lent) if inspect.isgeneratorfunction(function) else wrap_function(function, lent)


def wrap_function(function: Callable[..., Any], lent: Lent) -> Callable[..., Any]:
    """Return *function*, called in a scope."""

    def run(*arguments: Any, **keywords: Any) -> Any:
        if lent.is_given(arguments, keywords):
            return function(*arguments, **keywords)
        with lent.scope() as scope:
            return lent.call(function, scope, arguments, keywords)

    return run


def wrap_coroutine(function: Callable[..., Any], lent: Lent) -> Callable[..., Any]:
    """Return *function*, awaited in a scope."""

    async def run(*arguments: Any, **keywords: Any) -> Any:
        if lent.is_given(arguments, keywords):
            return await function(*arguments, **keywords)
        async with lent.async_scope() as scope:
            return await lent.call(function, scope, arguments, keywords)

    return run


def wrap_generator(function: Callable[..., Any], lent: Lent) -> Callable[..., Any]:
    """Return *function*, whose generator lives in a scope."""

    def run(*arguments: Any, **keywords: Any) -> Generator[Any, Any, Any]:
        if lent.is_given(arguments, keywords):
            return (yield from function(*arguments, **keywords))
        with lent.scope() as scope:
            scope.leave()  # between the steps, the current scope is the caller's
            return (yield from _steps(scope, lent.call(function, scope, arguments, keywords)))

    return run


def wrap_async_generator(function: Callable[..., Any], lent: Lent) -> Callable[..., Any]:
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
