"""Why a connection could not be made, in words, from what each engine's driver says about it.

``faults`` does the same for statements. Before a login drivers have little more than their text, PostgreSQL's not even a SQLSTATE.
"""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

from qapla.database.dialects import ENGINES

if TYPE_CHECKING:
    from qapla.database.spec import ConnectionSpec

Cause = tuple[str, str | None]  # message, hint

# Numbers of MariaDB and MySQL, codes of Oracle, and patterns in libpq's text, by what they mean.
_CAUSES: tuple[tuple[str, frozenset[str], str], ...] = (
    ("password", frozenset({"1045", "1698", "ORA-01017"}), r"password authentication failed|no password supplied|SASL"),
    ("role", frozenset(), r"role .* does not exist|not permitted to log in"),
    ("database", frozenset({"1049", "ORA-12514", "DPY-6001"}), r"database .* does not exist"),
    ("denied", frozenset({"1044"}), r"permission denied for database"),
    ("host", frozenset({"1130", "1129"}), r"no pg_hba\.conf entry|pg_hba\.conf rejects"),
    ("full", frozenset({"1040", "1203", "1226", "ORA-12516", "ORA-12520"}), r"too many (clients|connections)|remaining connection slots"),
    ("plugin", frozenset({"1251", "2059", "2061"}), r"authentication method .* not supported|peer authentication|[Ii]dent authentication"),
    ("tls", frozenset({"2026", "3159"}), r"SSL|certificate"),
    ("starting", frozenset({"1053"}), r"the database system is (starting up|shutting down|in recovery)"),
    ("silent", frozenset({"2013"}), r"timeout expired|connection timeout"),
    ("refused", frozenset({"2003", "2002"}), r"Connection refused"),
)


def explain(spec: ConnectionSpec, error: BaseException) -> Cause:
    """Return what is wrong and what to do, for an error of the driver or of SQLAlchemy around it."""
    original = getattr(error, "orig", None) or error
    if spec.engine == "sqlite":
        return _explain_sqlite(original)
    numbers, text = _read(original)
    for cause, known, pattern in _CAUSES:
        if known & numbers or (not known & numbers and spec.engine == "postgresql" and re.search(pattern, text)):
            return _say(cause, spec)
    if isinstance(original, (TimeoutError, socket.timeout)):
        return _say("silent", spec)
    return f"{ENGINES[spec.engine].label} refuses the connection: {_first_line(text)!r}", None


def explain_socket(spec: ConnectionSpec, error: OSError) -> Cause:
    """Return what is wrong and what to do, for a TCP connection that could not be opened."""
    where = f"{spec.host}:{spec.port}"
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens on {where}: the connection is refused", "is the server running, and is it the right port?"
    if isinstance(error, (TimeoutError, socket.timeout)):
        return f"{where} does not answer", "a firewall may swallow the connection; check host and port"
    return f"{where} cannot be reached: {error.strerror or type(error).__name__}", "check the network, host and port"


def _say(cause: str, spec: ConnectionSpec) -> Cause:
    user, database = f"{spec.user}"[:100], f"{spec.database}"[:100]
    refused, _ = explain_socket(spec, ConnectionRefusedError())
    password = "no password was given" if not spec.password else "check the password, and that this user may come from here"
    said: dict[str, Cause] = {
        "password": (f"user {user!r} is refused", password),
        "role": (f"user {user!r} does not exist, or may not log in", None),
        "database": (f"database {database!r} does not exist", "check its spelling, also upper and lower case"),
        "denied": (f"user {user!r} may not use database {database!r}", "grant the right to connect"),
        "host": ("the server does not let this machine in", "allow its address there (pg_hba.conf, or the user's host)"),
        "full": ("the server takes no more connections", "close some, or raise its limit"),
        "plugin": ("the server wants a way to log in that is not offered here", "use a user with a password, or TLS"),
        "tls": ("TLS is refused", "check sslmode and the certificates; the server may insist on TLS"),
        "starting": ("the server is starting or stopping", "try again in a moment"),
        "silent": ("the server takes the connection and then says nothing", f"is it really a {ENGINES[spec.engine].label} server?"),
        "refused": (refused, "is the server running, and is it the right port?"),
    }
    return said[cause]


def _explain_sqlite(error: BaseException) -> Cause:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return "the file is damaged, or not a SQLite database", None
    if name.startswith("SQLITE_CANTOPEN"):
        return "the file cannot be opened", "check owner and mode of the file and of its folder; a WAL database needs a writable folder"
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "the file is locked by another program", "try again when it is done"
    return f"the file cannot be read ({name or type(error).__name__})", None


def _read(error: BaseException) -> tuple[frozenset[str], str]:
    """Return the codes in a driver's error, and its text."""
    text = str(error)
    first = error.args[0] if error.args else None
    codes = {str(first)} if isinstance(first, int) else set()
    codes |= set(re.findall(r"\b(?:ORA|DPY)-\d+\b", text))
    return frozenset(codes), text


def _first_line(text: str) -> str:
    """Return the part of libpq's text behind ``FATAL:``, or the first line, cut short."""
    found = re.search(r"FATAL:\s*(.+)", text) or re.search(r"\S.*", text)
    return (found[found.lastindex or 0] if found else "no reason given")[:200]
