"""The application that ``QAPLA_APP`` names, started for a worker: ``celery -A qapla.plugins.celery.worker worker``.

``qapla celery worker`` does just that. Celery imports this module, nobody else should.
"""

from __future__ import annotations

import os
import sys

from qapla.cli import APP_VARIABLE, find_application
from qapla.errors import QaplaError
from qapla.plugins.celery.application import AppCelery


def start() -> AppCelery:
    """Start the application and return its Celery; errors of ours are one line on stderr and exit code 1."""
    try:
        celery: AppCelery = find_application(os.environ.get(APP_VARIABLE)).run_celery()["celery"]
    except QaplaError as error:
        sys.stderr.write(f"qapla: {error}\n")
        sys.exit(1)
    return celery


celery = start()
