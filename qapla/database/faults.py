"""What an engine answers when it refuses, mapped to the SQLSTATE, the status and the class it has on every engine.

``translate`` is the one edge where a driver's error becomes one of ours. A client can rely on the code: 23505 is a unique violation
on SQLite, too. Messages are said once here, the same for all engines where the engine only names the thing; what PostgreSQL says
by itself is kept, without the contents of the failing row.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from qapla.database.raised import read_raised, read_status
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

# SQLSTATEs and classes of them, longest first, as PostgREST answers them. What is not here is 400.
STATUSES: Mapping[str, int] = {
    "23503": 409, "23505": 409, "25006": 405, "42501": 403, "42883": 404, "42P01": 404, "42P17": 500, "42601": 500,
    "P0001": 400, "PGRST202": 404, "PGRST205": 404, "54000": 413,
    "08": 503, "53": 503, "09": 500, "0L": 403, "0P": 403, "25": 500, "28": 403, "2D": 500, "38": 500, "39": 500, "3B": 500, "40": 500,
    "54": 500, "55": 500, "57": 500, "58": 500, "F0": 500, "HV": 500, "P0": 500, "XX": 500,
}  # fmt: skip

MARIADB_CODES: Mapping[int, str] = {
    1062: "23505", 1586: "23505", 1169: "23505",
    1451: "23503", 1452: "23503", 1216: "23503", 1217: "23503",
    1048: "23502", 1364: "23502", 1263: "23502",
    4025: "23514", 3819: "23514",
    1264: "22003", 1690: "22003", 1365: "22012", 1406: "22001", 1292: "22007", 1411: "22007",
    1366: "22P02", 1265: "22P02", 1367: "22P02", 3140: "22P02", 4038: "22P02", 1300: "22021", 3988: "22021",
    1139: "2201B", 3692: "2201B", 1267: "42P22", 1271: "42P22",
    1054: "42703", 1136: "42601", 1146: "42P01", 1051: "42P01", 1109: "42P01", 1305: "42883", 1630: "42883",
    1356: "42P01", 1449: "42P01", 1064: "42601",
    1412: "40001", 1615: "40001", 1037: "53200", 1038: "53200", 1041: "53200",
    1044: "42501", 1142: "42501", 1143: "42501", 1227: "42501", 1370: "42501", 1419: "42501",
    1045: "28P01", 1698: "28P01", 1251: "28000", 1049: "3D000",
    1290: "25006", 1792: "25006", 1836: "25006", 1288: "25006", 1348: "25006", 1471: "25006", 1394: "25006",
    1906: "428C9", 3105: "428C9", 1644: "P0001",
    1205: "55P03", 3572: "55P03", 1213: "40P01", 1020: "40001", 1969: "57014", 3024: "57014", 1317: "57014",
    1040: "53300", 1203: "53300", 1226: "53300", 1021: "53100", 1114: "53100",
    1153: "54000", 1260: "54000", 1390: "54000", 1436: "54001",
    1053: "08006", 1927: "08006", 2002: "08001", 2003: "08001", 2005: "08001", 2006: "08006", 2013: "08006", 2014: "08006", 2026: "08001",
}  # fmt: skip

SQLITE_CODES: Mapping[str, str] = {
    "SQLITE_CONSTRAINT_UNIQUE": "23505", "SQLITE_CONSTRAINT_PRIMARYKEY": "23505", "SQLITE_CONSTRAINT_ROWID": "23505",
    "SQLITE_CONSTRAINT_FOREIGNKEY": "23503", "SQLITE_CONSTRAINT_NOTNULL": "23502", "SQLITE_CONSTRAINT_CHECK": "23514",
    "SQLITE_CONSTRAINT_DATATYPE": "22P02", "SQLITE_CONSTRAINT_TRIGGER": "P0001", "SQLITE_MISMATCH": "22P02",
    "SQLITE_READONLY": "25006", "SQLITE_BUSY": "55P03", "SQLITE_LOCKED": "55P03", "SQLITE_INTERRUPT": "57014", "SQLITE_AUTH": "42501",
    "SQLITE_PERM": "42501", "SQLITE_TOOBIG": "54000", "SQLITE_FULL": "53100", "SQLITE_IOERR": "58030", "SQLITE_CORRUPT": "XX001",
    "SQLITE_NOTADB": "XX001", "SQLITE_CANTOPEN": "08001", "SQLITE_NOMEM": "53200", "SQLITE_SCHEMA": "42P01",
}  # fmt: skip

# libpq gives no code for what goes wrong while connecting, only the server's words.
POSTGRESQL_TEXTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"authentication failed|pg_hba\.conf|no password supplied|role \".*\" does not exist"), "28P01"),
    (re.compile(r"database \".*\" does not exist"), "3D000"),
    (re.compile(r"too many (clients|connections)|remaining connection slots"), "53300"),
)

# SQLite has one code for all that is wrong with a statement; only the text tells.
SQLITE_TEXTS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), code)
    for pattern, code in (
        (r"no such table", "42P01"),
        (r"no such column|has no column named", "42703"),
        (r"no such function", "42883"),
        (r"syntax error|values for \d+ columns|has \d+ columns but", "42601"),
        (r"because it is a view|may not be modified", "25006"),
        (r"generated column", "428C9"),
        (r"cannot store \w+ value in", "22P02"),  # a STRICT table; Python 3.11 does not know the code's name
        (r"integer overflow", "22003"),
        (r"malformed JSON|JSON path|bad JSON", "22P02"),
        (r"unable to open database", "08001"),
        (r"too (many|large|deep|complex)|too big|overflow", "54001"),
        (r"could not decode", "22021"),
    )
)

ORACLE_CODES: Mapping[str, str] = {
    "ORA-00001": "23505", "ORA-02291": "23503", "ORA-02292": "23503", "ORA-01400": "23502", "ORA-01407": "23502", "ORA-02290": "23514",
    "ORA-00942": "42P01", "ORA-00904": "42703", "ORA-01031": "42501", "ORA-01017": "28P01", "ORA-01722": "22P02", "ORA-01438": "22003",
    "ORA-12899": "22001", "ORA-01861": "22007", "ORA-01843": "22007", "ORA-01830": "22007", "ORA-01013": "57014", "DPY-4024": "57014",
    "ORA-00060": "40P01", "ORA-00054": "55P03", "ORA-16000": "25006", "ORA-01456": "25006", "ORA-54013": "428C9", "ORA-32795": "428C9",
    "DPY-6005": "08001", "DPY-6000": "08001", "DPY-4011": "08006", "DPY-1001": "08006", "ORA-12541": "08001", "ORA-12514": "08001",
    "ORA-03113": "08006", "ORA-20000": "P0001",
}  # fmt: skip

_SAID: Mapping[str, str] = {
    "23505": "duplicate key value violates unique constraint {constraint}",
    "23503": "the row violates foreign key constraint {constraint}",
    "23502": "null value in column {column} violates not-null constraint",
    "23514": "the row violates check constraint {constraint}",
    "22003": "a value is out of range for column {column}",
    "2201B": "a regular expression is not valid",
    "22008": "a date or a time is out of range",
    "22001": "a value is too long for column {column}",
    "22007": "a value is no valid date or time for column {column}",
    "22P02": "a value cannot be read as the type of column {column}",
    "22021": "a text has characters that column {column} cannot hold",
    "428C9": "column {column} is made by the database and cannot be written",
    "42703": "column {column} does not exist",
    "42P01": "table {table} does not exist",
    "42883": "a function that is needed does not exist",
    "42501": "permission denied",
    "42601": "the statement is not understood by the database",
    "25006": "cannot write: the connection, the table or the view is read only",
    "55P03": "a row or a table is locked by somebody else",
    "40P01": "deadlock detected; nothing was changed",
    "40001": "somebody else changed the row at the same time; nothing was changed",
    "53100": "the database's disk or table is full",
    "53300": "the database takes no more connections",
    "54000": "a value or an answer is larger than the database takes",
    "54001": "the request is too complex for the database",
    "XX001": "the database file is damaged, or not a database",
    "58030": "the database's storage failed",
}


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
        return DatabaseError(message, code=rest, status=_status(rest), hint=shared["hint"] or REFRESH, **named)
    if code == "22023" and message.startswith("role ") and message.endswith("does not exist"):
        return DatabaseError(message, code=code, status=401, **shared)  # whoever issued the token means another database
    if code == "54000":
        return TooLarge(message, code=code, **shared)
    return DatabaseError(message, code=code, status=_status(code), **shared, **named)


def _status(code: str) -> int:
    return read_status(code) or STATUSES.get(code) or STATUSES.get(code[:2], 400)


def _say(code: str, named: Mapping[str, str | None]) -> str:
    text = _SAID.get(code, f"the database refused it ({code})")
    for name, value in named.items():
        text = text.replace(f" {{{name}}}", f" {_quoted(value)}" if value else "")
    return text


def _quoted(name: str) -> str:
    return f'"{name}"'


def _refused_value(error: BaseException) -> QaplaError | None:
    """Return the error for a value that did not even reach the database, or None."""
    if isinstance(error, OverflowError):
        return ValueRefused("a number is out of range for the database", code="22003")
    if isinstance(error, UnicodeError):
        return ValueRefused("a text cannot be written as UTF-8", code="22021")
    if "NUL (0x00)" in str(error) or "embedded null" in str(error):
        return ValueRefused("a text has a NUL character in it, which the database cannot hold", code="22021")
    return None


def _read_postgresql(error: Any) -> tuple[str, dict[str, Any]]:
    code = getattr(error, "sqlstate", None)
    if code is None:
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
        from qapla.database.functions import take_failure

        return take_failure() or "22P02", {}
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
