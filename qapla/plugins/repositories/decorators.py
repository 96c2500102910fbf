"""``@WithRepositories(main, "person")``: give a task or a function a repository's service.

::

    @shared_task  # a Celery task: WithRepositories comes below
    @WithRepositories(main, "person")
    def greet(person_id, person):
        return person.get_one(person_id).name

    greet("ada")  # the service is passed by the decorator

A coroutine gets the service itself, to ``await``; everything else gets it for calls without. It begins no scope: a session of the caller
stays what it is.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from qapla.errors import ConfigurationError
from qapla.lending import Lent, lend

if TYPE_CHECKING:
    from collections.abc import Callable

    from qapla.application import Application

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class WithRepositories:
    """Pass the services called *names* to the decorated function, each as the parameter of its name.

    Works on functions, methods, class and static methods, generators, coroutines and asynchronous generators. A caller that passes a
    service himself, as a test does, gets no other one, and the application need not run.

    Args:
        app: the application that declares the repositories. It has to run when the function is called, not before.
        names: of repositories.
        argument: the parameter that takes the service, where one is named only.

    Raises:
        ConfigurationError: no name is given, or several and an argument.
    """

    def __init__(self, app: Application, *names: str, argument: str | None = None) -> None:
        if not names or not all(isinstance(name, str) for name in names):
            raise ConfigurationError("WithRepositories names no repository", hint='@WithRepositories(main, "person")')
        if argument is not None and len(names) > 1:
            raise ConfigurationError("one argument cannot take several repositories", hint="a decorator for each")
        self._app = app
        self._arguments = {name: argument or name for name in names}

    def __call__(self, function: Callable[Parameters, Result]) -> Callable[..., Result]:
        """Return *function* with name and signature kept, less the services.

        Raises:
            ConfigurationError: it has no such parameter, or is no function.
        """
        given: Callable[..., Result] = lend(function, LentService, _wrap, self._app, self._arguments)
        return given


class LentService(Lent):
    """Where the service goes among the arguments of one function."""

    kind, owner, decorator = "a repository", "a repository", "WithRepositories"

    def holds(self, value: Any) -> bool:
        """Tell whether *value* is a service, or a repository."""
        from qapla.driver.repositories.repository import Repository
        from qapla.driver.repositories.service import Service
        from qapla.driver.repositories.sync import Sync

        return isinstance(value, Sync | Service | Repository)

    def find(self, *, awaited: bool) -> Any:
        """Return the service.

        Raises:
            PluginError: the application does not run, or declares none of that name.
        """
        repositories = self.find_app()["repositories"]
        return repositories.service(self.name) if awaited else repositories[self.name]


def _wrap(function: Callable[..., Any], lent: LentService) -> Callable[..., Any]:
    is_awaited = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)

    def call(*arguments: Any, **keywords: Any) -> Any:
        if lent.is_given(arguments, keywords):
            return function(*arguments, **keywords)
        return lent.pass_on(function, lent.find(awaited=is_awaited), arguments, keywords)

    async def wait(*arguments: Any, **keywords: Any) -> Any:
        return await call(*arguments, **keywords)

    def steps(*arguments: Any, **keywords: Any) -> Any:
        return (yield from call(*arguments, **keywords))

    if inspect.iscoroutinefunction(function):
        return wait
    return steps if inspect.isgeneratorfunction(function) else call
