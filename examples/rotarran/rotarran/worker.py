"""For Celery's own command line: ``celery -A rotarran.worker worker``."""

from rotarran import main

celery = main.run_celery()["celery"]
