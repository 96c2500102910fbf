"""Functions that are given something of an application with each call: what ``@WithDatabase`` and ``@WithRepositories`` are made of."""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from qapla.errors import ConfigurationError
from qapla.exits import find_running

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qapla.application import Application


class Lent:
    """Where what is lent goes among the arguments of one function.

    Args:
        app: the application that is meant. It has to run when the function is called, not before.
        name: of what is lent, in the application.
        argument: the parameter that takes it.
        function: which has that parameter.

    Attributes:
        kind: what is lent, for error messages.
        owner: what a function is given, for error messages.
        decorator: by what it is lent.
        signature: that of the function, less the argument.

    Raises:
        ConfigurationError: *function* has no such parameter, or *app* is no application.
    """

    kind: str
    owner: str
    decorator: str

    def __init__(self, app: Application, name: str, argument: str, function: Callable[..., Any]) -> None:
        if app is None or isinstance(app, str):
            raise ConfigurationError(f"{app!r} is no application", hint=f"{self.decorator}(main, …), the application itself")
        self.name = name
        self.argument = argument
        self._app = app
        whole = inspect.signature(function)
        parameters = list(whole.parameters.values())
        found = whole.parameters.get(argument)
        if found is None and any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            self._position = len(parameters)
        elif found is None or found.kind in (found.POSITIONAL_ONLY, found.VAR_POSITIONAL, found.VAR_KEYWORD):
            called = getattr(function, "__qualname__", repr(function))
            hint = f"add it, or name another one: {self.decorator}(…, argument=…)"
            raise ConfigurationError(f"function {called!r} has no parameter {argument!r} that takes {self.kind} by its name", hint=hint)
        else:
            self._position = parameters.index(found) if found.kind is found.POSITIONAL_OR_KEYWORD else len(parameters)
        self.signature = whole.replace(parameters=[parameter for parameter in parameters if parameter.name != argument])

    def holds(self, value: Any) -> bool:
        """Tell whether *value* is what is lent."""
        raise NotImplementedError

    def is_given(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> bool:
        """Tell whether the caller has passed one himself."""
        return self.argument in keywords or (len(arguments) > self._position and self.holds(arguments[self._position]))

    def find_app(self) -> Application:
        """Return the application that is meant: in a test, the one that the test has started."""
        return find_running(self._app) or self._app

    def pass_on(self, function: Callable[..., Any], lent: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Call *function* with *lent* among its arguments."""
        if len(arguments) > self._position:  # those behind it are given by position, so it has to be, too
            return function(*arguments[: self._position], lent, *arguments[self._position :], **keywords)
        return function(*arguments, **keywords, **{self.argument: lent})


L = TypeVar("L", bound=Lent)


def lend(
    function: Any,
    kind: type[L],
    wrap: Callable[[Callable[..., Any], L], Callable[..., Any]],
    app: Application,
    arguments: Mapping[str, str],
    **options: Any,
) -> Any:
    """Return *function* with name and signature kept, less the *arguments*, which are given to it when it is called.

    Args:
        function: a function, or a method of any kind.
        kind: what is lent; *options* go to it.
        wrap: makes the function that calls the other one.
        arguments: the parameter that takes it, by the name of what is lent.

    Raises:
        ConfigurationError: it has no such parameter, or is no function.
    """
    if isinstance(function, classmethod | staticmethod):
        return type(function)(lend(function.__func__, kind, wrap, app, arguments, **options))
    if isinstance(function, type) or not callable(function) or hasattr(function, "delay"):
        hint = f"put @{kind.decorator} below @shared_task" if hasattr(function, "delay") else "decorate a function or a method"
        raise ConfigurationError(f"{function!r} cannot be given {kind.owner}: it is no function", hint=hint)
    wrapped: Any = function
    for name, argument in arguments.items():
        lent = kind(app, name, argument, wrapped, **options)
        inner, wrapped = wrapped, wraps(wrapped)(wrap(wrapped, lent))
        wrapped.__signature__ = lent.signature
        wrapped.__annotations__ = {key: each for key, each in inner.__annotations__.items() if key != argument}
    return wrapped
