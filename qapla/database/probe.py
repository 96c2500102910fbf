"""Shake hands with a database server up to TLS, and not further: what a driver hides in one error is two steps here.

PostgreSQL: SSLRequest, one byte of answer, TLS. MySQL and MariaDB: the server's greeting, an SSLRequest packet, TLS. Nobody logs in.
Source: "Message Flow" in the manual of PostgreSQL, "Connection Phase" in that of MySQL.
"""

from __future__ import annotations

import socket
import ssl
import struct
from typing import TYPE_CHECKING

from qapla.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from qapla.database.spec import ConnectionSpec

_CLIENT_SSL = 0x0800
_MYSQL_FLAGS = 0x00000200 | 0x00008000 | _CLIENT_SSL  # protocol 4.1, secure connection, TLS
_UTF8MB4 = 45


def has_probe(engine: str) -> bool:
    """Tell whether TLS can be looked at apart from the login."""
    return engine in _PROBES


def probe_tls(spec: ConnectionSpec, connected: socket.socket) -> str:
    """Do the TLS handshake on a *connected* socket and say in words what came of it.

    Raises:
        Unavailable: the server talks no TLS though it must, its certificate does not pass, or it is no such server.
    """
    try:
        offers = _PROBES[spec.engine](connected)
        if spec.sslmode == "disable":
            return "switched off: passwords and rows pass in the clear"
        if not offers:
            if spec.sslmode == "prefer":
                return "the server offers no TLS: passwords and rows pass in the clear"
            raise Unavailable("the server offers no TLS", hint="switch it on there, or, in a network that can be trusted, choose prefer")
        with make_context(spec).wrap_socket(connected, server_hostname=spec.host) as secure:
            checked = {"verify-ca": ", certificate checked", "verify-full": ", certificate and name checked"}.get(spec.sslmode, "")
            return f"{secure.version()}{checked}"
    except ssl.SSLCertVerificationError as error:
        raise Unavailable(f"the certificate of the server is refused: {error.verify_message}", hint=_certificate_hint(spec)) from error
    except TimeoutError as error:
        hint = f"is it really a {spec.engine} server?"
        raise Unavailable("the server takes the connection and then says nothing", hint=hint) from error
    except (ssl.SSLError, OSError) as error:
        hint = "its TLS may be too old, or it wants a client certificate"
        raise Unavailable("the server breaks off the TLS handshake", hint=hint) from error


def make_context(spec: ConnectionSpec) -> ssl.SSLContext:
    """Return what libpq's ``sslmode`` means for Python's ssl.

    Raises:
        Unavailable: a certificate or key file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=spec.tls_ca)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.check_hostname = spec.sslmode == "verify-full"
        if spec.sslmode not in ("verify-ca", "verify-full"):
            context.verify_mode = ssl.CERT_NONE
        if spec.tls_cert:
            context.load_cert_chain(spec.tls_cert, spec.tls_key)
    except (ssl.SSLError, OSError) as error:
        hint = "check tls_ca, tls_cert and tls_key: in PEM form, and key and certificate a pair"
        raise Unavailable("a certificate or key file cannot be used", hint=hint) from error
    return context


def _certificate_hint(spec: ConnectionSpec) -> str:
    if spec.tls_ca is None:
        return "name the authority that signed it with tls_ca"
    return "is tls_ca the authority that signed it, and is the host the name in it?"


def _probe_postgresql(connected: socket.socket) -> bool:
    connected.sendall(struct.pack("!ii", 8, 80877103))
    answer = connected.recv(1)
    if answer not in (b"S", b"N"):
        raise _wrong_server("PostgreSQL")
    return answer == b"S"


def _probe_mysql(connected: socket.socket) -> bool:
    head = _receive(connected, 4)
    size = head[0] | head[1] << 8 | head[2] << 16
    if not 1 <= size <= 1024:
        raise _wrong_server("MariaDB or MySQL")
    greeting = _receive(connected, size)
    if greeting[0] == 0xFF:  # an error instead of a greeting: too many connections, this host is blocked or not allowed
        text = greeting[3:].decode("utf-8", "replace")[:200]
        raise Unavailable(f"the server refuses to talk: {text!r}")
    flags_at = greeting.find(b"\0", 1) + 1 + 4 + 8 + 1
    if greeting[0] != 10 or len(greeting) < flags_at + 2:
        raise _wrong_server("MariaDB or MySQL")
    offers = bool(int.from_bytes(greeting[flags_at : flags_at + 2], "little") & _CLIENT_SSL)
    if offers:
        body = struct.pack("<IIB23x", _MYSQL_FLAGS, 1 << 24, _UTF8MB4)
        connected.sendall(len(body).to_bytes(3, "little") + b"\x01" + body)
    return offers


def _receive(connected: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connected.recv(size - len(data))
        if not part:
            raise ConnectionResetError("closed while its greeting was read")
        data += part
    return data


def _wrong_server(wanted: str) -> Unavailable:
    return Unavailable(f"what answers there is not a {wanted} server", hint="check the port")


_PROBES: dict[str, Callable[[socket.socket], bool]] = {
    "postgresql": _probe_postgresql,
    "mariadb": _probe_mysql,
    "mysql": _probe_mysql,
}
