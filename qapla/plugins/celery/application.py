"""Celery's own application, one for each of ours, and which of them ``@shared_task`` means.

A shared task belongs to whichever Celery application is the default when it is used. Ours is the default from its start to its stop; before
and after that ``NOT_RUNNING`` is, which says what is wrong instead of looking for a broker on this machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery import Celery, _state
from kombu.exceptions import OperationalError

from qapla.errors import PluginError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qapla.application import Application
    from qapla.plugins.celery.outbox import Outbox


class BrokerUnavailable(Unavailable, OperationalError):
    """The broker does not answer: ours for whoever sends a task, Celery's own for Celery, which tries again by itself in places."""


class AppCelery(Celery):
    """A Celery application whose tasks run in scopes of *application*."""

    task_cls = "qapla.plugins.celery.task:AppTask"

    def __init__(self, application: Application | None, name: str, configuration: Mapping[str, Any], modules: Sequence[str] = ()) -> None:
        super().__init__(name, set_as_current=False, fixups=[], include=list(modules))
        self.application = application
        self.outbox: Outbox | None = None
        self.conf.update(configuration)

    def send_task(self, name: str, *arguments: Any, **options: Any) -> Any:
        """Send a message for the task called *name*.

        Raises:
            PluginError: no application is running.
            BrokerUnavailable: the broker does not answer.
        """
        if self.application is None:
            raise PluginError(f"task {name!r} cannot be sent: no application is running", hint="call one of its run_… methods first")
        try:
            return super().send_task(name, *arguments, **options)
        except OperationalError as error:
            problem = f"the broker does not answer: task {name!r} was not sent"
            raise BrokerUnavailable(problem, hint="try again later", headers={"Retry-After": "5"}) from error

    def ping(self) -> None:
        """Ask the broker whether it is there, within a few seconds; raises what is wrong."""
        with self.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=3)


NOT_RUNNING = AppCelery(None, "qapla", {"broker_url": "memory://"})
_running: list[AppCelery] = []


def begin(celery: AppCelery) -> None:
    """Let shared tasks be those of *celery*, in every thread."""
    _running.append(celery)
    _choose()


def end(celery: AppCelery) -> None:
    """Let shared tasks be those of whichever application is still running, the youngest."""
    if celery in _running:
        _running.remove(celery)
    if _state._tls.current_app is celery:  # a worker makes itself the current one of its thread
        _state._set_current_app(None)
    _choose()


def _choose() -> None:
    (_running[-1] if _running else NOT_RUNNING).set_default()


if _state.default_app is None:  # somebody who has a Celery application of his own keeps it until one of ours starts
    NOT_RUNNING.set_default()
