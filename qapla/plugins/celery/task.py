"""The class of every task: runs it in a scope, counts it, and does it again when something that it needs was away.

::

    @shared_task
    @WithDatabase(main, "main")
    def recount(product_id, main): ...

    recount.delay(7)                # a message, now
    recount.delay_after_commit(7)   # a message when the current work is committed, none when it is rolled back

Options of ``@shared_task`` and ``@app["celery"].task`` that Celery does not know:

``once="main"``
    Do the work of one message once, however often the message is delivered (``receipts.py``).
``outage_retries=1440``
    How often a task is sent again because a database or the broker did not answer; pauses grow to a minute, so that is about a day.

A coroutine function can be a task, too. A task with a base class of its own derives it from ``AppTask``.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from typing import TYPE_CHECKING, Any

from celery import Task
from celery.exceptions import Ignore, Reject, Retry
from celery.utils import uuid

from qapla.database.aftercommit import after_commit
from qapla.errors import ConfigurationError
from qapla.plugins.celery import receipts
from qapla.plugins.celery.outages import is_outage, pause_s
from qapla.ports import MetricsBackend, NullMetrics, current_task
from qapla.scope import find_current

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qapla.plugins.celery.application import AppCelery

OUTAGES_HEADER = "qapla_outages"
log = logging.getLogger(__name__)


class AppTask(Task):
    """A task of an application: every run is a scope of its own."""

    abstract = True
    once: str | None = None
    outage_retries: int = 1440
    is_counted = True
    """Whether ``app["metrics"]`` hears of it from here."""

    @classmethod
    def on_bound(cls, app: AppCelery) -> None:
        """Check the options that are ours, and those that contradict the settings."""
        limit, again = cls.time_limit, app.conf.broker_transport_options.get("visibility_timeout")
        if limit and again and limit >= again:
            raise ConfigurationError(
                f"task {cls.name!r} may take {limit} s, but its message comes back after {again} s and it would be done twice",
                hint=f"set 'celery:broker_transport_options:visibility_timeout' to more than {limit}",
            )
        if cls.once is not None:
            receipts.check_option(cls)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do it: a message in a scope of its own; a plain call of the function is nothing but that."""
        request = self.request
        if request.called_directly or getattr(request, "is_begun", False):
            return super().__call__(*args, **kwargs)
        request.is_begun = True  # a task that calls itself is no second message
        token, begin, outcome = current_task.set(request.id or ""), time.monotonic(), "failed"
        try:
            result = self._run(args, kwargs)
            outcome = "done"
            return result
        except Retry:
            outcome = "retried"
            raise
        except (Ignore, Reject):
            outcome = "rejected"
            raise
        finally:
            current_task.reset(token)
            if self.is_counted:
                self._metrics.increment("tasks", task=self.name, outcome=outcome)
                self._metrics.observe("task_seconds", time.monotonic() - begin, task=self.name)

    def _run(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        try:
            with self._get_app().application.scope() as scope:
                if self.once is not None:
                    return receipts.do_once(self, scope, args, kwargs)
                return self.perform(args, kwargs)
        except (Retry, Ignore, Reject):
            raise
        except Exception as error:
            if not is_outage(error) or self.request.is_eager:
                raise
            self._send_again(error)
            raise

    def perform(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Call the function of the task; one of asyncio is run to its end, in a loop of its own."""
        result = self.run(*args, **kwargs)
        return asyncio.run(result) if inspect.iscoroutine(result) else result

    def _send_again(self, error: Exception) -> None:
        """Send the same message again, to be done later; not by ``retry``, whose count belongs to the task."""
        request = self.request
        count = int((request.headers or {}).get(OUTAGES_HEADER, 0)) + 1
        if count > self.outage_retries:
            log.error("task %s (%s) is given up: what it needs was away %d times", self.name, request.id, self.outage_retries)
            return
        delay_s = pause_s(count, self._get_app().conf.broker_transport_options.get("visibility_timeout"))
        message = self.signature_from_request(request, countdown=delay_s, retries=request.retries)
        message.options["headers"] = {**(message.options.get("headers") or {}), OUTAGES_HEADER: count}
        try:
            message.apply_async()
        except Exception as problem:  # the broker is away, too: it still has this message, and shall deliver it again
            raise Reject(problem, requeue=True) from error
        raise Retry(f"{type(error).__name__}: something that it needs is away", exc=error, when=delay_s, sig=message) from error

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Send a message, by the application of the current scope where several are running. All options are Celery's.

        Raises:
            BrokerUnavailable: the broker does not answer; nothing was sent.
        """
        scope = find_current()
        celery = scope.app.find("celery") if scope is not None else None
        if celery is not None and celery is not self._get_app() and self.name in celery.tasks:
            return celery.tasks[self.name].apply_async(args, kwargs, **options)
        return super().apply_async(args, kwargs, **options)

    def delay_after_commit(self, *args: Any, **kwargs: Any) -> str:
        """Send a message when the work of the current scope is committed, never when it is rolled back; return the id of the task.

        Where there is no scope, or no session open in it, it is sent at once.

        A broker that does not answer then is an error in the log: the work is committed, and the task is not sent. With ``celery:outbox``
        that cannot be: the message is a row, committed with the work, and is sent when the broker is back.
        """
        return self.apply_async_after_commit(args, kwargs)

    def apply_async_after_commit(self, args: Any = None, kwargs: Any = None, *, database: str | None = None, **options: Any) -> str:
        """Do as ``delay_after_commit`` does, with the options of ``apply_async``.

        Args:
            database: the one whose commit counts, where several have sessions.
        """
        task_id = str(options.pop("task_id", None) or uuid())
        scope = find_current()
        celery = (scope.app.find("celery") if scope is not None else None) or self._get_app()
        if celery.outbox is None or celery.conf.task_always_eager or not celery.outbox.keep(self.name, task_id, args, kwargs, options):
            after_commit(lambda: self.apply_async(args, kwargs, task_id=task_id, **options), database)
        return task_id

    @property
    def _metrics(self) -> MetricsBackend:
        found: MetricsBackend = self._get_app().application.find("metrics") or NullMetrics()
        return found
