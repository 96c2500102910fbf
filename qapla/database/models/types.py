"""Types of columns that mean the same on every engine, where SQLAlchemy's own differ."""

from __future__ import annotations

import datetime as dt
import decimal
import ipaddress
import uuid
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.types import TypeDecorator, UserDefinedType

from qapla.errors import ValueRefused

if TYPE_CHECKING:
    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine


class Named(UserDefinedType[Any]):
    """A type of SQLite that is a name only: it says to readers what the text in it is."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **options: Any) -> str:
        """Return the name."""
        return self.name


class Moment(TypeDecorator[dt.datetime]):
    """A moment in time, in UTC: on engines that keep no offset it is kept in UTC without one, or with ``+00:00`` in text."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True
    is_plain = True  # frames read what the database keeps, by the kind of the column

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the engine's type for moments."""
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.TIMESTAMP(fsp=6))
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Named("TIMESTAMPTZ"))
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Return it in UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment in time has a time zone")
        found = value.astimezone(dt.UTC)
        if dialect.name == "sqlite":
            return f"{as_text(found.replace(tzinfo=None))}+00:00"
        return found.replace(tzinfo=None) if dialect.name in ("mysql", "mariadb") else found

    def process_result_value(self, value: Any, dialect: Dialect) -> dt.datetime | None:
        """Return it in UTC."""
        if isinstance(value, str):
            value = dt.datetime.fromisoformat(value)
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


def as_text(value: dt.datetime) -> str:
    """Return the text that SQLite keeps: in the form that REST writes, since texts are what it compares and sorts."""
    text = value.isoformat(" ")
    return text.rstrip("0") if value.microsecond else text


class WallClock(TypeDecorator[dt.datetime]):
    """Date and time without a zone, with microseconds."""

    impl = sa.DateTime()
    cache_ok = True
    is_plain = True  # frames read what the database keeps, by the kind of the column

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the engine's type."""
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(Named("DATETIME") if dialect.name == "sqlite" else sa.DateTime())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Return it as the driver takes it."""
        return as_text(value) if dialect.name == "sqlite" and isinstance(value, dt.datetime) else value

    def process_result_value(self, value: Any, dialect: Dialect) -> dt.datetime | None:
        """Return date and time."""
        return dt.datetime.fromisoformat(value) if isinstance(value, str) else value


class Clock(TypeDecorator[dt.time]):
    """A time of day, with microseconds. SQLite's text has none where they are zero: as everybody else writes and compares it."""

    impl = sa.Time()
    cache_ok = True
    is_plain = True  # frames read what the database keeps, by the kind of the column

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the engine's type."""
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.TIME(fsp=6))
        return dialect.type_descriptor(Named("TIME") if dialect.name == "sqlite" else sa.Time())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Return it as the driver takes it."""
        return value.isoformat() if dialect.name == "sqlite" and isinstance(value, dt.time) else value

    def process_result_value(self, value: Any, dialect: Dialect) -> dt.time | None:
        """Return a time."""
        return dt.time.fromisoformat(value) if isinstance(value, str) else value


SQLITE_DIGITS = 15  # what a double keeps of a decimal number; SQLite makes one of every NUMERIC
WIDE = decimal.Context(prec=400)  # digits: any double, printed in full


class ExactDecimal(TypeDecorator[decimal.Decimal]):
    """A number with exact digits. SQLite keeps 15 of them, and numbers with more are refused there instead of rounded."""

    impl = sa.Numeric
    cache_ok = True
    is_plain = True  # frames read what the database keeps, by the kind of the column

    def __init__(self, precision: int, scale: int) -> None:
        super().__init__(precision, scale)
        self.precision, self.scale = precision, scale

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the engine's type."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Named(f"NUMERIC({self.precision}, {self.scale})"))
        return dialect.type_descriptor(sa.Numeric(self.precision, self.scale))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Return it as the driver takes it."""
        if value is None or dialect.name != "sqlite":
            return value
        found = decimal.Decimal(str(value))
        if found.is_finite() and len("".join(map(str, found.as_tuple().digits)).rstrip("0")) > SQLITE_DIGITS:
            raise ValueRefused(f"{str(found)!r} has more than {SQLITE_DIGITS} digits, and SQLite would round it", hint="keep it as Text")
        return str(found)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Return it with all its digits."""
        if value is None or isinstance(value, decimal.Decimal):
            return value
        return decimal.Decimal(str(value)).quantize(decimal.Decimal(1).scaleb(-self.scale), context=WIDE)


class AnyUuid(TypeDecorator[uuid.UUID]):
    """A UUID, by the engine's own type where it has one; as text, with its dashes, elsewhere."""

    impl = sa.Uuid()
    cache_ok = True
    is_plain = True  # frames read what the database keeps, by the kind of the column

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the engine's type."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Named("UUID"))
        if dialect.name == "postgresql" or dialect.name == "mariadb":
            return dialect.type_descriptor(sa.UUID())
        return dialect.type_descriptor(sa.CHAR(36))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Return it as the driver takes it."""
        if value is None:
            return None
        found = value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))
        return found if dialect.name in ("postgresql", "mariadb") else str(found)

    def process_result_value(self, value: Any, dialect: Dialect) -> uuid.UUID | None:
        """Return a UUID."""
        return value if value is None or isinstance(value, uuid.UUID) else uuid.UUID(str(value))


class Address(TypeDecorator[Any]):
    """An IP address, by the engine's own type where it has one, else as text."""

    impl = sa.String(45)
    cache_ok = True
    is_plain = True  # frames read what the database keeps, by the kind of the column

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the engine's type."""
        return dialect.type_descriptor(postgresql.INET() if dialect.name == "postgresql" else sa.String(45))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Return its text."""
        return None if value is None else str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Return the address."""
        return ipaddress.ip_address(value) if isinstance(value, str) else value
