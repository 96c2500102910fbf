"""Which plugins the application is made of, and in which order."""

from qapla.database.application import DatabaseApplication
from qapla.database.database import Database
from qapla.plugins.celery.plugin import CeleryPlugin


class RotarranApplication(DatabaseApplication):
    """One database, a few pages, one task."""

    def append_app_plugins(self) -> None:
        """Declare what the web, the worker, the command line and the tests have in common."""
        self.add_database_app([Database("main", "migrations")])
        self.add_app_plugin(CeleryPlugin(modules=("rotarran.tasks",)))

    def append_web_plugins(self) -> None:
        """Declare what only the web needs; ``self.config`` is Pyramid's Configurator."""
        self.add_database_web()
        self.config.include("rotarran.views")
