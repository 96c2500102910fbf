"""What comes from outside is looked at where it comes in: numbers, flags, sources. Messages name the thing and the value."""

from __future__ import annotations

from math import inf, isnan
from typing import Any

from qapla.errors import ConfigurationError, QaplaError, QueryError

LONGEST_S = 1e12  # what Redis still takes as a time to live
LARGEST = 2**63 - 1  # its whole numbers


def check_seconds(value: object, what: str, error: type[QaplaError], *, longest_s: float = inf, is_needed: bool = False) -> None:
    """Raise *error* unless *value* is seconds, more than 0, or None where it is not needed; *what* names it."""
    if value is None and not is_needed:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= longest_s:
        raise error(f"{what} is {shown(value)}", hint="seconds, more than 0" if is_needed else "seconds, more than 0; None: no limit")


def check_count(value: object, what: str, error: type[QaplaError] = QueryError) -> None:
    """Raise *error* unless *value* is a whole number of things, at least 1, or None."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST):
        raise error(f"{what} is {shown(value)}", hint="a whole number, at least 1")


def check_number(value: object, what: str, *, is_size: bool = False) -> None:
    """Raise a QueryError unless *value* is a number that a float can be, or None; with *is_size* it is more than 0, and ends."""
    if value is None:
        return
    try:
        if isinstance(value, bool) or not isinstance(value, int | float) or isnan(value) or (is_size and not 0 < value < inf):
            raise ValueError
        float(value)
    except (ValueError, OverflowError):
        raise QueryError(f"{what} is {shown(value)}", hint="a number, more than 0" if is_size else "a number") from None


def check_flag(value: object, what: str) -> None:
    """Raise a QueryError unless *value* is True or False."""
    if not isinstance(value, bool):
        raise QueryError(f"{what} is {value!r}", hint="True or False")


def check_flags(options: Any, *names: str) -> None:
    """Raise a QueryError unless the attributes *names* are True or False."""
    for name in names:
        check_flag(getattr(options, name), repr(name))


def check_source(source: object, what: str, methods: tuple[str, ...]) -> None:
    """Raise a ConfigurationError unless *source* has what *what* has to have."""
    for method in methods:
        if not callable(getattr(source, method, None)):
            raise ConfigurationError(f"{what} is of type {type(source).__name__!r}, which has no {method!r}", hint="the memory comes first")


def shown(value: object) -> str:
    """Return *value* for a message, not the whole of it where it is long."""
    try:
        text = repr(value)
    except ValueError:  # more digits than Python writes
        return "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:60]}…"
