"""Make the SQLAlchemy engine of a connected database: our own connect arguments, and a deadline on everything.

Every connection is in autocommit: reads need no BEGIN, and a write begins and ends its transaction by itself (``bulkhead``). The
password never gets into the engine's URL, so that no ``repr``, log or error can show it.

What drivers give back (their own readers of dates and JSON fail on year 10000, BC, infinity and zero dates, so they are off):

==============  ===================================================================================================================
PostgreSQL      dates, times and intervals as text, as the server prints them; ``json`` and ``jsonb`` as bytes, unread
MariaDB, MySQL  dates and times as text
SQLite          text as ``str``; a bulkhead's own reads have it as bytes, since a file's text need not be UTF-8
==============  ===================================================================================================================
"""

from __future__ import annotations

import os
import socket
import sqlite3
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import URL, create_engine
from sqlalchemy.pool import QueuePool

from qapla.database.catalog import Options
from qapla.database.dialects import ENGINES, get_engine
from qapla.database.functions import install
from qapla.database.spec import ConnectionSpec
from qapla.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    FindAddress = Callable[[ConnectionSpec], str]

LOCK_TIMEOUT_S = 5.0
IDLE_IN_TRANSACTION_S = 60
PREPARE_AFTER = 3  # executions of the same text, after which psycopg keeps a prepared statement
# Strict, but zero dates that are there can be written back, and an id of 0 stays 0.
SQL_MODE = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO"
GROUP_CONCAT_BYTES = 256 * 1024 * 1024  # the default, 1 MiB, cuts JSON arrays silently


def make_engine(spec: ConnectionSpec, options: Options | None = None, *, find_address: FindAddress | None = None) -> Engine:
    """Return an engine for *spec*. Nothing is connected here.

    Args:
        options: pool size and deadlines; ``writable`` decides whether its sessions are read only, in the database itself.
        find_address: looks up the host and checks its address, at each new connection; the address it returns is the one
            that is connected to, while TLS goes on checking the name.

    Raises:
        ConfigurationError: the driver is not installed; the hint names the extra.
    """
    options = options or Options()
    engine = get_engine(spec.engine)
    _import_driver(spec.engine)
    connect = _CONNECT[spec.engine]

    def creator() -> Any:
        return connect(spec, options, find_address(spec) if find_address is not None and spec.host else spec.host)

    # The mariadb dialect refuses MySQL; the mysql dialect finds out which of the two it talks to.
    drivername = engine.drivername.replace("mariadb+", "mysql+")
    return create_engine(
        URL.create(drivername, host=spec.host, port=spec.port, database=spec.database or spec.path),
        creator=creator,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        poolclass=QueuePool,
        pool_size=options.pool_size,
        max_overflow=0,
        pool_timeout=options.pool_timeout_s,
        pool_reset_on_return=None,
        pool_use_lifo=True,  # a few connections stay warm, with their prepared statements; the others grow old
        hide_parameters=True,
    )


def spec_of(url: URL) -> ConnectionSpec:
    """Return the spec of a SQLAlchemy URL that a program wrote. What a person typed goes through ``spec.parse_url``."""
    key = url.get_backend_name()
    if key == "sqlite":
        return ConnectionSpec("sqlite", path=url.database)
    port = url.port or get_engine(key).port
    return ConnectionSpec(key, host=url.host, port=port, database=url.database, user=url.username, password=url.password)


def make_engine_from_url(url: URL, options: Options | None = None) -> Engine:
    """Return the engine of a URL that a program wrote."""
    return make_engine(spec_of(url), options)


def _import_driver(key: str) -> None:
    engine = ENGINES[key]
    try:
        import_module(engine.module)
    except ImportError as error:
        raise ConfigurationError(
            f"the driver for {engine.label}, {engine.module!r}, is not installed", hint=f"pip install 'qapla[{engine.extra}]'"
        ) from error


def _connect_postgresql(spec: ConnectionSpec, options: Options, address: str | None) -> Any:
    from qapla.database.prepared import Connection

    connection = Connection.open(
        host=spec.host,
        hostaddr=address if address != spec.host else None,
        port=spec.port,
        dbname=spec.database,
        user=spec.user,
        password=spec.password,
        sslmode=spec.sslmode,
        sslrootcert=spec.tls_ca,
        sslcert=spec.tls_cert,
        sslkey=spec.tls_key,
        connect_timeout=spec.connect_timeout,
        tcp_user_timeout=int(options.statement_timeout_s * 1000),
        application_name=spec.application_name,
        client_encoding="utf8",
        passfile=os.path.join(os.devnull, "none"),  # no password out of the home of whoever runs this
        gssencmode="disable",
        autocommit=True,
        prepare_threshold=PREPARE_AFTER,
    )
    # Not by the start-up parameter `options`, which poolers such as pgbouncer refuse; all in one round trip.
    settings = {
        "statement_timeout": str(int(options.statement_timeout_s * 1000)),
        "lock_timeout": str(int(min(LOCK_TIMEOUT_S, options.statement_timeout_s) * 1000)),
        "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_S * 1000),
        "TimeZone": "UTC",
        "DateStyle": "ISO, MDY",
        "IntervalStyle": "postgres",
        "bytea_output": "hex",
        "extra_float_digits": "1",
        "default_transaction_read_only": "off" if options.writable else "on",
    }
    if options.as_postgrest:
        del settings["TimeZone"]  # that of the server, the database or the account
    calls = ", ".join("pg_catalog.set_config(%s, %s, false)" for _ in settings)
    connection.execute(f"SELECT {calls}", [part for item in settings.items() for part in item])
    _keep_as_printed(connection)
    return connection


def _keep_as_printed(connection: Any) -> None:
    """Switch off psycopg's readers of values that Python cannot hold exactly, or at all."""
    from psycopg.types.string import TextLoader

    for name in ("date", "time", "timetz", "timestamp", "timestamptz", "interval"):
        connection.adapters.register_loader(name, TextLoader)
    for name in ("json", "jsonb"):
        connection.adapters.register_loader(name, _bytes_loader())


@cache
def _bytes_loader() -> Any:
    """Return the reader that gives bytes as they came: made once, since psycopg keeps every class of a reader for ever."""
    from psycopg.types.string import ByteaLoader

    class BytesLoader(ByteaLoader):
        """The bytes as they came."""

        def load(self, data: Any) -> bytes:
            return bytes(data)

    return BytesLoader


def _connect_mysql(spec: ConnectionSpec, options: Options, address: str | None) -> Any:
    import pymysql
    from pymysql.constants import CLIENT, FIELD_TYPE
    from pymysql.converters import conversions

    unread = {FIELD_TYPE.DATE, FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP, FIELD_TYPE.TIME}
    connection = pymysql.connect(
        host=spec.host,
        port=spec.port,
        user=spec.user,
        password=(spec.password or "").encode(),  # as text PyMySQL would make it latin-1
        database=spec.database,
        charset="utf8mb4",
        autocommit=True,
        local_infile=False,
        connect_timeout=spec.connect_timeout,
        read_timeout=spec.connect_timeout,  # without it a silent listener holds the handshake for ever
        write_timeout=options.statement_timeout_s + 3,
        conv={key: convert for key, convert in conversions.items() if key not in unread},
        program_name=spec.application_name,
        client_flag=CLIENT.FOUND_ROWS,  # an UPDATE counts the rows it matched, as elsewhere
        defer_connect=True,
        auth_plugin_map=dict.fromkeys(("mysql_clear_password", "dialog"), OnlyThroughTls),
        **mysql_tls(spec),
    )
    connection.connect(open_socket(address or spec.host, spec.port, spec.connect_timeout))
    is_mariadb = "mariadb" in connection.get_server_info().lower()
    settings = {
        "sql_mode": f"'{SQL_MODE}'",
        "time_zone": "'+00:00'",
        "group_concat_max_len": str(GROUP_CONCAT_BYTES),
        "innodb_lock_wait_timeout": str(max(1, int(min(LOCK_TIMEOUT_S, options.statement_timeout_s)))),
        "lock_wait_timeout": str(max(1, int(min(LOCK_TIMEOUT_S, options.statement_timeout_s)))),
    }
    if is_mariadb:
        settings["max_statement_time"] = str(options.statement_timeout_s)
    else:
        settings["max_execution_time"] = str(int(options.statement_timeout_s * 1000))
    with connection.cursor() as cursor:
        cursor.execute("SET " + ", ".join(f"SESSION {name} = {value}" for name, value in settings.items()))
        if not options.writable:
            cursor.execute("SET SESSION TRANSACTION READ ONLY")
    # From here on it is the statement's, and longer than that of the bulkhead. PyMySQL has no other way to say so.
    connection._read_timeout = options.statement_timeout_s + 3
    return connection


class OnlyThroughTls:
    """Answers a server that wants the password as it is (PAM, LDAP), but not where others could read it on the way.

    PyMySQL makes one for a connection when the server asks, and by itself would send the password whatever the line is.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def authenticate(self, packet: Any) -> Any:
        """Send the password and return the server's answer."""
        from pymysql.constants import CR
        from pymysql.err import OperationalError

        if not self._connection._secure:
            raise OperationalError(CR.CR_AUTH_PLUGIN_ERR, "the server wants the password in the clear, and nothing is encrypted")
        self._connection.write_packet(self._connection.password + b"\0")
        return self._connection._read_packet()


def mysql_tls(spec: ConnectionSpec) -> dict[str, Any]:
    """Return PyMySQL's arguments for what libpq calls ``sslmode``; ``prefer`` is what PyMySQL does by itself."""
    if spec.sslmode == "disable":
        return {"ssl_disabled": True}
    if spec.sslmode == "prefer" and not (spec.tls_ca or spec.tls_cert):
        return {}
    from ssl import CERT_NONE, VERIFY_X509_STRICT, create_default_context

    context = create_default_context(cafile=spec.tls_ca)
    context.verify_flags &= ~VERIFY_X509_STRICT  # the certificates that MySQL makes for itself would not pass
    context.check_hostname = spec.sslmode == "verify-full"
    if spec.sslmode in ("prefer", "require"):
        context.verify_mode = CERT_NONE
    if spec.tls_cert:
        context.load_cert_chain(spec.tls_cert, spec.tls_key)
    return {"ssl": context}


def open_socket(address: str | None, port: int | None, timeout_s: float) -> socket.socket:
    """Return a connected socket. PyMySQL would look the name up once more, and TLS needs the name and not the address."""
    from pymysql.constants.CR import CR_CONN_HOST_ERROR
    from pymysql.err import OperationalError

    try:
        opened = socket.create_connection((address, port), timeout_s)
    except OSError as error:
        raise OperationalError(CR_CONN_HOST_ERROR, f"cannot connect ({error})") from error
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return opened


def _connect_sqlite(spec: ConnectionSpec, options: Options, address: str | None) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(spec.path or '')}?mode=rw",  # never created; opened for reading only where the file allows no more
        uri=True,
        timeout=min(LOCK_TIMEOUT_S, options.statement_timeout_s),
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA foreign_keys = ON")
    install(connection)
    if not options.writable:
        connection.execute("PRAGMA query_only = ON")
    return connection


def _connect_oracle(spec: ConnectionSpec, options: Options, address: str | None) -> Any:
    import oracledb

    oracledb.enable_thin_mode()  # or the first thread to connect decides it for all, while the others wait without a deadline
    connection = oracledb.connect(
        user=spec.user,
        password=spec.password,
        host=address or spec.host,
        port=spec.port,
        service_name=spec.database,
        tcp_connect_timeout=spec.connect_timeout,
        protocol="tcps" if spec.sslmode in ("require", "verify-ca", "verify-full") else "tcp",
        ssl_server_dn_match=spec.sslmode == "verify-full",
        program=spec.application_name,
    )
    connection.call_timeout = int(options.statement_timeout_s * 1000)
    connection.autocommit = True
    return connection


_CONNECT: dict[str, Callable[[ConnectionSpec, Options, str | None], Any]] = {
    "postgresql": _connect_postgresql,
    "mariadb": _connect_mysql,
    "mysql": _connect_mysql,
    "sqlite": _connect_sqlite,
    "oracle": _connect_oracle,
}
