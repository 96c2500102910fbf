"""Tests have a database of their own, and do their tasks where they are sent."""


def make_settings(settings, paths):
    """Change what would reach outside of the tests."""
    settings["db:main:url"] = "sqlite:///rotarran-tests.sqlite"
    settings["celery:task_always_eager"] = True
