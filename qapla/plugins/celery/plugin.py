"""The plugin: chooses between the broker and the pool."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from qapla.errors import ConfigurationError
from qapla.plugin import Plugin
from qapla.plugins.celery.pool import PoolQueue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qapla.application import Application
    from qapla.plugins.celery.broker import BrokerQueue


class CeleryPlugin(Plugin):
    """Give the application a place for work that outlives a request.

    Args:
        modules: where the tasks are defined; a worker imports them.
        prefix: name of the queue at the broker, so that several applications can share one.
    """

    key = "tasks"

    def __init__(self, modules: Sequence[str] = (), prefix: str = "qapla") -> None:
        self._modules = tuple(modules)
        self._prefix = prefix

    def start(self, app: Application) -> PoolQueue | BrokerQueue:
        """Return the queue that the settings ask for.

        Raises:
            ConfigurationError: a worker without a broker, or a broker without Celery.
        """
        url = app.settings.get("tasks:broker_url")
        if app.start_point == "celery":
            for module in self._modules:
                import_module(module)
            if not url:
                raise ConfigurationError("a worker needs a broker, and none is configured", hint="set 'tasks:broker_url'")
        if not url:
            threads = app.settings.read("tasks:threads", int, 2, "a number of threads")
            return PoolQueue(app, threads, app.settings.read("tasks:queue_size", int, 100, "a number of tasks"))
        return self._open_broker(app, url)

    def stop(self, app: Application) -> None:
        """Stop the pool, or leave the broker."""
        app[self.key].stop()

    def _open_broker(self, app: Application, url: str) -> BrokerQueue:
        try:
            from qapla.plugins.celery.broker import BrokerQueue
        except ImportError as error:
            hint = "pip install 'qapla[celery,redis]'"
            raise ConfigurationError("a broker is configured, but Celery is not installed", hint=hint) from error
        limit = app.settings.read("tasks:time_limit_s", int, 1800, "a number of seconds")
        return BrokerQueue(app, url, limit, self._prefix)
