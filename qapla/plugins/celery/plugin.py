"""The plugin: makes Celery's application from the settings, starts and stops it with ours."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from qapla.errors import ConfigurationError
from qapla.plugin import Plugin
from qapla.ports import NullHealth

try:
    from celery import signals

    from qapla.plugins.celery.application import AppCelery, begin, end
    from qapla.plugins.celery.configuration import read_configuration
    from qapla.plugins.celery.outbox import open_outbox
except ModuleNotFoundError as error:
    problem = f"tasks need the package {error.name!r}, which is not installed"
    raise ConfigurationError(problem, hint="pip install 'qapla[celery,redis]'") from error

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

    from qapla.application import Application


class CeleryPlugin(Plugin):
    """Tasks on a broker, by plain Celery.

    Args:
        modules: where the tasks are, for workers to import; without it, and without the setting ``celery:modules``, the module ``tasks`` of
            the application's own package, if there is one.
    """

    key = "celery"

    def __init__(self, modules: Sequence[str] = ()) -> None:
        self._modules = tuple(modules)
        self._signals: list[Any] = []

    def start(self, app: Application) -> AppCelery:
        """Return Celery's application; no connection is opened.

        Raises:
            SettingsError: a setting is unknown, missing or wrong.
        """
        package = type(app).__module__.partition(".")[0]
        celery = AppCelery(app, package, read_configuration(app.settings, package), self._find_modules(app, package))
        celery.outbox = open_outbox(app, celery)
        app.find("health", NullHealth()).add("broker", celery.ping, required=False)
        self._listen(app, celery)
        begin(celery)
        return celery

    def stop(self, app: Application) -> None:
        """Close the connections to the broker."""
        celery: AppCelery = app[self.key]
        for signal, receiver in self._signals:
            signal.disconnect(receiver)
        if celery.outbox is not None:
            celery.outbox.stop()
        end(celery)
        celery.close()

    def commands(self, group: click.Group) -> None:
        """Add ``qapla celery …``."""
        from qapla.plugins.celery.commands import celery_command

        group.add_command(celery_command)

    def _find_modules(self, app: Application, package: str) -> tuple[str, ...]:
        named = (*self._modules, *app.settings.names("celery:modules"))
        if named:
            return named
        return (f"{package}.tasks",) if has_module(package, "tasks") else ()

    def _listen(self, app: Application, celery: AppCelery) -> None:
        """Let a worker of ours stop the application when it ends, however it was started."""

        def is_ours(sender: Any) -> bool:
            return getattr(sender, "app", None) is celery

        def stop(sender: Any = None, **_: Any) -> None:
            if is_ours(sender):
                app.stop()

        def sweep(sender: Any = None, **_: Any) -> None:
            if is_ours(sender) and celery.outbox is not None:
                celery.outbox.start_sweeping()

        self._signals = [(signals.worker_shutdown, stop), (signals.worker_ready, sweep)]
        for signal, receiver in self._signals:
            signal.connect(receiver, weak=False)


def has_module(package: str, name: str) -> bool:
    """Tell whether *package* is one, and has a module called *name*; imports neither."""
    found = find_spec(package) if package != "__main__" else None
    return found is not None and found.submodule_search_locations is not None and find_spec(f"{package}.{name}") is not None
