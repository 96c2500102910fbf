"""The fields of models, each a column on every engine::

    field            Python                   column (PostgreSQL · MariaDB · SQLite)
    Integer          int                      INTEGER; bits=16 SMALLINT, bits=64 BIGINT
    Float            float                    DOUBLE PRECISION
    Decimal          decimal.Decimal          NUMERIC(precision, scale)
    Char, Varchar    str                      VARCHAR(max_length); fixed=True: CHAR
    Text             str                      TEXT · LONGTEXT · TEXT
    Boolean          bool                     BOOLEAN · TINYINT(1) · BOOLEAN
    Date, Time       date, time               DATE, TIME; MariaDB with microseconds
    DateTime         datetime, without zone   TIMESTAMP · DATETIME(6) · DATETIME
    Timestamp        datetime, in UTC         TIMESTAMPTZ · TIMESTAMP(6) · TIMESTAMPTZ
    UUID, GUID       uuid.UUID                UUID; CHAR(36) on MySQL; a GUID is made by itself
    JSON             what JSON can say        JSONB · JSON · JSON
    Binary           bytes                    BYTEA · LONGBLOB · BLOB
    IP               IPv4Address, IPv6Address INET · VARCHAR(45) · VARCHAR(45)
    Enum             str, or your enum        CREATE TYPE … AS ENUM · ENUM · VARCHAR with a check
    Password         Hashed                   VARCHAR(255): argon2 or bcrypt, see password

A value that is none of its field is refused when it is assigned.
"""

from __future__ import annotations

import enum
import ipaddress
import json
import uuid
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

from qapla.database.models import types
from qapla.database.models.field import Field, Refused
from qapla.database.models.numbers import KEY_TYPE, Decimal, Float, Integer, PrimaryKey
from qapla.database.models.times import Date, DateTime, Time, Timestamp
from qapla.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.types import TypeEngine

__all__ = [
    "GUID", "IP", "JSON", "KEY_TYPE", "UUID", "Binary", "Boolean", "Char", "Date", "DateTime", "Decimal", "Enum", "Float", "Integer",
    "Other", "PrimaryKey", "Text", "Time", "Timestamp", "Varchar",
]  # fmt: skip


class _String(Field):
    words = "text"

    def read(self, value: Any) -> str:
        """Return text."""
        if not isinstance(value, str):
            raise Refused("write str(value) if that is meant")
        if "\0" in value:
            raise Refused("PostgreSQL keeps no NUL characters")
        value.encode()  # lone surrogates: a UnicodeEncodeError is a ValueError
        return value


class Varchar(_String):
    """Text of a limited length.

    Args:
        max_length: how many characters it may have.
        fixed: a column of type ``CHAR``, which fills up with blanks; for databases that have it so.
    """

    def __init__(self, max_length: int = 255, *, fixed: bool = False, **options: Any) -> None:
        super().__init__(**options)
        if isinstance(max_length, bool) or not isinstance(max_length, int) or not 1 <= max_length <= 16383:
            raise ModelError(f"{self.kind} of max_length {max_length!r} is not offered", hint="1 to 16383; else use Text")
        self.max_length, self.fixed = max_length, fixed

    def sql_type(self) -> TypeEngine[Any]:
        """Return the type of that length."""
        return sa.CHAR(self.max_length) if self.fixed else sa.String(self.max_length)

    def read(self, value: Any) -> str:
        """Return text that fits; nothing is cut off."""
        text = super().read(value)
        if len(text) > self.max_length:
            raise Refused(f"it has {len(text)} characters, and max_length is {self.max_length}")
        return text


class Char(Varchar):
    """Text of a limited length: the same as Varchar."""


class Text(_String):
    """Text of any length."""

    def sql_type(self) -> TypeEngine[Any]:
        """Return the type that is not limited."""
        return sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")


class Boolean(Field):
    """True or false."""

    words = "true or false"

    def sql_type(self) -> TypeEngine[Any]:
        """Return the type."""
        return sa.Boolean()

    def read(self, value: Any) -> bool:
        """Return True or False, also for 1 and 0."""
        if isinstance(value, bool) or (isinstance(value, int) and value in (0, 1)):
            return bool(value)
        raise Refused("True, False, 1 or 0")


class UUID(Field):
    """A UUID."""

    words = "a UUID"

    def sql_type(self) -> TypeEngine[Any]:
        """Return the engine's own type where it has one."""
        return types.AnyUuid()

    def read(self, value: Any) -> uuid.UUID:
        """Return a UUID, also from its text."""
        return value if isinstance(value, uuid.UUID) else uuid.UUID(value)


class GUID(UUID):
    """A UUID that a new row makes by itself."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"default": uuid.uuid4, **options})


class JSON(Field):
    """Anything that JSON can say. ``None`` is SQL's NULL. ``save()`` sees what has been changed inside."""

    words = "a value of JSON"

    def sql_type(self) -> TypeEngine[Any]:
        """Return the type; on PostgreSQL the one that can be searched."""
        return sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")

    def read(self, value: Any) -> Any:
        """Return *value* itself, once JSON can be made of it."""
        try:
            text = json.dumps(value, allow_nan=False, ensure_ascii=False)
            text.encode()  # lone surrogates
        except (TypeError, ValueError, RecursionError) as error:
            raise Refused(str(error)) from error
        if "\\u0000" in text:
            raise Refused("PostgreSQL keeps no NUL characters")
        if _has_other_keys(value):
            raise Refused("keys are text: others would be read as text")
        return value


def _has_other_keys(value: Any) -> bool:
    if isinstance(value, dict):
        return not all(isinstance(key, str) for key in value) or any(map(_has_other_keys, value.values()))
    return isinstance(value, list | tuple) and any(map(_has_other_keys, value))


class Binary(Field):
    """Bytes.

    Args:
        max_length: how many; None for any number.
    """

    words = "bytes"

    def __init__(self, max_length: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.max_length = max_length

    def sql_type(self) -> TypeEngine[Any]:
        """Return the type for bytes."""
        found: Any = mysql.VARBINARY(self.max_length) if self.max_length and self.max_length < 65000 else mysql.LONGBLOB()
        return sa.LargeBinary(self.max_length).with_variant(found, "mysql", "mariadb")

    def read(self, value: Any) -> bytes:
        """Return bytes, also from bytearray and memoryview; never from text."""
        if not isinstance(value, bytes | bytearray | memoryview):
            raise Refused("write value.encode() if text is meant")
        found = bytes(value)
        if self.max_length is not None and len(found) > self.max_length:
            raise Refused(f"it has {len(found)} bytes, and max_length is {self.max_length}")
        return found


class IP(Field):
    """An address of IPv4 or IPv6."""

    words = "an IP address"

    def sql_type(self) -> TypeEngine[Any]:
        """Return the engine's own type where it has one."""
        return types.Address()

    def read(self, value: Any) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        """Return the address, also from its text; never from a number, which could be either."""
        if isinstance(value, ipaddress.IPv4Address | ipaddress.IPv6Address):
            found = value
        elif isinstance(value, str):
            found = ipaddress.ip_address(value)
        else:
            raise Refused("'192.0.2.1' or '2001:db8::1'")
        if isinstance(found, ipaddress.IPv6Address) and found.scope_id:
            raise Refused("an address with a zone is not kept")
        return found


class Enum(Field):
    """One of a few texts: ``Enum("red", "blue")``, or ``Enum(Colour)`` of an ``enum.Enum``, whose members rows have then.

    Of an enum with texts as values the values are kept, else the names.

    Args:
        values: the texts, or one class.
        type_name: what the type is called on PostgreSQL; by default after table and column.
    """

    words = "one of its values"

    def __init__(self, *values: Any, type_name: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        if len(values) == 1 and isinstance(values[0], list | tuple | set | frozenset):
            values = tuple(values[0])
        self.members: Mapping[str, enum.Enum] | None = None
        if len(values) == 1 and isinstance(values[0], type) and issubclass(values[0], enum.Enum):
            members = list(values[0])
            by_value = all(isinstance(member.value, str) for member in members)
            self.members = {member.value if by_value else member.name: member for member in members}
            values = tuple(self.members)
        if not values or not all(isinstance(value, str) and value for value in values):
            raise ModelError("Enum has no values" if not values else "Enum takes texts", hint="Enum('red', 'blue'), or Enum(Colour)")
        if len(set(values)) < len(values):
            raise ModelError(f"Enum has a value twice: {', '.join(map(repr, values))}")
        self.values, self.type_name = values, type_name

    def sql_type(self) -> TypeEngine[Any]:
        """Return the type without a name."""
        return self._type(None)

    def type_for(self, model: type, name: str) -> TypeEngine[Any]:
        """Return the type, named after table and column."""
        return self._type(self.type_name or f"{getattr(model, '__tablename__', model.__name__.lower())}_{self.column or name}")

    def _type(self, name: str | None) -> TypeEngine[Any]:
        if self.members is None:
            return sa.Enum(*self.values, name=name, create_constraint=True, validate_strings=True)
        some = next(iter(self.members.values()))
        texts = {member: text for text, member in self.members.items()}
        callable_ = {"values_callable": lambda members: [texts[member] for member in members]}
        return sa.Enum(type(some), name=name, create_constraint=True, validate_strings=True, **callable_)

    def read(self, value: Any) -> Any:
        """Return the member, or the text."""
        if self.members is not None:
            if value in self.members.values():
                return value
            if isinstance(value, str) and value in self.members:
                return self.members[value]
        elif isinstance(value, str) and value in self.values:
            return str(value)
        raise Refused(f"there are {', '.join(map(repr, self.values[:10]))}")


class Other(Field):
    """A column of any type of SQLAlchemy's: ``Other(postgresql.TSVECTOR())``. Values are not checked."""

    def __init__(self, sql_type: Any, **options: Any) -> None:
        super().__init__(**options)
        self._type = sql_type() if isinstance(sql_type, type) else sql_type

    def sql_type(self) -> TypeEngine[Any]:
        """Return the type."""
        return self._type
