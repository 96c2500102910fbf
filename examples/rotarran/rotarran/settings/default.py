"""What holds when nobody says otherwise; ``QAPLA__DB__MAIN__URL`` in the environment names another database."""


def make_settings(settings, paths):
    """Fill in the settings: a SQLite file, and a Redis that brings the tasks to the worker."""
    paths.set("migrations", f"{paths.get('module_root')}/../migrations")
    settings["db:main:url"] = "sqlite:///rotarran.sqlite"
    settings["celery:broker_url"] = "redis://127.0.0.1:6379/0"
