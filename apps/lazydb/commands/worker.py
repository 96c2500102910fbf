"""``lazydb worker``: background tasks from the broker."""

from __future__ import annotations

import click

from lazydb.commands.output import example, note
from lazydb.commands.session import open_lazydb


@click.command("worker", epilog=example("LAZYDB_BROKER_URL=redis://127.0.0.1:6379/0 lazydb worker --processes 2"))
@click.option("--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="How many tasks at once.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True)
def worker_command(processes: int, log_level: str) -> None:
    """Run background tasks (refreshes, long exports) from LAZYDB_BROKER_URL.

    Without a broker the serving process does them itself, and no worker is needed.
    """
    from lazydb.application import LazydbApplication
    from qapla.errors import ConfigurationError

    if not LazydbApplication().prepare("celery").settings.get("celery:broker_url"):
        raise ConfigurationError(
            "a worker needs a broker, and LAZYDB_BROKER_URL is not set",
            hint="without one the serving process does the tasks itself; else LAZYDB_BROKER_URL=redis://127.0.0.1:6379/0",
        )
    with open_lazydb("celery", {"logging:level": log_level}) as app:
        note("lazydb worker: waiting for tasks (Ctrl+C stops)")
        app["tasks"].run_worker([f"--concurrency={processes}", f"--loglevel={log_level}"])
