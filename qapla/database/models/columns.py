"""One column of a model as the ``Column`` that introspection finds: its type, its default in the engine's words, what makes its value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from qapla.database.models.keys import make_object_name
from qapla.database.schema.declared import declared_type, enum_type
from qapla.database.schema.description import Column, ColumnType
from qapla.database.schema.reading import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.engine.interfaces import Dialect
    from sqlalchemy.types import TypeEngine

    from qapla.database.schema.description import Kind

# the more special ones first: a Text is a String, a Double a Float
_MEANINGS: tuple[tuple[type, Kind], ...] = (
    (sa.Boolean, "boolean"), (sa.Integer, "integer"), (sa.Float, "float"), (sa.Numeric, "decimal"), (sa.Uuid, "uuid"), (sa.JSON, "json"),
    (sa.LargeBinary, "binary"), (sa.types._Binary, "binary"), (sa.Date, "date"), (sa.Time, "time"), (sa.Interval, "interval"),
    (sa.String, "text"),
)  # fmt: skip
_NETWORK = ("INET", "CIDR", "MACADDR", "MACADDR8", "INET4", "INET6")


def meaning_of(type_: TypeEngine[Any]) -> ColumnType:
    """Return what the values of a type are in Python, whatever an engine keeps them as. The name is that of SQLAlchemy's type.

    A type of one's own may say so by itself, by an attribute ``kind``.
    """
    own: Kind | None = getattr(type_, "kind", None)
    plain: Any = type_
    while isinstance(plain, sa.TypeDecorator) and not isinstance(plain, sa.Interval):
        plain = plain.impl_instance
    name = type(plain).__name__.lower()
    if own is not None and not callable(own):
        return ColumnType(own, name, length=getattr(plain, "length", None))
    if isinstance(plain, sa.Enum):
        return ColumnType("enum", plain.name or "enum", values=tuple(plain.enums))
    if isinstance(plain, sa.DateTime):
        return ColumnType("timestamp_tz" if plain.timezone else "timestamp", name)
    if isinstance(plain, sa.ARRAY):
        item = meaning_of(plain.item_type)
        return ColumnType("array", f"{item.name}[]", item=item)
    kind = next((kind for known, kind in _MEANINGS if isinstance(plain, known)), None)
    if kind == "decimal":
        return ColumnType(kind, name, precision=plain.precision, scale=plain.scale)
    if kind is None:
        kind = "network" if type(plain).__name__ in _NETWORK else "unknown"
    return ColumnType(kind, name, length=getattr(plain, "length", None) if kind in ("text", "binary") else None)


def describe_column(column: sa.Column[Any], dialect: Dialect, engine: str) -> Column:
    """Return *column* as introspection finds it in a table that SQLAlchemy has made on *engine*."""
    found = type_of(column, dialect, engine)
    generated = _generated(column, dialect, engine)
    nullable = bool(column.nullable) and not column.primary_key
    comment = shortened(column.comment) if dialect.supports_comments else None
    return Column(column.name, found, nullable, _default(column, found, dialect, engine), generated, comment)


def type_of(column: sa.Column[Any], dialect: Dialect, engine: str) -> ColumnType:
    """Return the type of *column* on *engine*."""
    kept = column.type.dialect_impl(dialect)
    while isinstance(kept, sa.TypeDecorator):
        kept = kept.impl_instance
    text = dialect.type_compiler_instance.process(column.type, type_expression=column)
    if dialect.identifier_preparer._double_percents:
        text = text.replace("%%", "%")
    if isinstance(kept, sa.Enum) and kept.native_enum and dialect.supports_native_enum and not text.lower().startswith("enum("):
        return enum_type(engine, text, tuple(kept.enums))
    return declared_type(engine, text)


def _generated(column: sa.Column[Any], dialect: Dialect, engine: str) -> Literal["always", "by_default"] | None:
    """Say when the database makes the value by itself."""
    if column.computed is not None:
        return "always"
    if column.identity is not None and dialect.supports_identity_columns:
        return "always" if column.identity.always else "by_default"
    table = column.table
    if table is None or column is not _numbered(table, engine):
        return None
    return "by_default"


def _numbered(table: Any, engine: str) -> sa.Column[Any] | None:
    """Return the column that gets a number by itself: SERIAL, AUTO_INCREMENT, or the one that stands for SQLite's rowid."""
    if engine == "oracle":  # numbers come from identities only
        return None
    if engine == "sqlite":
        key = list(table.primary_key.columns)
        is_rowid = len(key) == 1 and type(key[0].type.dialect_impl(_SQLITE)).__name__.upper() == "INTEGER"
        return key[0] if is_rowid else None
    found: sa.Column[Any] | None = table.autoincrement_column
    return found if found is not None and (found.server_default is None or found.identity is not None) else None


def _default(column: sa.Column[Any], found: ColumnType, dialect: Dialect, engine: str) -> str | None:
    if column.computed is not None:
        if engine == "sqlite":  # does not say
            return None
        return str(column.computed.sqltext.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    if engine == "postgresql" and column.identity is None and column.table is not None and column is _numbered(column.table, engine):
        return _serial_default(column)
    if column.server_default is None or column.identity is not None:
        return None
    written = dialect.ddl_compiler(dialect, None).get_column_default_string(column)  # type: ignore[arg-type]
    if written is None or written.upper() == "NULL":
        return None
    return _WORDS.get(engine, _as_written)(written, found)


def _serial_default(column: sa.Column[Any]) -> str:
    """Return the default of a SERIAL: the next number of the sequence that PostgreSQL makes and names."""
    parts = (column.table.schema, make_object_name(column.table.name, column.name, "seq"))
    sequence = ".".join(_quoted_postgresql(part) for part in parts if part is not None).replace("'", "''")
    return f"nextval('{sequence}'::regclass)"


def _quoted_postgresql(name: str) -> str:
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'


def _as_written(written: str, found: ColumnType) -> str:
    return written


def _in_postgresql(written: str, found: ColumnType) -> str:
    """Return a default as ``pg_get_expr`` prints it: a text in quotes becomes a constant of the column's type."""
    quoted = re.fullmatch(r"'(?:[^']|'')*'", written)
    if quoted is None:
        return written
    if (found.name == "integer" or found.kind == "decimal") and re.fullmatch(r"'\d+(\.\d+)?'", written):
        return written[1:-1]
    if found.kind == "boolean":
        return "true" if written[1:-1].lower() in ("t", "true", "y", "yes", "on", "1") else "false"
    name = re.sub(r"[(][0-9, ]*[)]", "", found.name)
    return f"{written}::{'bpchar' if name == 'character' else name}"


def _in_mariadb(written: str, found: ColumnType) -> str:
    """Return a default as MariaDB's catalog prints it."""
    lower = written.lower().strip("()")
    if lower in ("now", "current_timestamp"):
        return "current_timestamp()"
    if lower in ("true", "false"):
        return "1" if lower == "true" else "0"
    if found.kind in ("integer", "decimal", "float", "boolean") and re.fullmatch(r"'-?\d+(\.\d+)?'", written):
        return written[1:-1]
    return written


_WORDS: Mapping[str, Callable[[str, ColumnType], str]] = {"postgresql": _in_postgresql, "mariadb": _in_mariadb}
_SQLITE = sa.make_url("sqlite://").get_dialect()()
