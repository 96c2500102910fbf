"""The plugin: chooses between the broker and the pool."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from qapla.errors import ConfigurationError
from qapla.plugin import Plugin
from qapla.plugins.tasks import task
from qapla.plugins.tasks.pool import PoolQueue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qapla.application import Application
    from qapla.plugins.tasks.broker import BrokerQueue


class TasksPlugin(Plugin):
    """Give the application a place for work that outlives a request.

    Declare it after ``CeleryPlugin``, where there is one.

    Args:
        modules: where the tasks are defined; a worker imports them.
    """

    key = "tasks"

    def __init__(self, modules: Sequence[str] = ()) -> None:
        self._modules = tuple(modules)

    def start(self, app: Application) -> PoolQueue | BrokerQueue:
        """Return the queue on the broker, or the pool of an application without one.

        Raises:
            ConfigurationError: a worker without a broker.
        """
        queue = self._make(app)
        task.RUNNING.append(queue)
        return queue

    def _make(self, app: Application) -> PoolQueue | BrokerQueue:
        if "celery" in app:
            from qapla.plugins.tasks.broker import BrokerQueue  # imports Celery, which is optional

            if app.start_point == "celery":
                for module in self._modules:
                    import_module(module)
            return BrokerQueue(app, app["celery"])
        if app.start_point == "celery":
            hint = "add CeleryPlugin before TasksPlugin, and set 'celery:broker_url'"
            raise ConfigurationError("a worker needs a broker, and none is configured", hint=hint)
        threads = app.settings.read("tasks:threads", int, 2, "a number of threads")
        return PoolQueue(app, threads, app.settings.read("tasks:queue_size", int, 100, "a number of tasks"))

    def stop(self, app: Application) -> None:
        """Stop the pool."""
        task.RUNNING.remove(app[self.key])
        app[self.key].stop()
