"""Tables for frames: made beside the one that is there, and swapped in for it at once; what of the old one is kept, and what is not."""

from __future__ import annotations

from hashlib import sha256
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from qapla.database.frames.storage import make_type
from qapla.errors import Conflict, InputError, NotOffered, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection
    from sqlalchemy.types import TypeEngine

    from qapla.database.frames.intake import Intake
    from qapla.database.frames.target import Place
    from qapla.database.schema.description import Table

LONGEST_INDEX = 60

_GRANTS = sa.text("""
    SELECT grantee, privilege_type, is_grantable FROM information_schema.role_table_grants
    WHERE table_schema = :schema AND table_name = :name AND grantee <> grantor
""")
_REFERRERS = sa.text("""
    SELECT DISTINCT table_name FROM information_schema.key_column_usage
    WHERE referenced_table_schema = coalesce(:schema, database()) AND referenced_table_name = :name AND table_name <> :name
""")
_RENUMBER = """
    SELECT pg_catalog.setval(found.sequence, found.largest) FROM (
        SELECT CAST(pg_catalog.pg_get_serial_sequence({table}, {column}) AS regclass) AS sequence, max({name}) AS largest FROM {quoted}
    ) AS found WHERE found.sequence IS NOT NULL AND found.largest > coalesce(pg_catalog.pg_sequence_last_value(found.sequence), 0)
"""


def make_table(
    intake: Intake,
    name: str,
    schema: str | None,
    place: Place,
    *,
    keys: Sequence[str] = (),
    indexes: Sequence[Sequence[str]] = (),
    types: Mapping[str, Any] | None = None,
    old: Table | None = None,
) -> sa.Table:
    """Return a table for the rows of *intake*, which is not created yet.

    Args:
        keys: the columns of its primary key, in order.
        indexes: columns of its indexes.
        types: of columns whose own are not wanted: types of SQLAlchemy, or fields of models.
        old: the table that it comes in place of, whose comments it keeps.

    Raises:
        InputError: a key, an index or a type of a column that is not there; NULL in a key.
    """
    names = intake.table.column_names
    for wanted in (*keys, *(each for index in indexes for each in index), *(types or {})):
        if wanted not in names:
            raise InputError(f"the frame has no column {wanted!r}", code="42703", hint=nearest(str(wanted), names))
    for key in keys:
        if intake.table.column(key).null_count:
            raise InputError(f"column {key!r} is part of the key, and has NULLs", code="23502", hint="drop these rows: frame.dropna()")
    in_keys = {*keys, *(each for index in indexes for each in index)}
    comments = {each.name: each.comment for each in old.columns} if old is not None else {}
    columns = [
        sa.Column(
            each,
            _type_of(each, intake, place, (types or {}).get(each), each in in_keys),
            nullable=each not in keys,
            autoincrement=False,
            comment=comments.get(each),
            quote=True,
        )
        for each in names
    ]
    parts: list[Any] = [*columns, *([sa.PrimaryKeyConstraint(*keys)] if keys else [])]
    return sa.Table(name, sa.MetaData(), *parts, schema=schema, comment=old.comment if old is not None else None, quote=True)


def execute(connection: Connection, statement: str) -> None:
    """Run a statement without parameters; a ``%`` in it means itself."""
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True}).close()


def make_index(connection: Connection, table: sa.Table, columns: Sequence[str], name: str | None = None, *, unique: bool = False) -> None:
    """Create an index."""
    full = name or f"ix_{table.name}_{'_'.join(columns)}"
    if len(full.encode()) > LONGEST_INDEX:
        full = f"ix_{sha256(full.encode()).hexdigest()[:24]}"
    sa.Index(full, *(table.c[column] for column in columns), unique=unique, quote=True).create(connection)


def drop(connection: Connection, table: sa.Table) -> None:
    """Drop a table that was made aside, if it is there."""
    execute(connection, f"DROP TABLE IF EXISTS {_full(connection, table.name, table.schema)}")


def name_aside() -> str:
    """Return a name for a table that exists only while it is filled."""
    return f"_qapla_{token_hex(8)}"


def swap(place: Place, aside: str, name: str, schema: str | None, old: Table | None) -> list[str]:
    """Put the table *aside* in the place of *name*, at once for everybody who reads, and return what is not kept.

    Raises:
        Conflict: other tables refer to the old one.
    """
    connection, engine = place.connection, place.engine
    new, there = (_full(connection, each, schema) for each in (aside, name))
    if engine.has_transactional_ddl:
        grants: Any = ()
        if old is not None:
            if engine.has_roles:
                grants = connection.execute(_GRANTS, {"schema": old.name.schema, "name": name}).all()
            execute(connection, f"DROP TABLE {there}")
        execute(connection, f"ALTER TABLE {new} RENAME TO {_quoted(connection, name)}")
        key = sa.inspect(connection).get_pk_constraint(name, schema=schema)["name"]
        if key is not None and key.startswith(aside):
            named = _quoted(connection, f"{name[:LONGEST_INDEX - len('_pkey')]}_pkey")
            execute(connection, f"ALTER TABLE {there} RENAME CONSTRAINT {_quoted(connection, key)} TO {named}")
        for grantee, privilege, grantable in grants:
            to = "PUBLIC" if grantee == "PUBLIC" else _quoted(connection, grantee)
            execute(connection, f"GRANT {privilege} ON {there} TO {to}{' WITH GRANT OPTION' if grantable == 'YES' else ''}")
    elif not engine.has_rename_table:
        raise NotOffered(f"a table cannot be swapped in on {engine.label}", hint="write a frame with the same columns, or to a new table")
    elif old is None:
        execute(connection, f"RENAME TABLE {new} TO {there}")
    else:
        referring = connection.execute(_REFERRERS, {"schema": schema, "name": name}).scalars().all()
        if referring:
            said = f"table {name!r} cannot be replaced: {', '.join(map(repr, sorted(referring)))} refers to it"
            raise Conflict(said, code="2BP01", hint="write a frame with the same columns, which keeps the table")
        trash = _full(connection, name_aside(), schema)
        execute(connection, f"RENAME TABLE {there} TO {trash}, {new} TO {there}")
        execute(connection, f"DROP TABLE {trash}")
    return [f"foreign key {each.name or ', '.join(each.columns)!r} is not kept" for each in old.foreign_keys] if old is not None else []


def keep_indexes(place: Place, table: sa.Table, found: Sequence[Any]) -> list[str]:
    """Create the indexes of an old table on the new one, and return which of them cannot be."""
    notes = []
    for index in found:
        columns = [name for name in index["column_names"] if name is not None]
        if len(columns) < len(index["column_names"]) or any(name not in table.c for name in columns):
            notes.append(f"index {index['name']!r} is not kept: it is about what is not there any more")
            continue
        make_index(place.connection, table, columns, index["name"], unique=bool(index.get("unique")))
    return notes


def list_indexes(place: Place, name: str, schema: str | None) -> list[Any]:
    """Return the indexes of a table, without those of its constraints that are no indexes by themselves."""
    found = sa.inspect(place.connection).get_indexes(name, schema=schema)
    return [index for index in found if index["name"]]


def renumber(place: Place, table: Table, names: Sequence[str]) -> None:
    """Let numbers that the database gives go on behind those that were written, where it counts them apart from the rows."""
    if not place.engine.has_sequences:
        return
    for column in table.columns:
        if column.generated == "by_default" and column.name in names:
            quoted = _full(place.connection, table.name.name, table.name.schema)
            own = _quoted(place.connection, column.name)
            sql = _RENUMBER.format(table=_literal(quoted), column=_literal(column.name), name=own, quoted=quoted)
            execute(place.connection, sql)


def _type_of(name: str, intake: Intake, place: Place, wanted: Any, is_key: bool) -> TypeEngine[Any]:
    if wanted is None:
        return make_type(name, intake.table.column(name), intake.kinds[name], place.engine, is_key=is_key)
    found: TypeEngine[Any] = wanted.sql_type() if hasattr(wanted, "sql_type") else sa.types.to_instance(wanted)
    return found


def _quoted(connection: Connection, name: str) -> str:
    quote = connection.dialect.identifier_preparer
    return f"{quote.initial_quote}{name.replace(quote.escape_quote, quote.escape_to_quote)}{quote.final_quote}"


def _full(connection: Connection, name: str, schema: str | None) -> str:
    return ".".join(_quoted(connection, each) for each in (schema, name) if each)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
