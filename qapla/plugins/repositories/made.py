"""Services that a program makes by itself, lent like those that are declared."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from qapla.errors import ConfigurationError, PluginError, SettingsError
from qapla.plugins.repositories.declared import Declared, Options

if TYPE_CHECKING:
    from collections.abc import Callable

    from qapla.application import Application
    from qapla.driver.repositories.repository import Repository
    from qapla.driver.repositories.service import Service
    from qapla.settings import Settings

HINT = "a service, a repository, or a function of the application that makes one: lambda app: make_hash_service(…)"


class Made(Declared):
    """A service, or what makes it.

    Args:
        made: a service; a repository, around which one is made; or a function that is given the application and returns either, or a
            coroutine of either. A function is called once per process, on first use, and anew after a fork.
        name: how the application calls it; needed for a function, else the name of the repository.
        required: whether the application is ready only while the memory answers.

    Raises:
        PluginError: *made* is something else, or a function has no name.
    """

    def __init__(
        self,
        made: Service[Any, Any] | Repository[Any, Any] | Callable[[Application], Any],
        name: str | None = None,
        *,
        required: bool = False,
    ) -> None:
        kept: Any = made if callable(made) else as_service(made)
        if name is None and callable(kept):
            raise PluginError(f"what {made!r} makes has no name", hint="Made(make_people, 'people')")
        self._made = kept
        self.name = kept.repository.name if name is None else name
        self.options = Options(required=required)

    def __repr__(self) -> str:
        return f"Made({self._made!r}, {self.name!r})"

    @property
    def requires(self) -> tuple[str, ...]:
        """Return no plugins: a function that needs some is declared after them."""
        return ()

    def configured(self, settings: Settings) -> Made:
        """Return it; nothing of it is in the settings but ``required``.

        Raises:
            SettingsError: they say something else.
        """
        key = f"repositories:{self.name}"
        for name in settings.get(key) or {}:
            if name != "required":
                origin = settings.origin(f"{key}:{name}")
                raise SettingsError(f"setting '{key}:{name}' in {origin} is about a repository that the program makes by itself")
        return Made(self._made, self.name, required=settings.read(f"{key}:required", bool, self.options.required, "true or false"))

    def check(self, app: Application) -> None:
        """Do nothing: what is made here has been looked at, and a function is called when it is needed."""

    def make(self, app: Application) -> Service[Any, Any]:
        """Return the service.

        Raises:
            PluginError: the function has made something else.
        """
        from qapla.driver.repositories.background import LOOP

        made = self._made(app) if callable(self._made) else self._made
        return as_service(LOOP.run(made, anywhere=True) if inspect.iscoroutine(made) else made)


def as_service(made: Any) -> Service[Any, Any]:
    """Return *made* as a service.

    Raises:
        PluginError: it is neither a service nor a repository.
    """
    from qapla.driver.repositories.repository import Repository
    from qapla.driver.repositories.service import Service
    from qapla.driver.repositories.sync import Sync

    inner = made._inner if isinstance(made, Sync) else made
    if isinstance(inner, Service):
        return inner
    if not isinstance(inner, Repository):
        raise PluginError(f"{made!r} is no repository of an application", hint=HINT)
    try:
        return Service(inner)
    except ConfigurationError as error:
        raise PluginError(f"no service can be made of {made!r}: {error.message}", hint=error.hint) from error
