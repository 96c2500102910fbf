"""What an engine answers when it refuses, mapped to the SQLSTATE, the status and the class it has on every engine (``sqlstates``).

``translate`` is the one edge where a driver's error becomes one of ours. A client can rely on the code: 23505 is a unique violation
on SQLite, too. Messages are said once here, the same for all engines where the engine only names the thing; what PostgreSQL says
by itself is kept, without the contents of the failing row.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from qapla.database.query.casts import read_failed_cast
from qapla.database.raised import read_raised, read_status
from qapla.database.sqlstates import BY_CODE, CASES, get_status
from qapla.errors import (
    AccessError,
    DatabaseError,
    QaplaError,
    ReadOnly,
    TimedOut,
    TooLarge,
    Unavailable,
    ValueRefused,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RETRY_AFTER = {"Retry-After": "5"}
REFRESH = "the database has changed under way; refresh its schema"

MARIADB_CODES: Mapping[int, str] = {number: case.code for case in CASES for number in case.mysql}
SQLITE_CODES: Mapping[str, str] = {name: case.code for case in CASES for name in case.sqlite}
ORACLE_CODES: Mapping[str, str] = {name: case.code for case in CASES for name in case.oracle}
# libpq gives no code for what goes wrong while connecting, only the server's words; SQLite has one code for all that is wrong with a
# statement, only the text tells.
POSTGRESQL_TEXTS = tuple((re.compile(pattern), case.code) for case in CASES for pattern in case.postgresql)
SQLITE_TEXTS = tuple((re.compile(pattern, re.IGNORECASE), case.code) for case in CASES for pattern in case.texts)


NO_MOMENT = re.compile(r"(date|timestamp) too (small|large) ")  # psycopg's words for what Python has no value for
MOMENTS = (1082, 1114, 1184)  # date, timestamp, timestamptz


def translate(engine: str, error: BaseException, database: str) -> QaplaError:
    """Return *error*, raised by the driver of *engine*, as one of ours.

    Args:
        engine: a key of ``dialects.ENGINES``.
        database: the name under which it is served, for messages.
    """
    if isinstance(error, QaplaError):
        return error
    error = getattr(error, "orig", None) or error
    refused = _refused_value(error)
    if refused is not None:
        return refused
    code, parts = _READERS[engine](error)
    return _as_ours(code, parts, database)


def is_missing(error: QaplaError) -> bool:
    """Tell whether *error* says that a table or a column has gone since the schema was read."""
    return error.code in ("42703", "PGRST205") and error.hint == REFRESH


def _as_ours(code: str, parts: dict[str, Any], database: str) -> QaplaError:
    """Return the error of the class that belongs to *code*."""
    named = {name: parts.get(name) for name in ("column", "constraint", "table")}
    message = parts.get("message") or _say(code, named)
    shared: dict[str, Any] = {"details": parts.get("details"), "hint": parts.get("hint")}
    if code.startswith(("08", "57P")) or code in ("3D000", "28P01", "28000", "53300"):
        cause = {"3D0": "the database does not exist", "280": "the login was refused", "28P": "the login was refused"}.get(code[:3])
        said = cause or {"53300": "it takes no more connections", "57P01": "it is shutting down"}.get(code, "it cannot be reached")
        return Unavailable(f"database {database!r} cannot be used now: {said}", code="PGRST000", details=code, headers=RETRY_AFTER)
    if code == "PGRST":
        return read_raised(parts.get("message"), parts.get("details"))
    if code in ("57014", "55P03"):
        said = "took longer than the connection allows" if code == "57014" else "waited too long for a lock that somebody else holds"
        return TimedOut(f"the statement on database {database!r} {said}", code=code, headers=RETRY_AFTER)
    if code == "25006":
        return ReadOnly(message, **shared)
    if code == "42501":
        return AccessError(message, **shared)
    if code in ("42P01", "42703"):
        rest = "PGRST205" if code == "42P01" else code
        return DatabaseError(message, code=rest, status=_status(code), hint=shared["hint"] or REFRESH, **named)
    if code == "22023" and message.startswith("role ") and message.endswith("does not exist"):
        return DatabaseError(message, code=code, status=401, **shared)  # whoever issued the token means another database
    if code == "54000":
        return TooLarge(message, code=code, **shared)
    return DatabaseError(message, code=code, status=_status(code), **shared, **named)


def _status(code: str) -> int:
    return read_status(code) or get_status(code)


def _say(code: str, named: Mapping[str, str | None]) -> str:
    text = BY_CODE[code].text if code in BY_CODE else f"the database refused it ({code})"
    for name, value in named.items():
        if not value:
            text = text.replace(f" for {name} {{{name}}}", "")
        text = text.replace(f" {{{name}}}", f" {_quoted(value)}" if value else "")
    return text


def _quoted(name: str) -> str:
    return f'"{name}"'


def _refused_value(error: BaseException) -> QaplaError | None:
    """Return the error for a value that did not even reach the database, or None."""
    if "user-defined function raised" in str(error):
        from qapla.database.functions import take_failure

        return take_failure()
    if isinstance(error, OverflowError):
        return ValueRefused("a number is out of range for the database", code="22003")
    if isinstance(error, UnicodeError):
        return ValueRefused("a text cannot be written as UTF-8", code="22021")
    if "NUL (0x00)" in str(error) or "embedded null" in str(error):
        return ValueRefused("a text has a NUL character in it, which the database cannot hold", code="22021")
    return None


def note_column(error: Any, cursor: Any) -> None:
    """Have psycopg's *error* for a moment that Python has no value for know which column it is of, as ``column``."""
    result = getattr(cursor, "pgresult", None)
    if result is None or not NO_MOMENT.match(str(error)):
        return
    value = str(error).partition(": ")[2]
    for place in range(result.nfields):
        found = {result.get_value(row, place) for row in range(result.ntuples)} if result.ftype(place) in MOMENTS else set()
        if value in {repr(each.decode()) for each in found if each is not None}:
            error.column = result.fname(place).decode()
            return


def _read_postgresql(error: Any) -> tuple[str, dict[str, Any]]:
    code = getattr(error, "sqlstate", None)
    if code is None:
        if NO_MOMENT.match(str(error)):
            column = getattr(error, "column", None)
            where = f"column {column!r} has" if column else "there is"
            said = f"{where} a day before year 1 or after 9999, or infinity, which Python has not"
            return "22008", {"message": said, "column": column, "hint": "as_df(as_text=[…]) reads it as text"}
        if type(error).__name__ not in ("OperationalError", "ConnectionTimeout"):
            return "XX000", {}
        return next((code for pattern, code in POSTGRESQL_TEXTS if pattern.search(str(error))), "08006"), {}
    diag = error.diag
    parts = {
        "message": diag.message_primary,
        "hint": diag.message_hint,
        "details": diag.message_detail,
        "column": diag.column_name,
        "constraint": diag.constraint_name,
        "table": diag.table_name,
    }
    if code in ("23502", "23514"):
        parts["details"] = None  # "Failing row contains (…)": more than what was asked for
    if parts["column"] is None and code in ("23505", "23503"):
        parts["column"] = _single(re.match(r"Key \(([^()]+)\)=", diag.message_detail or ""))
    if code == "42601" and not re.search(r"at or near|at end of input", diag.message_primary or ""):
        code = "22P02"  # a text search query or document that cannot be read: the syntax is that of a value
    if code == "42P01":
        found = re.search(r'relation "([^"]*)"', diag.message_primary or "")
        parts["table"] = found and found[1]
    return code, parts


def _read_mariadb(error: Any) -> tuple[str, dict[str, Any]]:
    number, text = (*error.args, "", "")[:2] if getattr(error, "args", None) else (0, "")
    if not isinstance(number, int):
        return "08006" if type(error).__name__ in ("InterfaceError", "OperationalError") else "XX000", {}
    text = str(text)
    code = MARIADB_CODES.get(number, "XX000")
    if number == 1292 and "incorrect" in text.lower() and not re.search(r"date|time|timestamp|year", text, re.IGNORECASE):
        code = "22P02"
    if number == 1366 and "string value" in text:
        code = "22021"
    parts: dict[str, Any] = {}
    if number == 1690 and (failed := read_failed_cast(text)):
        return failed[0], {"message": failed[1]}
    if found := re.search(r"CONSTRAINT `((?:[^`]|``)*)`", text) or re.search(r"for key '(?:[^']*\.)?([^'.]+)'$", text):
        parts["constraint"] = found[1]
    if found := re.search(r"FOREIGN KEY \(([^()]*)\)", text):
        parts["column"] = _single(found)
    elif found := re.search(r"(?:column|Column|Field|field) (?:'([^']*)'|(?:`[^`]*`\.)*`([^`]*)`)", text):
        parts["column"] = (found[1] or found[2] or "").rpartition(".")[2] or None
    if found := re.search(r"(?:\(|for )`[^`]*`\.`([^`]*)`", text) or re.search(r"[Tt]able '(?:[^'.]*\.)?([^']*)'", text):
        parts["table"] = found[1]
    if number == 1644:  # SIGNAL; 45000 is its own word for an error of no special kind
        state = getattr(error, "sqlstate", None) or "45000"
        code, parts["message"] = "P0001" if state == "45000" else state, text
    return code, parts


def _read_sqlite(error: Any) -> tuple[str, dict[str, Any]]:
    name, text = getattr(error, "sqlite_errorname", None) or "", str(error)
    if "user-defined function raised" in text:
        return "22P02", {}
    code = SQLITE_CODES.get(name) or SQLITE_CODES.get("_".join(name.split("_")[:2]))
    if code is None:
        code = next((code for pattern, code in SQLITE_TEXTS if pattern.search(text)), "XX000")
    parts: dict[str, Any] = {}
    subject = text.partition(" failed: ")[2] if " constraint failed: " in text else ""
    if code in ("23505", "23502") and subject and not subject.startswith("index "):
        parts["table"] = subject.partition(".")[0]
        parts["column"] = subject.partition(".")[2] if ", " not in subject else None
        parts["constraint"] = subject if code == "23505" else None
    elif code == "23505" and subject:
        parts["constraint"] = subject[len("index ") :].strip("'")
    elif code == "23514" and re.fullmatch(r"\w+", subject):
        parts["constraint"] = subject  # the name; without one SQLite says the expression
    elif code == "P0001":
        parts["message"] = text
    elif found := re.search(r"cannot store (\w+) value in (\w+) column (\S+)", text):
        parts["column"] = found[3].rpartition(".")[2]
    elif found := re.search(r"(no such table|no such column|no column named|generated column):? \"?(.+?)\"?$", text):
        parts["table" if "table" in found[1] else "column"] = found[2].rpartition(".")[2]
    return code, parts


def _read_oracle(error: Any) -> tuple[str, dict[str, Any]]:
    first = error.args[0] if getattr(error, "args", None) else error
    full = str(getattr(first, "full_code", "") or str(first).partition(":")[0])
    code = ORACLE_CODES.get(full) or ("P0001" if re.match(r"ORA-20\d{3}$", full) else "XX000")
    text, parts = str(getattr(first, "message", first)), dict[str, Any]()
    if code.startswith("23") and (found := re.search(r"\(([^()]+)\)", text)):
        name = found[1].replace('"', "").rpartition(".")[2]
        parts["column" if code == "23502" else "constraint"] = name
    if code == "P0001":
        parts["message"] = text.partition(": ")[2] or text
    return code, parts


def _single(found: re.Match[str] | None) -> str | None:
    """Return the column when the list that was found has just one."""
    names = [name.strip(' `"') for name in found[1].split(",")] if found else []
    return names[0] if len(names) == 1 else None


_READERS: Mapping[str, Callable[[Any], tuple[str, dict[str, Any]]]] = {
    "postgresql": _read_postgresql,
    "mariadb": _read_mariadb,
    "mysql": _read_mariadb,
    "sqlite": _read_sqlite,
    "oracle": _read_oracle,
}
