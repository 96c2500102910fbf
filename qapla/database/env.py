"""The body of every migrations directory's ``env.py``, which is three lines::

    from qapla.database.env import AlembicEnv
    from rotarran.application.app import main, Model
    AlembicEnv(main, Model, "main").run()

URL and options come from the application's settings and from nowhere else, whether Alembic's own command line runs (one directory, or one
section of ``alembic.ini``, per database: ``alembic -n music upgrade head``) or ``qapla database migrate``. An application that is running
already, as in a test, is asked for its database; else it is started as a command, with nothing but its databases.

Autogenerate compares types and server defaults, looks into every schema that a model names, writes batch migrations for SQLite, and leaves
tables of others alone (see ``ownership.py``).

Settings  ``db:<name>:unknown_tables``: ``ours`` (default), ``all`` or ``none``.
          ``db:<name>:version_table``, ``db:<name>:version_schema``: where Alembic writes down which migrations have run; default
          ``alembic_version`` in the default schema. Two declared databases that are in fact one need a table each.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from alembic import context
from sqlalchemy import Numeric, Table, event
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator

from qapla import exits
from qapla.database.database import IMMEDIATE
from qapla.database.defaults import differ
from qapla.database.migrate import version_options
from qapla.database.models.native import Native
from qapla.database.models.types import Named
from qapla.database.ownership import UNKNOWN_TABLES, make_name_filter, make_object_filter, owned_metadata
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
        options: anything else that Alembic's ``context.configure`` takes; it wins over what is chosen here.

    Raises:
        ConfigurationError: see ``ownership.owned_metadata``.
    """

    def __init__(self, main: DatabaseApplication, model: type[DeclarativeBase], name: str, **options: Any) -> None:
        self._main = main
        self._model = model
        self._name = name
        self._options = options

    def run(self) -> None:
        """Run the migrations that Alembic was asked for, on the database or, with ``--sql``, on paper."""
        database, started = self._find_database()
        try:
            if context.is_offline_mode():
                self._run_offline(database)
            else:
                self._run_online(database)
        finally:
            if started:
                database.dispose()

    def _find_database(self) -> tuple[Database, bool]:
        """Return the database, and whether the application was started for it."""
        given = context.config.attributes.get("database")
        if given is not None:  # from ``migrate``: the database of the application that is running
            return given, False
        running = exits.find_running(self._main) if self._main is not None else None
        if running is not None:
            return running["database"][self._name], False
        if self._main.phase == "stopped":
            raise ConfigurationError(f"the migrations of database {self._name!r} cannot run: the application is stopped")
        self._main.run_command(only=("database",))  # nothing else may use a database that is not up to date
        return self._main["database"][self._name], True

    def _run_offline(self, database: Database) -> None:
        sqlite = database.url.get_backend_name() == "sqlite"
        context.configure(
            **{
                "url": database.url,
                "literal_binds": True,
                "dialect_opts": {"paramstyle": "named"},
                **self._common(database, sqlite),
                **self._options,
            }
        )
        if sqlite:
            context.get_context().impl.static_output("PRAGMA foreign_keys=OFF;")
        with context.begin_transaction():
            context.run_migrations()
        if sqlite:
            context.get_context().impl.static_output("PRAGMA foreign_keys=ON;")

    def _run_online(self, database: Database) -> None:
        with (
            database.engine.connect() as connection,
            foreign_keys_off(connection, _only_reads()),
            keys_without_null(connection),
        ):
            common = self._common(database, connection.dialect.name == "sqlite")
            _make_version_schema(connection, common.get("version_table_schema"))
            context.configure(**{"connection": connection, **common, **self._options})
            _compare_defaults(context.get_context())
            with context.begin_transaction():
                context.run_migrations()

    def _common(self, database: Database, sqlite: bool) -> dict[str, Any]:
        metadata = owned_metadata(self._model, database.name, database.siblings)
        files = (script.path for script in context.script.walk_revisions())
        options: dict[str, Any] = {
            "target_metadata": metadata,
            "compare_type": _compare_type,
            "compare_server_default": True,
            "render_item": _write_type,
            "include_schemas": any(table.schema for table in metadata.tables.values()),
            "include_name": make_name_filter(metadata, _unknown_tables(database), files),
            "include_object": make_object_filter(self._model),
            **version_options(database),
        }
        if sqlite:
            # SQLite keeps DDL in transactions as long as BEGIN is ours (see database.py): a migration that stops half-way leaves nothing.
            options |= {"render_as_batch": True, "transactional_ddl": True}
        return options


def _compare_type(context: Any, found: Any, declared: Any, found_type: Any, declared_type: Any) -> bool | None:
    """Tell that a type of ours is there; SQLAlchemy knows the names of SQLite's own types only. None: Alembic compares."""
    if isinstance(declared_type, Native):
        return False  # SQLAlchemy cannot say what such a type is there
    if not isinstance(declared_type, TypeDecorator):
        return None
    named = declared_type.load_dialect_impl(context.dialect)
    return False if isinstance(named, Named) and isinstance(found_type, Numeric) else None


def _write_type(kind: str, item: Any, autogenerate: Any) -> str | Literal[False]:
    """Have a script that names one of our types import it; write those of PostgreSQL that Alembic writes wrongly for other engines."""
    module = type(item).__module__
    if kind == "type" and module.startswith("qapla."):
        autogenerate.imports.add(f"import {module}")
    if kind == "type" and isinstance(item, postgresql.JSON):
        autogenerate.imports.add("from sqlalchemy.dialects import postgresql")
        return f"postgresql.{type(item).__name__}(none_as_null={item.none_as_null})"
    return False


def _compare_defaults(migration: Any) -> None:
    """Ask ``differ`` first whether two defaults are the same.

    Alembic takes such a function itself, but looks for the text of a default before it calls it, and computed columns and identities have
    none. Where it compares by its engine's rules it leaves those to comparisons of their own.
    """
    ask = migration.impl.compare_server_default

    def compare(found: Any, declared: Any, rendered: str | None, there: str | None) -> bool:
        answer = differ(migration, found, declared, there, declared.server_default, rendered)
        return bool(ask(found, declared, rendered, there) if answer is None else answer)

    migration.impl.compare_server_default = compare


def _only_reads() -> bool:
    return bool(context.config.attributes.get("only_reads"))  # from ``drift``


def _unknown_tables(database: Database) -> str:
    key = f"db:{database.name}:unknown_tables"
    value = str(database.settings.get(key) or UNKNOWN_TABLES[0])
    if value not in UNKNOWN_TABLES:
        raise database.settings.wrong(key, f"one of {', '.join(UNKNOWN_TABLES)}")
    return value


def _make_version_schema(connection: Connection, schema: str | None) -> None:
    """Make the schema of Alembic's own table, which is needed before the first migration could make it."""
    if schema is None or connection.dialect.name != "postgresql" or _only_reads():
        return
    from sqlalchemy.schema import CreateSchema

    connection.execute(CreateSchema(schema, if_not_exists=True))
    connection.commit()


@contextmanager
def keys_without_null(connection: Connection) -> Iterator[None]:
    """On SQLite, take a primary key for what it is: nobody writes NOT NULL there, and a comparison would miss it in each table."""
    if connection.dialect.name != "sqlite":
        yield
        return

    def correct(inspector: Any, table: Table, column: Any) -> None:
        column["nullable"] = column["nullable"] and not column.get("primary_key")

    event.listen(Table, "column_reflect", correct)
    try:
        yield
    finally:
        event.remove(Table, "column_reflect", correct)


@contextmanager
def foreign_keys_off(connection: Connection, only_reads: bool = False) -> Iterator[None]:
    """On SQLite, switch foreign keys off while tables are made anew: dropping the old one would delete what points to it.

    Raises:
        ConfigurationError: afterwards a foreign key points nowhere.
    """
    if connection.dialect.name != "sqlite" or only_reads:
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
