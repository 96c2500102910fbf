"""Tasks on a broker: plain Celery, configured from the settings and safe by default.

Adds      ``app["celery"]``, Celery's application; ``qapla celery worker`` and all of Celery's other commands; a check of the broker for
          ``app["health"]``, numbers of tasks for ``app["metrics"]``.
          Tasks, made by ``@shared_task`` or ``@app["celery"].task``, have ``delay_after_commit`` and the option ``once`` (``task.py``).
Settings  ``celery:broker_url``, and every other setting of Celery by its own name in lower case (``configuration.py`` says what is set
          where nobody sets anything). ``celery:modules``: where the tasks are. ``celery:outbox``: name of a database that keeps messages
          until they are sent, ``celery:outbox_every_s`` how often it is looked into (``outbox.py``). ``celery:receipts_kept_s``: how long
          it is known that a task was done (``receipts.py``).

A message with a countdown beyond ``visibility_timeout`` comes back before its time (Redis does so, too): give such a task ``once``.

Each task runs in a scope of its own; what is not committed when it ends is rolled back. A worker is started by ``qapla celery worker``, or
by ``celery -A rotarran.worker worker`` where that module has ``celery = main.run_celery()["celery"]``.

What happens to a task when something is killed:

- the process that does it, in the middle: the message goes back to the queue at once, and another process does the task;
- the whole worker: the message comes back after ``visibility_timeout`` (with Redis: the limit on time and a minute);
- after its commit, before the broker knows: it is done again, unless it has ``once``;
- the database: the task is sent again, later and later up to a minute, for about a day (``outage_retries``);
- the broker: a caller gets ``BrokerUnavailable``; after a commit the log has an error, and the task is lost unless there is an outbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Let a Pyramid program use ``request.app["celery"]`` by ``config.include("qapla.plugins.celery")``.

    Its worker is ``celery -A shop.worker worker``, where that module makes the program's Configurator and has
    ``celery = config.registry["qapla.app"]["celery"]``; ``qapla.celery.modules`` names the modules of the tasks.
    """
    from qapla.plugins.celery.plugin import CeleryPlugin
    from qapla.web import include_plugin

    include_plugin(config, CeleryPlugin())
