"""Dates and times as text, read and written the way each engine stores them.

PostgreSQL reads them itself, with all of its calendar (BC, infinity, year 10000); the others get what is checked here, since they would
take a wrong one silently in a comparison.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from qapla.errors import ValueRefused

if TYPE_CHECKING:
    from qapla.database.schema.description import Kind

_DATE = r"(?P<year>[+-]?\d{4,})-(?P<month>\d{2})-(?P<day>\d{2})"
_TIME = r"(?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
_ZONE = r"\s?(?P<zone>[Zz]|[+-]\d{2}(?::?\d{2})?)"
_MOMENT = re.compile(rf"{_DATE}(?:[Tt ]{_TIME}(?:{_ZONE})?)?", re.ASCII)
_CLOCK = re.compile(rf"{_TIME}(?:{_ZONE})?", re.ASCII)
_SPAN = re.compile(r"-?\d{1,3}:[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?", re.ASCII)  # TIME of MariaDB: up to 838 hours, either way


def read_moment(text: str, kind: Kind, *, has_zero_dates: bool) -> str:
    """Return *text*, a date or a time of *kind*, as MariaDB and SQLite write it: a space for the ``T``, in UTC where it has a zone.

    A timestamp without zone ignores a zone, as PostgreSQL does. A date alone stays one: SQLite compares text.

    Args:
        has_zero_dates: 0000-00-00 and 2020-00-00 are values.

    Raises:
        ValueRefused: 22007 when it is none, 22008 when there is no such day or time.
    """
    if kind == "time":
        return _read_time(text)
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise _no_moment(text, kind)
    _check_day(text, found, has_zero_dates)
    if kind == "date":
        return text[:10]
    if found["hour"] is None:
        return text
    _check_time(text, found)
    fraction = (found["fraction"] or "").rstrip("0")[:6]
    plain = f"{text[:10]} {found['hour']}:{found['minute']}:{found['second'] or '00'}{'.' + fraction if fraction else ''}"
    if kind == "timestamp_tz" and found["zone"] and found["zone"].strip("Zz+-0:"):  # a zero date cannot be moved
        return _to_utc(text, plain, found["zone"], fraction)
    return plain


def _read_time(text: str) -> str:
    if _SPAN.fullmatch(text):
        if abs(int(text.split(":")[0])) > 838:
            raise _no_such(text)
        return text if text.count(":") == 2 else f"{text}:00"
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise _no_moment(text, "time")
    _check_time(text, found)
    return re.sub(rf"{_ZONE}$", "", text)


def _check_day(text: str, found: re.Match[str], has_zero_dates: bool) -> None:
    year, month, day = int(found["year"]), int(found["month"]), int(found["day"])
    if has_zero_dates and len(found["year"]) == 4 and month <= 12 and day <= 31 and 0 in (month, day):
        return
    if len(found["year"]) != 4:
        raise _no_such(text)
    try:
        date(year or 4, month, day)  # the year 0 of both is a leap year
    except ValueError as error:
        raise _no_such(text) from error


def _check_time(text: str, found: re.Match[str]) -> None:
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"] or 0)
    if hour > 24 or minute > 59 or second > 60 or (hour == 24 and (minute or second)):
        raise _no_such(text)


def _to_utc(text: str, plain: str, zone: str, fraction: str) -> str:
    hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
    ahead = timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)
    try:
        moment = datetime.fromisoformat(plain.partition(".")[0]).replace(tzinfo=UTC) - ahead
    except (ValueError, OverflowError) as error:
        raise _no_such(text) from error
    return f"{moment:%Y-%m-%d %H:%M:%S}".rjust(19, "0") + (f".{fraction}" if fraction else "")


def _no_moment(text: str, kind: Kind) -> ValueRefused:
    example = {"date": "2024-12-31", "time": "23:59:59"}.get(kind, "2024-12-31T23:59:59")
    return ValueRefused(f"{text[:100]!r} is not a {kind.replace('_tz', '')}", code="22007", hint=f"write it as {example}")


def _no_such(text: str) -> ValueRefused:
    return ValueRefused(f"{text[:100]!r} is out of range for dates and times", code="22008")
