"""Fields of days, times and moments."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from qapla.database.models import types
from qapla.database.models.field import Field, Refused

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine


class Date(Field):
    """A day."""

    words = "a date"

    def sql_type(self) -> TypeEngine[Any]:
        """Return the type."""
        return sa.Date()

    def read(self, value: Any) -> dt.date:
        """Return a date, also from ISO text; never from a date with a time."""
        if isinstance(value, dt.datetime):
            raise Refused("write value.date() if that is meant")
        return value if isinstance(value, dt.date) else dt.date.fromisoformat(value)


class Time(Field):
    """A time of day, without a zone."""

    words = "a time of day without zone"

    def sql_type(self) -> TypeEngine[Any]:
        """Return the type, with microseconds."""
        return types.Clock()

    def read(self, value: Any) -> dt.time:
        """Return a time, also from ISO text."""
        found = value if isinstance(value, dt.time) else dt.time.fromisoformat(value)
        if found.tzinfo is not None:
            raise Refused("a time of day in a zone has no meaning without its day; see Timestamp")
        return found


class DateTime(Field):
    """Date and time as a clock on a wall shows them: without a zone. For a moment in time see Timestamp."""

    words = "a date with time, without zone"

    def __init__(self, *, auto_now_add: bool = False, auto_now: bool = False, **options: Any) -> None:
        if auto_now_add or auto_now:
            options.setdefault("default", self.now)
        super().__init__(**options)
        self.auto_now = auto_now

    def sql_type(self) -> TypeEngine[Any]:
        """Return the type, with microseconds."""
        return types.WallClock()

    def make_column(self, model: type, name: str, *constraints: Any, **options: Any) -> Any:
        """Return the mapped column; with ``auto_now`` each UPDATE sets it."""
        if self.auto_now:
            options["onupdate"] = self.now
        return super().make_column(model, name, *constraints, **options)

    def now(self) -> dt.datetime:
        """Return what the clock shows."""
        return dt.datetime.now()

    def read(self, value: Any) -> dt.datetime:
        """Return date and time, also from ISO text; nothing in a zone."""
        found = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(value)
        if found.tzinfo is not None:
            raise Refused("it is in a time zone, which DateTime cannot keep; use Timestamp, or value.replace(tzinfo=None)")
        return found


class Timestamp(DateTime):
    """A moment in time: given in any zone, kept and read in UTC."""

    words = "a moment in time, with its zone"

    def sql_type(self) -> TypeEngine[Any]:
        """Return the type, with microseconds, that means the same moment on every engine."""
        return types.Moment()

    def now(self) -> dt.datetime:
        """Return this moment."""
        return dt.datetime.now(dt.UTC)

    def read(self, value: Any) -> dt.datetime:
        """Return the moment in UTC, also from ISO text with its offset."""
        found = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(value)
        if found.tzinfo is None:
            raise Refused("it has no time zone: datetime.now(UTC), or use DateTime")
        return found.astimezone(dt.UTC)
