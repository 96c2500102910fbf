"""Services and repositories of an application, by name: made once per process, closed when it stops.

::

    class ShopApplication(DatabaseApplication):
        def append_app_plugins(self):
            self.add_database_app([Database("main")])
            self.add_app_plugin(RepositoriesPlugin(prices=make_prices))  # make_prices(app) returns a service; may be a coroutine function

    @WithRepositories(main, "prices")
    def price_of(article, prices):
        return prices.get_one(article).amount

Adds ``app["repositories"]["prices"]``, to be awaited; ``scope["repositories"]["prices"]`` and ``request.repositories["prices"]``, which
wait by themselves (in a scope that is entered with ``async with``: to be awaited); and a check ``repository:prices``, not required, where
``app["health"]`` is there. A service is made on first use, and anew after a fork.
"""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from qapla.driver.repositories.sync import LOOP, sync
from qapla.errors import ConfigurationError, PluginError, nearest
from qapla.exits import find_running
from qapla.plugin import Plugin
from qapla.ports import NullHealth

if TYPE_CHECKING:
    from pyramid.config import Configurator

    from qapla.application import Application
    from qapla.scope import Scope

Maker = Callable[..., Any]


class Repositories:
    """What an application has, by name, each made on first use.

    Args:
        app: what the makers get.
        makers: functions or coroutine functions of the application.
    """

    def __init__(self, app: Any, makers: dict[str, Maker]) -> None:
        self._app = app
        self._makers = makers
        self._begin_anew()

    def __getitem__(self, name: str) -> Any:
        """Return what is called *name*: its methods are to be awaited.

        Raises:
            PluginError: there is none.
        """
        if self._pid != os.getpid():
            self._begin_anew()
        found = self._made.get(name)
        return found if found is not None else self._make(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def check(self, name: str) -> None:
        """Raise if the memory of *name* does not answer; what was not used yet, or has no breaker, is well."""
        check = getattr(self._made.get(name), "check", None)
        if check is not None:
            check()

    def close(self) -> None:
        """Close the connections of the loop that waits for who cannot; other loops close theirs when they end."""
        if self._pid != os.getpid():
            return
        with self._lock:
            made = self._made.copy()
            self._made.clear()
        for one in made.values():
            LOOP.run(one.aclose())

    def _begin_anew(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._made: dict[str, Any] = {}

    def _make(self, name: str) -> Any:
        if name not in self._makers:
            hint = nearest(name, self._makers) or f"RepositoriesPlugin({name}=…)"
            raise PluginError(f"no repository is declared as {name!r}", hint=hint)
        with self._lock:
            if name not in self._made:
                made = self._makers[name](self._app)
                self._made[name] = _result(made) if inspect.iscoroutine(made) else made
            return self._made[name]


class Waiting:
    """The same for who cannot await."""

    def __init__(self, inner: Repositories) -> None:
        self._inner = inner

    def __getitem__(self, name: str) -> Any:
        """Return what is called *name*: its methods wait."""
        return sync(self._inner[name])


class RepositoriesPlugin(Plugin):
    """Make services of an application by name.

    Args:
        makers: by name, functions that get the application and return a service or a repository; coroutine functions may be among them.
    """

    key = "repositories"

    def __init__(self, **makers: Maker) -> None:
        for name, maker in makers.items():
            if not callable(maker):
                hint = "a function of the application"
                raise ConfigurationError(f"repository {name!r} is made by {maker!r}, which cannot be called", hint=hint)
        self._makers = makers

    def start(self, app: Application) -> Repositories:
        """Prepare; nothing is made yet."""
        repositories = Repositories(app, self._makers)
        health = app.find("health", NullHealth())
        for name in repositories:
            health.add(f"repository:{name}", partial(repositories.check, name), required=False)
        return repositories

    def stop(self, app: Application) -> None:
        """Close what was made."""
        app[self.key].close()

    def enter(self, scope: Scope) -> Any:
        """Return what a scope has: its callers await, or they do not."""
        repositories: Repositories = scope.app[self.key]
        return repositories if scope.is_asynchronous else Waiting(repositories)

    def exit(self, scope: Scope, value: Any, error: BaseException | None) -> None:
        """Close nothing: services belong to the process."""

    def includeme(self, config: Configurator) -> None:
        """Add ``request.repositories``."""
        app = config.registry["qapla.app"]
        config.add_request_method(lambda request: Waiting(app[self.key]), "repositories", property=True)


class WithRepositories:
    """Pass services or repositories of *app* to the decorated function, as parameters of their names.

    A coroutine function gets those that are awaited. Who passes one himself, as a test does, gets no other one.

    Args:
        app: the application that declares them. It has to run when the function is called, not before.
        names: which ones.
    """

    def __init__(self, app: Application, *names: str) -> None:
        self._app = app
        self._names = names

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return *function* with these parameters given.

        Raises:
            ConfigurationError: it lacks one of them, or is no function.
        """
        if not inspect.isfunction(function) or inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigurationError(f"{function!r} cannot be given repositories", hint="decorate a function or a coroutine function")
        signature = inspect.signature(function)
        for name in self._names:
            if name not in signature.parameters:
                raise ConfigurationError(f"function {function.__qualname__!r} has no parameter {name!r}", hint="add it, at the end")

        def run(*values: Any, **named: Any) -> Any:
            return function(*values, **self._given(signature, values, named, True))

        async def run_awaited(*values: Any, **named: Any) -> Any:
            return await function(*values, **self._given(signature, values, named, False))

        wrapped = wraps(function)(run_awaited if inspect.iscoroutinefunction(function) else run)
        left = [parameter for name, parameter in signature.parameters.items() if name not in self._names]
        wrapped.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
        return wrapped

    def _given(self, signature: inspect.Signature, values: tuple[Any, ...], named: dict[str, Any], waits: bool) -> dict[str, Any]:
        there = signature.bind_partial(*values, **named).arguments
        missing = [name for name in self._names if name not in there]
        if not missing:
            return named
        repositories = (find_running(self._app) or self._app)["repositories"]
        return {**named, **{name: sync(repositories[name]) if waits else repositories[name] for name in missing}}


def _result(making: Any) -> Any:
    """Await what a maker awaits, in a thread of its own where a loop runs here: nothing that it opens belongs to a loop yet."""
    answers: list[Any] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            answers.append(LOOP.run(making))
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return answers[0]
