"""Models in the words of the schema's value: what the tables of mapped classes look like, before or without a database.

``describe`` gives the ``DatabaseSchema`` that introspection will find once the tables are made; ``model_columns`` the columns of one
model, by what their values mean where no engine is named. Any mapped class will do, and so will a Core table.

    from qapla.database.models.description import describe

    describe([Question, Choice], "postgresql").find_table("question")
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper

from qapla.database.dialects import ENGINES, get_engine
from qapla.database.models.columns import describe_column, meaning_of
from qapla.database.models.keys import describe_keys
from qapla.database.schema.description import Column, DatabaseSchema, TableName
from qapla.database.schema.inspect import build
from qapla.database.schema.reading import Listed, Reading, shortened
from qapla.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine.interfaces import Dialect

    Described = type | sa.Table | sa.MetaData
    Target = str | sa.Engine | sa.Connection | Dialect

_PUBLIC = "public"


def model_columns(model: type | sa.Table, engine: Target | None = None) -> tuple[Column, ...]:
    """Return the columns of *model*, in their order.

    Args:
        engine: a key of ``dialects.ENGINES``, or an engine, connection or dialect of SQLAlchemy: columns as introspection finds them there.
            None: by what their values mean, the same on every engine (a UUID is a ``uuid``, though SQLite keeps text).

    Raises:
        InputError: *model* has no table.
    """
    table = table_of(model)
    if engine is None:
        return tuple(
            Column(column.name, meaning_of(column.type), nullable=bool(column.nullable), comment=shortened(column.comment))
            for column in table.columns
        )
    dialect = find_dialect(engine)
    return tuple(describe_column(column, dialect, engine_key(dialect)) for column in table.columns)


def describe(models: Iterable[Described] | Described, engine: Target, *, default_schema: str | None = None) -> DatabaseSchema:
    """Return what a database looks like that has the tables of *models* and nothing else.

    The tables between models that are linked many to many belong to it. Numbers of rows are not known; a default that is an expression
    stands as it is written in the model, which an engine may print in other words.

    Args:
        models: mapped classes, Core tables, or a MetaData for all of its tables.
        engine: a key of ``dialects.ENGINES``, or an engine, connection or dialect of SQLAlchemy. One that has connected knows its version
            and its default schema.
        default_schema: where tables are that name no schema: the database's name on MariaDB and MySQL.

    Raises:
        InputError: one of *models* has no table, or the engine is not known.
    """
    dialect = find_dialect(engine)
    key = engine_key(dialect)
    tables = list_tables(models)
    default = None if get_engine(key).is_file else default_schema or _default_schema(engine, dialect, key)
    schemas = [default] if default is not None else []
    schemas += sorted({table.schema for table in tables if table.schema is not None and table.schema not in schemas})
    reading = Reading(key, version=_version(dialect), schemas=tuple(schemas))
    for table in tables:
        _read_table(reading, table, dialect, default)
    found = build(reading)
    return replace(found, report=())  # what it says of tables is for whoever looks at a database


def _read_table(reading: Reading, table: sa.Table, dialect: Dialect, default: str | None) -> None:
    name = TableName(table.schema or default, table.name)
    has_comments = dialect.supports_comments
    reading.tables[name] = Listed(name, "table", comment=shortened(table.comment) if has_comments else None)
    reading.columns[name] = [describe_column(column, dialect, reading.engine) for column in table.columns]
    keys = describe_keys(table, dialect, reading.engine, default)
    if keys.primary is not None:
        reading.primary_keys[name] = keys.primary
    reading.unique[name] = list(keys.unique)
    reading.foreign_keys[name] = list(keys.foreign)


def table_of(model: Any) -> sa.Table:
    """Return the table of a mapped class, or the table itself.

    Raises:
        InputError: it has none.
    """
    found = model if isinstance(model, sa.Table) else getattr(model, "__table__", None)
    if not isinstance(found, sa.Table):
        name = repr(getattr(model, "__name__", model))
        raise InputError(f"{name[:100]} has no table", hint="a model is a class that is mapped to one: class Question(models.Model)")
    return found


def list_tables(models: Iterable[Described] | Described) -> list[sa.Table]:
    """Return the tables of *models*, each once, those between two of them last."""
    given = [models] if isinstance(models, type | sa.Table | sa.MetaData) else list(models)
    found: dict[sa.Table, None] = {}
    for each in given:
        if isinstance(each, sa.MetaData):
            found |= dict.fromkeys(each.tables.values())
        else:
            found |= dict.fromkeys(_own_tables(each))
    for each in given:
        for table in tables_between(each):
            if {key.column.table for key in table.foreign_keys} <= set(found):
                found[table] = None
    return list(found)


def _own_tables(model: Any) -> list[sa.Table]:
    """Return the table of a model, and those of the models that it is joined with by inheritance."""
    own = table_of(model)
    mapper = sa.inspect(model, raiseerr=False)
    joined = mapper.tables if isinstance(mapper, Mapper) else ()
    return [own, *(table for table in joined if isinstance(table, sa.Table) and table is not own)]


def tables_between(model: Any) -> list[sa.Table]:
    """Return the tables that link *model* with others, many to many; not those that are models by themselves."""
    mapper = sa.inspect(model, raiseerr=False) if isinstance(model, type) else None
    if not isinstance(mapper, Mapper):
        return []
    mapped = {each.local_table for each in mapper.registry.mappers}
    found = [*getattr(model, "__middles__", {}).values(), *(each.secondary for each in mapper.relationships)]
    return [table for table in dict.fromkeys(found) if isinstance(table, sa.Table) and table not in mapped]


def find_dialect(engine: Target) -> Dialect:
    """Return the dialect of SQLAlchemy.

    Raises:
        InputError: it is the name of no engine.
    """
    if isinstance(engine, str):
        found: Dialect = sa.make_url(f"{get_engine(engine).drivername}://").get_dialect()()
        return found
    return engine.dialect if isinstance(engine, sa.Engine | sa.Connection) else engine


def engine_key(dialect: Dialect) -> str:
    """Return the key of ``dialects.ENGINES``; whether MySQL's dialect talks to MariaDB is known when it has connected.

    Raises:
        InputError: there is no such engine.
    """
    key = "mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name
    if key not in ENGINES:
        raise InputError(f"engine {key!r} is not known", hint=f"one of {', '.join(ENGINES)}")
    return key


def _default_schema(engine: Target, dialect: Dialect, key: str) -> str | None:
    known: str | None = getattr(dialect, "default_schema_name", None)
    if known is None and isinstance(engine, sa.Engine | sa.Connection):
        known = engine.engine.url.database if not get_engine(key).has_public else None
    return known or (_PUBLIC if get_engine(key).has_public else None)


def _version(dialect: Dialect) -> str:
    numbers = getattr(dialect, "server_version_info", None) or ()
    return ".".join(str(part) for part in numbers[:3] if isinstance(part, int))
