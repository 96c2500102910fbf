"""Functions that every connection to SQLite has from us, for what its own cannot do exactly, or not at all.

What one of them refuses SQLite reports as "user-defined function raised exception" and nothing else, so the error itself is kept beside,
for the thread in which the statement runs: ``take_failure``.
"""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from qapla.database.jsonorder import compare_texts, contains_text
from qapla.errors import QaplaError, ValueRefused

if TYPE_CHECKING:
    from collections.abc import Callable
    from sqlite3 import Connection

    import regex
    from sqlalchemy import Engine

MATCH_TIMEOUT_S = 1.0  # of one regular expression on one value: some take for ever
_failed = threading.local()
_MOMENT = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)(?:[Tt ](?P<minute>\d\d:\d\d)(?P<second>:\d\d)?(?P<fraction>\.\d+)?)?\s?(?:[Zz]|[+-]\d\d:?\d\d)?", re.ASCII
)


def real_text(value: float) -> str:
    """Return a real as JSON, every digit right; SQLite's own ``printf`` is off by one in the last of them now and then."""
    if value in (float("inf"), float("-inf")):
        return '"Infinity"' if value > 0 else '"-Infinity"'
    return repr(value)


def lower(value: Any) -> Any:
    """Return a text in lower case, of every alphabet; SQLite's own function knows the letters a to z.

    It comes as bytes: of a text that is not UTF-8 SQLite would make no argument, but an error.
    """
    return value.decode("utf-8", "replace").lower() if isinstance(value, bytes) else value


def plain_moment(value: Any) -> Any:
    """Return a date or a time stamp, in whichever of its usual forms a file has it, in the one form in which all can be compared.

    That is ``2024-01-02 03:04:05.678``: a space, no zone, a fraction only where there is one. Other values come back as they are.
    """
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    fraction = (found["fraction"] or "").rstrip("0").rstrip(".")
    return f"{found['day']} {found['minute'] or '00:00'}{found['second'] or ':00'}{fraction}"


def real_as_text(value: Any) -> Any:
    """Return a real as the text that a cast gives: ``1``, ``0.1``, ``Infinity``."""
    return real_text(value).strip('"').removesuffix(".0") if isinstance(value, float) else value


def matches(value: Any, pattern: str, flags: str = "") -> bool | None:
    """Tell whether a regular expression is found in a text.

    Raises:
        TimeoutError: it takes longer than anybody waits for one value.
    """
    if value is None:
        return None
    return compile_pattern(f"{flags}{pattern}").search(str(value), timeout=MATCH_TIMEOUT_S) is not None


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> regex.Pattern[str]:
    """Return a regular expression, ready to be searched for.

    Raises:
        regex.error: it is none.
    """
    import regex  # only those who search by one pay for it

    return regex.compile(pattern)


def check_pattern(pattern: str) -> None:
    """Refuse a text that is no regular expression.

    Raises:
        ValueRefused: 2201B.
    """
    import regex

    try:
        compile_pattern(pattern)
    except (regex.error, OverflowError, RecursionError, MemoryError) as error:
        raise ValueRefused(f"{pattern[:60]!r} is not a regular expression ({error})", code="2201B") from error


def install(connection: Connection) -> None:
    """Give *connection* every function and the collation."""
    from qapla.database.casting import cast, round_decimal  # these read and print values as queries do, above this layer
    from qapla.database.jsonsteps import find, find_text

    for name, count, function in (
        ("qapla_real", 1, real_text),
        ("qapla_lower", 1, lower),
        ("qapla_moment", 1, plain_moment),
        ("qapla_text", 1, real_as_text),
        ("qapla_round", 1, round_decimal),
        ("qapla_cast", 2, _kept(cast)),
        ("qapla_step", 2, find),
        ("qapla_step_text", 2, find_text),
        ("qapla_match", 2, _kept(matches)),
        ("qapla_imatch", 2, _kept(lambda value, pattern: matches(value, pattern, "(?i)"))),
        ("qapla_contains", 2, contains_text),
        ("qapla_contained", 2, lambda part, whole: contains_text(whole, part)),
    ):
        connection.create_function(name, count, function, deterministic=True)
    connection.create_collation("qapla_json", compare_texts)


def lend(engine: Engine) -> None:
    """Have every connection of a SQLite *engine* get the functions when it is taken from the pool; of other engines, nothing."""
    if engine.dialect.name == "sqlite" and not event.contains(engine, "checkout", _lend):
        event.listen(engine, "checkout", _lend)


def _lend(connection: Any, record: Any, proxy: Any) -> None:
    if not record.info.setdefault("qapla_functions", False):
        install(connection)
        record.info["qapla_functions"] = True


def take_failure() -> QaplaError | None:
    """Return the error of a function that failed in this thread since this was last asked, or None."""
    error, _failed.error = getattr(_failed, "error", None), None
    return error


def _kept(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return *function*, which leaves its error for ``take_failure``."""

    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except QaplaError as error:
            _failed.error = error.with_traceback(None)
            raise
        except TimeoutError:
            said = f"a regular expression is too complex: it takes longer than {MATCH_TIMEOUT_S:g} s with one value"
            _failed.error = ValueRefused(said, code="2201B", hint="write a simpler one")
            raise

    return call
