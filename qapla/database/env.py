"""The body of every migrations directory's ``env.py``, which is three lines::

    from qapla.database.env import AlembicEnv
    from rotarran.application.app import main, Model
    AlembicEnv(main, Model, "main").run()

URL and options come from the application's settings and from nowhere else, whether Alembic's own command line runs or ``migrate.upgrade``.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from alembic import context

from qapla.database.database import IMMEDIATE
from qapla.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection
    from sqlalchemy.orm import DeclarativeBase

    from qapla.database.application import DatabaseApplication
    from qapla.database.database import Database


class AlembicEnv:
    """Run the migrations of one database.

    Args:
        main: the application; it is started as a command unless it runs already, or another one drives this run.
        model: the declarative base with every model that autogenerate shall know.
        name: which of the application's databases.
    """

    def __init__(self, main: DatabaseApplication, model: type[DeclarativeBase], name: str) -> None:
        self._main = main
        self._model = model
        self._name = name

    def run(self) -> None:
        """Run the migrations that Alembic was asked for, on the database or, with ``--sql``, on paper."""
        if context.is_offline_mode():
            self._run_offline()
        else:
            self._run_online()

    def _database(self) -> Database:
        given = context.config.attributes.get("database")
        if given is not None:  # from ``migrate.upgrade``: the database of the application that is running
            return given
        if self._main.phase == "new":
            self._main.run_command(only=("database",))  # nothing else may use a database that is not up to date
        return self._main["database"][self._name]

    def _run_offline(self) -> None:
        url = self._database().url
        context.configure(
            url=url,
            target_metadata=self._model.metadata,
            literal_binds=True,
            dialect_opts={"paramstyle": "named"},
            render_as_batch=url.get_backend_name() == "sqlite",
        )
        with context.begin_transaction():
            context.run_migrations()

    def _run_online(self) -> None:
        with self._database().engine.connect() as connection, foreign_keys_off(connection):
            sqlite = connection.dialect.name == "sqlite"
            # SQLite keeps DDL in transactions as long as BEGIN is ours (see database.py): a migration that stops half-way leaves nothing.
            options: dict[str, Any] = {"render_as_batch": True, "transactional_ddl": True} if sqlite else {}
            context.configure(connection=connection, target_metadata=self._model.metadata, compare_type=True, **options)
            with context.begin_transaction():
                context.run_migrations()


@contextmanager
def foreign_keys_off(connection: Connection) -> Iterator[None]:
    """On SQLite, switch foreign keys off while tables are made anew: dropping the old one would delete what points to it.

    Raises:
        ConfigurationError: afterwards a foreign key points nowhere.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    raw = connection.connection.driver_connection
    assert raw is not None
    raw.execute("PRAGMA foreign_keys=OFF").close()  # has no effect inside a transaction, so before it
    connection.execution_options(**{IMMEDIATE: True})
    try:
        yield
        broken = raw.execute("PRAGMA foreign_key_check").fetchone()
        if broken:
            raise ConfigurationError(f"after the migration a foreign key of table {broken[0]!r} points to a row that is not there")
    finally:
        raw.execute("PRAGMA foreign_keys=ON").close()
