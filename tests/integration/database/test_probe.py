"""The TLS handshake with a database server, apart from the login."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from qapla.database.probe import probe_tls
from qapla.database.spec import ConnectionSpec
from qapla.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

GREETING = b"\x0a10.11.0-MariaDB\x00" + b"\x01\x00\x00\x00" + b"saltsalt\x00" + b"\xff\xff" + b"\x2d\x02\x00\xff\xc1\x15" + b"\x00" * 30


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for ``localhost`` that is its own authority, with its key in the same file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    start = datetime.now(UTC) - timedelta(days=1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), start, start + timedelta(days=3))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


def answer_postgresql(connected: socket.socket) -> None:
    """Agree to TLS as PostgreSQL does."""
    assert connected.recv(8) == b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
    connected.sendall(b"S")


def answer_mariadb(connected: socket.socket) -> None:
    """Greet and take the SSLRequest packet as MariaDB does."""
    connected.sendall(len(GREETING).to_bytes(3, "little") + b"\0" + GREETING)
    assert len(connected.recv(36)) == 36


ANSWERS = {"postgresql": answer_postgresql, "mariadb": answer_mariadb}


@contextmanager
def server(answer: Callable[[socket.socket], None], certificate: Path) -> Iterator[int]:
    """Serve one connection: agree to TLS and shake hands."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve(listening: socket.socket) -> None:
        connected, _ = listening.accept()
        with suppress(OSError), closing(connected):
            answer(connected)
            with context.wrap_socket(connected, server_side=True) as secure:
                secure.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(5)


def probe(spec: ConnectionSpec) -> str:
    """Connect and shake hands."""
    with socket.create_connection(("127.0.0.1", spec.port or 0), 5) as connected:
        return probe_tls(spec, connected)


@pytest.mark.parametrize("engine", ANSWERS)
@pytest.mark.parametrize(
    ("sslmode", "said"),
    [("prefer", ""), ("require", ""), ("verify-ca", ", certificate checked"), ("verify-full", ", certificate and name checked")],
)
def test_a_good_handshake_says_what_was_checked(engine: str, sslmode: str, said: str, certificate: Path) -> None:
    """Every mode up to verify-full passes with the right authority and name."""
    with server(ANSWERS[engine], certificate) as port:
        spec = ConnectionSpec(engine, "localhost", port, "d", "u", sslmode=sslmode, tls_ca=str(certificate))  # type: ignore[arg-type]

        assert probe(spec) == f"TLSv1.3{said}"


@pytest.mark.parametrize("engine", ANSWERS)
@pytest.mark.parametrize(
    ("sslmode", "host", "with_ca", "message"),
    [
        ("verify-ca", "localhost", False, "name the authority that signed it with tls_ca"),
        ("verify-full", "127.0.0.1", True, "is the host the name in it"),
    ],
)
def test_a_certificate_that_does_not_pass_is_refused(
    engine: str, sslmode: str, host: str, with_ca: bool, message: str, certificate: Path
) -> None:
    """An unknown authority or another name ends the handshake, and the hint says what to look at."""
    with server(ANSWERS[engine], certificate) as port:
        spec = ConnectionSpec(engine, host, port, "d", "u", sslmode=sslmode, tls_ca=str(certificate) if with_ca else None)  # type: ignore[arg-type]

        with pytest.raises(Unavailable, match="the certificate of the server is refused") as refused:
            probe(spec)

    assert message in str(refused.value.hint)


def test_a_pair_that_is_none_is_named(certificate: Path, tmp_path: Path) -> None:
    """A client certificate without its key is an error before anything is sent."""
    alone = tmp_path / "alone.pem"
    alone.write_text(certificate.read_text().partition("-----BEGIN PRIVATE")[0])
    with server(answer_postgresql, certificate) as port:
        spec = ConnectionSpec("postgresql", "localhost", port, "d", "u", sslmode="require", tls_cert=str(alone))

        with pytest.raises(Unavailable, match="a certificate or key file cannot be used"):
            probe(spec)
