"""Why a login failed, from what the drivers say."""

from __future__ import annotations

import sqlite3

import pytest

from qapla.database import login
from qapla.database.spec import ConnectionSpec

PREFIX = 'connection failed: connection to server at "192.0.2.1", port 5432 failed: '


def explain(engine: str, error: BaseException, password: str | None = "geheim") -> str:
    """Return the cause in words, with its hint."""
    spec = ConnectionSpec(engine, "db.example", 5432, "shop", "ann", password)
    message, hint = login.explain(spec, error)
    return f"{message} ({hint})"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('FATAL:  password authentication failed for user "ann"', "user 'ann' is refused (check the password"),
        ('FATAL:  role "ann" does not exist', "user 'ann' does not exist, or may not log in"),
        ('FATAL:  database "shop" does not exist', "database 'shop' does not exist"),
        ('FATAL:  permission denied for database "shop"', "user 'ann' may not use database 'shop'"),
        ('FATAL:  no pg_hba.conf entry for host "192.0.2.2", user "ann", database "shop", SSL off', "does not let this machine in"),
        ("FATAL:  sorry, too many clients already", "takes no more connections"),
        ("FATAL:  the database system is starting up", "is starting or stopping"),
        ("timeout expired", "takes the connection and then says nothing (is it really a PostgreSQL server?)"),
        ("Connection refused\n\tIs the server running?", "nothing listens on db.example:5432"),
        ("server does not support SSL, but SSL was required", "TLS is refused"),
        ("FATAL:  Benutzer darf nicht\x1b[2J", "PostgreSQL refuses the connection: 'Benutzer darf nicht\\x1b[2J'"),
    ],
)
def test_postgresql_is_understood_by_its_text(text: str, said: str) -> None:
    """libpq gives a text and no code; what is not known is quoted, escaped and cut."""
    assert said in explain("postgresql", Exception(PREFIX + text))


@pytest.mark.parametrize(
    ("engine", "number", "said"),
    [
        ("mariadb", 1045, "user 'ann' is refused"),
        ("mysql", 1049, "database 'shop' does not exist"),
        ("mysql", 1044, "user 'ann' may not use database 'shop'"),
        ("mariadb", 1130, "does not let this machine in"),
        ("mariadb", 1040, "takes no more connections"),
        ("mysql", 2003, "nothing listens on db.example:5432"),
        ("mysql", 2013, "is it really a MySQL server?"),
        ("mariadb", 2026, "TLS is refused"),
        ("mysql", 9999, "MySQL refuses the connection"),
    ],
)
def test_mysql_and_mariadb_are_understood_by_their_numbers(engine: str, number: int, said: str) -> None:
    """The number decides, whatever the language of the text."""
    assert said in explain(engine, Exception(number, "Zugriff verweigert"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ORA-01017: invalid credential or not authorized", "user 'ann' is refused"),
        ('DPY-6001: Service "shop" is not registered with the listener', "database 'shop' does not exist"),
        ("DPY-6005: cannot connect to database", "Oracle refuses the connection: 'DPY-6005: cannot connect to database'"),
        ("ORA-28000: The account is locked.", "Oracle refuses the connection: 'ORA-28000: The account is locked.'"),
    ],
)
def test_oracle_is_understood_by_its_codes(text: str, said: str) -> None:
    """ORA and DPY codes decide."""
    assert said in explain("oracle", Exception(text))


def test_a_missing_password_is_said() -> None:
    """Without a password a refused login says that none was given."""
    assert "no password was given" in explain("mysql", Exception(1045, "x"), None)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("SQLITE_NOTADB", "is damaged, or not a SQLite database"),
        ("SQLITE_CANTOPEN", "cannot be opened"),
        ("SQLITE_BUSY", "is locked by another program"),
        ("SQLITE_IOERR", "cannot be read (SQLITE_IOERR)"),
    ],
)
def test_sqlite_is_understood_by_its_error_names(name: str, said: str) -> None:
    """SQLite's error names decide."""
    error = sqlite3.DatabaseError("x")
    error.sqlite_errorname = name
    spec = ConnectionSpec("sqlite", path="/x")

    assert said in login.explain(spec, error)[0]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionRefusedError(), "nothing listens on db.example:5432"),
        (TimeoutError(), "db.example:5432 does not answer"),
        (OSError(113, "No route to host"), "db.example:5432 cannot be reached: No route to host"),
    ],
)
def test_a_port_that_does_not_open_says_why(error: OSError, said: str) -> None:
    """Refused, silent and unreachable are three causes."""
    assert login.explain_socket(ConnectionSpec("mysql", "db.example", 5432, "d", "u"), error)[0].startswith(said)
