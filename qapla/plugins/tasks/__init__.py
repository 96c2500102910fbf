"""Work in the background, with or without a broker: Celery's workers, or a bounded pool in the serving process.

Adds      ``app["tasks"]``, a ``qapla.ports.TaskQueue``, for functions made by ``@task`` (``task.py``).
Settings  ``tasks:threads``, ``tasks:queue_size``: of the pool.
Uses      ``app["celery"]``: where the application has it, it does the tasks, else the pool does.
          ``app["jobs"]``, a ``qapla.ports.JobStore``, for the progress.

An application that always has a broker needs none of this: ``@shared_task`` and ``qapla.plugins.celery`` are enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Let a Pyramid application use ``request.app["tasks"]`` by ``config.include("qapla.plugins.tasks")``."""
    from qapla.plugins.tasks.plugin import TasksPlugin
    from qapla.web import include_plugin

    include_plugin(config, TasksPlugin())
