"""Which word of the models stands for a column's type: the plainest one that makes the same type again on the same engine.

Every candidate is compiled for the engine, and taken when ``declared_type`` says that introspection would find the column's own type. So a
wrong choice is not possible, at worst an ugly one: ``Native`` writes the engine's text as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, oracle, postgresql
from sqlalchemy.exc import CompileError

from qapla.database.dialects import get_engine
from qapla.database.models import fields
from qapla.database.models.source.text import literal
from qapla.database.schema.declared import declared_type
from qapla.database.schema.diff import same_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine.interfaces import Dialect
    from sqlalchemy.types import TypeEngine

    from qapla.database.schema.description import ColumnType

MODULES: dict[str, Any] = {"sa": sa, "postgresql": postgresql, "mysql": mysql, "oracle": oracle}
_QUOTE = '"'
_LONGEST_BINARY = 65_000


@dataclass(frozen=True, slots=True)
class Word:
    """A type as Python writes it.

    Attributes:
        field: the field of ``models``; ``Other`` for types that have none of their own.
        arguments: what the field is called with.
        modules: the modules that the arguments need: ``sa``, ``postgresql``, ``mysql``, ``oracle``.
    """

    field: str
    arguments: tuple[str, ...] = ()
    modules: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Candidate:
    type: TypeEngine[Any]
    word: Word


def choose_word(found: ColumnType, engine: str, charset: str | None = None, collation: str | None = None) -> Word:
    """Return the word for a type as introspection found it.

    Args:
        charset, collation: of a text, where they are not those of its table.
    """
    if charset or collation:
        collated = _collated(found, engine, charset, collation)
        if collated is not None:
            return collated.word
    if found.name:
        for candidate in _candidates(found, engine):
            if _is_same(candidate.type, found, engine):
                return candidate.word
    return _native(found)


def _is_same(type_: TypeEngine[Any], found: ColumnType, engine: str) -> bool:
    """Tell whether a column of this type would be found with the other's name."""
    if isinstance(type_, sa.Enum) and get_engine(engine).has_named_types:
        return True  # made of the name itself
    try:
        text = _dialect(engine).type_compiler_instance.process(type_)
    except (CompileError, AttributeError, NotImplementedError):
        return False
    if isinstance(type_, sa.ARRAY) and isinstance(type_.item_type, sa.Enum):
        return found.kind == "array"
    return same_text(declared_type(engine, text).name, found.name)


@lru_cache(maxsize=8)
def _dialect(engine: str) -> Dialect:
    found: Dialect = sa.make_url(f"{get_engine(engine).drivername}://").get_dialect()()
    return found


def _native(found: ColumnType) -> Word:
    kind = [] if found.kind == "unknown" else [f"kind={literal(found.kind)}"]
    return Word("Other", (f"models.Native({', '.join([literal(found.name), *kind])})",))


def _field(name: str, *args: Any, **options: Any) -> _Candidate:
    given = (*(literal(each) for each in args), *(f"{key}={literal(value)}" for key, value in options.items()))
    return _Candidate(getattr(fields, name)(*args, **options).sql_type(), Word(name, given))


def _type(module: str, name: str, /, *args: Any, **options: Any) -> _Candidate:
    """Return a type of SQLAlchemy in ``Other``; types without arguments are written as classes."""
    given = [literal(each) for each in args] + [f"{key}={literal(value)}" for key, value in options.items()]
    text = f"{module}.{name}" + (f"({', '.join(given)})" if given else "")
    return _Candidate(getattr(MODULES[module], name)(*args, **options), Word("Other", (text,), frozenset({module})))


def _candidates(found: ColumnType, engine: str) -> Iterator[_Candidate]:
    """Yield what could stand for a type, the plainest first."""
    if found.kind == "enum" and get_engine(engine).has_named_types:
        yield _named_enum(found)
        return
    yield from _KINDS.get(found.kind, _nothing)(found)
    yield from _OF_ENGINE.get(engine, _nothing)(found)


def _nothing(found: ColumnType) -> Iterator[_Candidate]:
    return iter(())


def _boolean(found: ColumnType) -> Iterator[_Candidate]:
    yield _field("Boolean")


def _integer(found: ColumnType) -> Iterator[_Candidate]:
    sign = {"unsigned": True} if found.name.endswith("unsigned") else {}
    yield _field("Integer", **sign)
    for bits in (64, 16):
        yield _field("Integer", bits=bits, **sign)
    yield _type("sa", "INT")


def _decimal(found: ColumnType) -> Iterator[_Candidate]:
    if found.precision is None:
        yield _type("sa", "Numeric")
        yield _type("sa", "DECIMAL")
        return
    scale = found.scale or 0
    if 0 <= scale <= min(30, found.precision) <= 65:
        yield _field("Decimal", found.precision, scale)
    for name in ("Numeric", "DECIMAL"):
        yield _type("sa", name, found.precision, scale)
        yield _type("sa", name, found.precision)


def _float(found: ColumnType) -> Iterator[_Candidate]:
    yield _field("Float")
    for name in ("REAL", "FLOAT", "DOUBLE_PRECISION"):
        yield _type("sa", name)


def _text(found: ColumnType) -> Iterator[_Candidate]:
    yield _field("Text")
    yield _type("sa", "Text")
    if found.length:
        yield _field("Varchar", max_length=found.length)
        yield _field("Char", max_length=found.length, fixed=True)
        for name in ("NVARCHAR", "NCHAR"):
            yield _type("sa", name, found.length)
    for name in ("String", "CHAR", "CLOB", "NVARCHAR"):
        yield _type("sa", name)


def _date(found: ColumnType) -> Iterator[_Candidate]:
    yield _field("Date")


def _time(found: ColumnType) -> Iterator[_Candidate]:
    yield _field("Time")
    yield _type("sa", "Time")


def _timestamp(found: ColumnType) -> Iterator[_Candidate]:
    yield _field("DateTime")
    yield _type("sa", "DateTime")
    yield _type("sa", "TIMESTAMP")


def _timestamp_tz(found: ColumnType) -> Iterator[_Candidate]:
    yield _field("Timestamp")
    yield _type("sa", "TIMESTAMP", timezone=True)


def _interval(found: ColumnType) -> Iterator[_Candidate]:
    yield _type("sa", "Interval")


def _uuid(found: ColumnType) -> Iterator[_Candidate]:
    yield _field("UUID")


def _json(found: ColumnType) -> Iterator[_Candidate]:
    yield _field("JSON")
    yield _type("sa", "JSON")


def _binary(found: ColumnType) -> Iterator[_Candidate]:
    yield _field("Binary")
    yield _type("sa", "BLOB")
    if found.length:
        if found.length < _LONGEST_BINARY:
            yield _field("Binary", max_length=found.length)
        yield _type("sa", "VARBINARY", found.length)
        yield _type("sa", "BINARY", found.length)


def _enum(found: ColumnType) -> Iterator[_Candidate]:
    if found.values and all(found.values):
        yield _field("Enum", *found.values)
    elif found.values:
        yield _type("sa", "Enum", *found.values)


def _network(found: ColumnType) -> Iterator[_Candidate]:
    yield _field("IP")


_KINDS: dict[str, Callable[[ColumnType], Iterator[_Candidate]]] = {
    "boolean": _boolean, "integer": _integer, "decimal": _decimal, "float": _float, "text": _text, "date": _date, "time": _time,
    "timestamp": _timestamp, "timestamp_tz": _timestamp_tz, "interval": _interval, "uuid": _uuid, "json": _json, "binary": _binary,
    "enum": _enum, "network": _network,
}  # fmt: skip

_PLAIN_POSTGRESQL = {
    "jsonb": "JSONB", "inet": "INET", "cidr": "CIDR", "macaddr": "MACADDR", "macaddr8": "MACADDR8", "money": "MONEY",
    "tsvector": "TSVECTOR", "tsquery": "TSQUERY", "citext": "CITEXT", "hstore": "HSTORE",
    "oid": "OID", "regclass": "REGCLASS", "bit varying": "BIT",
    **{f"{each}range": f"{each.upper()}RANGE" for each in ("int4", "int8", "num", "date", "ts", "tstz")},
    **{f"{each}multirange": f"{each.upper()}MULTIRANGE" for each in ("int4", "int8", "num", "date", "ts", "tstz")},
}  # fmt: skip


def _of_postgresql(found: ColumnType) -> Iterator[_Candidate]:
    if found.name in _PLAIN_POSTGRESQL:
        yield _type("postgresql", _PLAIN_POSTGRESQL[found.name], **({"varying": True} if found.name == "bit varying" else {}))
    if found.kind in ("time", "timestamp", "timestamp_tz"):
        name = "TIME" if found.kind == "time" else "TIMESTAMP"
        for zone in ({}, {"timezone": True}):
            yield _type("postgresql", name, **zone, **({"precision": found.precision} if found.precision is not None else {}))
    if found.kind == "bits" and found.length:
        yield _type("postgresql", "BIT", found.length)
        yield _type("postgresql", "BIT", found.length, varying=True)
    if found.kind == "interval":
        yield _type("postgresql", "INTERVAL")
    if found.kind == "array" and found.item is not None and found.name == f"{found.item.name}[]":
        array = _array(found.item)
        if array is not None:
            yield array


def _array(item: ColumnType) -> _Candidate | None:
    """Return an array of a type; None where SQLAlchemy has none for what is in it. Fields are no types: theirs is written in full."""
    inner = next((each for each in _candidates(item, "postgresql") if _is_same(each.type, item, "postgresql")), None)
    if inner is None:
        return None
    plain = inner.type
    if isinstance(plain, sa.Enum):
        *schema, name = split_name(item.name)
        inner = _type("sa", "Enum", *item.values, name=name, **({"schema": schema[0]} if schema else {}))
    elif inner.word.field != "Other":
        inner = next((each for each in _bare_types(item) if _is_same(each.type, item, "postgresql")), None)
    if inner is None:
        return None
    text, modules = inner.word.arguments[0], inner.word.modules
    return _Candidate(postgresql.ARRAY(inner.type), Word("Other", (f"postgresql.ARRAY({text})",), modules | {"postgresql"}))


def _bare_types(item: ColumnType) -> Iterator[_Candidate]:
    """Yield the types of SQLAlchemy behind the fields."""
    for name in ("Integer", "BigInteger", "SmallInteger", "Boolean", "Double", "Text", "Date", "Time", "DateTime", "Uuid"):
        yield _type("sa", name)
    yield _type("sa", "TIMESTAMP", timezone=True)
    yield _type("postgresql", "JSONB")
    yield _type("postgresql", "INET")
    yield _type("postgresql", "BYTEA")
    if item.length:
        yield _type("sa", "VARCHAR", item.length)
        yield _type("sa", "CHAR", item.length)
    if item.precision is not None:
        yield _type("sa", "Numeric", item.precision, item.scale or 0)


def _named_enum(found: ColumnType) -> _Candidate:
    """Return an enum of PostgreSQL: a type with a name, perhaps in a schema."""
    *schema, name = split_name(found.name)
    if schema or not all(found.values):
        return _type("sa", "Enum", *found.values, name=name, **({"schema": schema[0]} if schema else {}))
    arguments = [*(literal(value) for value in found.values), f"type_name={literal(name)}"]
    return _Candidate(sa.Enum(*found.values, name=name), Word("Enum", tuple(arguments)))


def split_name(text: str) -> list[str]:
    """Return the parts of a name as PostgreSQL prints it: ``"Sales & Co.".mood`` has two."""
    parts, part, quoted = [], "", False
    for character in text.replace('""', "\0"):
        if character == _QUOTE:
            quoted = not quoted
        elif character == "." and not quoted:
            parts.append(part)
            part = ""
        else:
            part += character
    return [each.replace("\0", _QUOTE) for each in (*parts, part)]


def _of_mysql(found: ColumnType) -> Iterator[_Candidate]:
    base, _, rest = found.name.partition("(")
    unsigned = found.name.endswith("unsigned")
    name = base.split(" ")[0].upper()
    if found.kind == "integer" and name in ("TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT"):
        width = {"display_width": int(rest.split(")")[0])} if rest else {}
        for size in ({}, width):
            yield _type("mysql", "INTEGER" if name == "INT" else name, **size, **({"unsigned": True} if unsigned else {}))
    elif found.kind == "integer" and name == "YEAR":
        yield _type("mysql", "YEAR")
    elif name in ("TINYTEXT", "MEDIUMTEXT", "LONGTEXT", "TINYBLOB", "MEDIUMBLOB", "LONGBLOB", "INET4", "INET6") and hasattr(mysql, name):
        yield _type("mysql", name)
    elif name == "SET" and all(found.values):
        yield _type("mysql", "SET", *found.values)
    elif found.kind == "bits":
        yield _type("mysql", "BIT", found.length or 1)
    elif found.kind in ("time", "timestamp", "timestamp_tz") and found.precision:
        yield _type("mysql", name, fsp=found.precision)


def _of_oracle(found: ColumnType) -> Iterator[_Candidate]:
    if found.kind == "integer" and found.precision:
        yield _type("oracle", "NUMBER", found.precision, 0)
    for name in ("DATE", "RAW", "BINARY_FLOAT", "BINARY_DOUBLE", "NCLOB", "LONG", "ROWID"):
        if found.name == name:
            yield _type("oracle", name)


_OF_ENGINE: dict[str, Callable[[ColumnType], Iterator[_Candidate]]] = {
    "postgresql": _of_postgresql, "mysql": _of_mysql, "mariadb": _of_mysql, "oracle": _of_oracle,
}  # fmt: skip


def _collated(found: ColumnType, engine: str, charset: str | None, collation: str | None) -> _Candidate | None:
    """Return a text with a character set or a collation of its own."""
    options = {key: value for key, value in (("charset", charset), ("collation", collation)) if value}
    module = "mysql" if charset else "sa"
    length = (found.length,) if found.length else ()
    for name in ("VARCHAR", "CHAR", "TEXT", "LONGTEXT", "MEDIUMTEXT", "TINYTEXT"):
        if not hasattr(MODULES[module], name):
            continue
        for args in (length, ()):
            candidate = _type(module, name, *args, **options)
            bare = _type(module, name, *args)
            if _is_same(bare.type, found, engine):
                return candidate
    return None
