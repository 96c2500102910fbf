"""``qapla celery …``: Celery's own command line, on the tasks of the application."""

from __future__ import annotations

import os
import sys

import click

from qapla.cli import APP_VARIABLE, app_name

EVERYTHING = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


@click.command(name="celery", context_settings=EVERYTHING, short_help="Run Celery: worker, beat, inspect, purge …")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def celery_command(context: click.Context, arguments: tuple[str, ...]) -> None:
    """Run Celery's own command line on the tasks of the application.

    Example: qapla celery worker --concurrency 4
    """
    # A process of its own: the application of this one was prepared for a command, and Celery forks.
    os.environ[APP_VARIABLE] = str(app_name(context))
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "celery", "-A", "qapla.plugins.celery.worker", *arguments])  # noqa: S606
