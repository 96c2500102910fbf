"""Engines for programs that work with mapped classes and Core by themselves: values as Python has them, transactions as they begin them.

``connect`` makes those of a bulkhead: autocommit, values as the server prints them. Both connect to the same ``ConnectionSpec``, checked in
the same way, with the same TLS and the same deadline for connecting. The password is in no URL of an engine.

Sessions are in UTC on every engine, so that a moment in time means the same on each.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, event
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import StaticPool

from qapla.database.connect import OnlyThroughTls, mysql_tls, open_socket
from qapla.database.dialects import get_engine
from qapla.database.engines import first_line, open_engine
from qapla.database.outage import name_errors
from qapla.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from qapla.database.spec import ConnectionSpec

    FindAddress = Callable[[ConnectionSpec], str]

MEMORY = ":memory:"
POOL_SIZE = 5


def make_direct_engine(
    spec: ConnectionSpec,
    name: str,
    *,
    find_address: FindAddress | None = None,
    options: dict[str, Any] | None = None,
    is_read_only: bool = False,
    keeps_journal: bool = True,
) -> Engine:
    """Return an engine for *spec*. Nothing is connected here; a SQLite file that is not there is made.

    Args:
        name: what errors call the database.
        find_address: looks up the host and checks its address, at each new connection.
        options: keywords of SQLAlchemy's ``create_engine``, on top of ours.
        is_read_only: refuse writes by the database itself.
        keeps_journal: leave a SQLite file in the journal mode that it is in, instead of WAL: for files of others.

    Raises:
        ConfigurationError: the driver is not installed, the file cannot be made, or an option is not known.
    """
    url = URL.create(get_engine(spec.engine).drivername, host=spec.host, port=spec.port, database=spec.path or spec.database)
    given: dict[str, Any] = {"connect_args": _ARGUMENTS[spec.engine](spec), "hide_parameters": True, **(options or {})}
    if spec.path == MEMORY:
        given |= {"poolclass": StaticPool}
        given["connect_args"] = {**given["connect_args"], "check_same_thread": False}
    elif not get_engine(spec.engine).is_file:
        given.setdefault("pool_size", POOL_SIZE)
    try:
        engine = open_engine(url, given, is_read_only=is_read_only, keeps_journal=keeps_journal)
    except (TypeError, ValueError, ArgumentError) as error:
        hint = "the keywords of SQLAlchemy's create_engine"
        raise ConfigurationError(f"options of database {name!r}: {first_line(error)}", hint=hint) from error
    event.listen(engine, "do_connect", partial(_connect_to, spec, find_address))
    if spec.engine in _SETTINGS:
        event.listen(engine, "connect", partial(_set, _SETTINGS[spec.engine]))
    if get_engine(spec.engine).module == "pymysql":
        event.listen(engine, "connect", _read_patiently)
    name_errors(engine, name)
    return engine


def _postgresql(spec: ConnectionSpec) -> dict[str, Any]:
    return {
        "user": spec.user,
        "password": spec.password or "",
        "sslmode": spec.sslmode,
        "sslrootcert": spec.tls_ca,
        "sslcert": spec.tls_cert,
        "sslkey": spec.tls_key,
        "connect_timeout": spec.connect_timeout,
        "application_name": spec.application_name,
        "client_encoding": "utf8",
        "passfile": os.path.join(os.devnull, "none"),  # no password out of the home of whoever runs this
        "gssencmode": "disable",
    }


def _mysql(spec: ConnectionSpec) -> dict[str, Any]:
    return {
        "user": spec.user,
        "password": (spec.password or "").encode(),  # as text PyMySQL would make it latin-1
        "charset": "utf8mb4",
        "local_infile": False,
        "connect_timeout": spec.connect_timeout,
        "read_timeout": spec.connect_timeout,  # without it a silent listener holds the handshake for ever
        "program_name": spec.application_name,
        "auth_plugin_map": dict.fromkeys(("mysql_clear_password", "dialog"), OnlyThroughTls),
        **mysql_tls(spec),
    }


def _sqlite(spec: ConnectionSpec) -> dict[str, Any]:
    return {"check_same_thread": False}


def _oracle(spec: ConnectionSpec) -> dict[str, Any]:
    return {
        "user": spec.user,
        "password": spec.password,
        "host": spec.host,
        "port": spec.port,
        "service_name": spec.database,
        "tcp_connect_timeout": spec.connect_timeout,
        "protocol": "tcps" if spec.sslmode in ("require", "verify-ca", "verify-full") else "tcp",
        "ssl_server_dn_match": spec.sslmode == "verify-full",
        "program": spec.application_name,
    }


_ARGUMENTS: dict[str, Callable[[ConnectionSpec], dict[str, Any]]] = {
    "postgresql": _postgresql,
    "mariadb": _mysql,
    "mysql": _mysql,
    "sqlite": _sqlite,
    "oracle": _oracle,
}
_MYSQL_SETTINGS = (
    "SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO'"
)
_SETTINGS = {
    "postgresql": "SET TIME ZONE 'UTC'",
    "mariadb": _MYSQL_SETTINGS,
    "mysql": _MYSQL_SETTINGS,
    "oracle": "ALTER SESSION SET TIME_ZONE = '+00:00'",
}


def _read_patiently(connection: Any, record: Any) -> None:
    """Let statements take as long as they need: the deadline was that of the handshake. PyMySQL has no other way to say so."""
    connection._read_timeout = None


def _set(statement: str, connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(statement)
    cursor.close()
    connection.commit()  # a setting made inside of a transaction that is rolled back would be lost


def _connect_to(
    spec: ConnectionSpec, find_address: FindAddress | None, dialect: Any, record: Any, arguments: list[Any], keywords: dict[str, Any]
) -> Any:
    """Connect to the address that was checked, while TLS goes on checking the name; None lets SQLAlchemy connect with *keywords*."""
    if spec.engine not in _PLACES:
        return None
    return _PLACES[spec.engine](keywords, find_address(spec) if find_address is not None and spec.host else spec.host)


def _place_postgresql(keywords: dict[str, Any], address: str | None) -> None:
    keywords["hostaddr"] = address


def _place_mysql(keywords: dict[str, Any], address: str | None) -> Any:
    import pymysql

    connection = pymysql.connect(**keywords, defer_connect=True)
    connection.connect(open_socket(address, keywords.get("port"), keywords["connect_timeout"]))
    return connection


def _place_oracle(keywords: dict[str, Any], address: str | None) -> None:
    import oracledb

    oracledb.enable_thin_mode()  # or the first thread to connect decides it for all, while the others wait without a deadline
    keywords.pop("dsn", None)  # SQLAlchemy's, which has a SID in the place of a service name
    keywords["host"] = address


_PLACES: dict[str, Callable[[dict[str, Any], str | None], Any]] = {
    "postgresql": _place_postgresql,
    "mariadb": _place_mysql,
    "mysql": _place_mysql,
    "oracle": _place_oracle,
}
