"""A moment in UTC, the same on every engine: an aware ``datetime`` goes in and comes out, to the microsecond."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from qapla.database.models.types import Moment

if TYPE_CHECKING:
    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine


class UtcDateTime(Moment):
    """A moment in UTC. A ``datetime`` without zone is taken for UTC; MariaDB's column is one that no zone of a session moves."""

    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the engine's type."""
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(DATETIME(fsp=6))
        return super().load_dialect_impl(dialect)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Send it in UTC."""
        return super().process_bind_param(as_utc(value) if isinstance(value, datetime) else value, dialect)


class utc_now(FunctionElement[datetime]):
    """This moment as the database has it, in UTC: for ``server_default``."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(utc_now)
def _as_standard(element: utc_now, compiler: Any, **parts: Any) -> str:
    return "CURRENT_TIMESTAMP"  # with its zone, or in UTC on SQLite


@compiles(utc_now, "mysql")
def _as_mysql(element: utc_now, compiler: Any, **parts: Any) -> str:
    return "(UTC_TIMESTAMP(6))"


@compiles(utc_now, "mariadb")
def _as_mariadb(element: utc_now, compiler: Any, **parts: Any) -> str:
    return "utc_timestamp(6)"  # in the words of its catalog, so that a comparison finds no difference


def as_utc(value: datetime) -> datetime:
    """Return the same moment in UTC; without a zone it is in UTC already."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def now() -> datetime:
    """Return this moment, in UTC."""
    return datetime.now(UTC)
