"""Which databases there are, and how requests commit."""

from qapla.database.application import DatabaseApplication
from qapla.database.database import Database


class DepotApplication(DatabaseApplication):
    """Three databases; what a request writes to several is committed in all or in none."""

    def append_app_plugins(self) -> None:
        """Declare the databases. The second argument is the key of a path: where the migrations are."""
        databases = [Database(name, f"migrations.{name}") for name in ("orders", "stock", "prices")]
        self.add_database_app(databases)

    def append_web_plugins(self) -> None:
        """Commit when a request went well, in two phases where it wrote to several databases."""
        self.add_database_web(commit="tm")
        self.config.include("depot.views")
