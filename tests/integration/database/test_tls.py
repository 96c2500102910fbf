"""A PostgreSQL server that asks for passwords and speaks TLS, with a certificate for ``localhost`` of an authority of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Boolean, column, select

from qapla.database.bulkhead import make_bulkhead
from qapla.database.check import check
from qapla.database.spec import parse_url
from qapla.database.statement import Statement
from qapla.errors import NotOffered
from qapla.testing import processes

PASSWORD = "p@ss:w/ö%rd?"


def make_certificate(name, issuer=None, issuer_key=None):
    """Return a certificate and its key; without an issuer it is an authority that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(hours=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    )
    return builder.sign(issuer_key or key, hashes.SHA256()), key


@pytest.fixture(scope="module")
def server():
    """The server's URL, and the folder with ``ca.pem`` (its authority) and ``other.pem`` (another one)."""
    folder = Path(tempfile.mkdtemp(prefix="qapla-tls-"))
    folder.chmod(0o755)
    authority, authority_key = make_certificate("an authority")
    certificate, key = make_certificate("localhost", authority, authority_key)
    other, _ = make_certificate("another authority")
    for name, each in (("ca.pem", authority), ("other.pem", other), ("server.pem", certificate)):
        (folder / name).write_bytes(each.public_bytes(serialization.Encoding.PEM))
    key_file = folder / "server.key"
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    key_file.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(key_file, pwd.getpwnam("postgres").pw_uid, -1)
    tls = {"ssl": "on", "ssl_cert_file": str(folder / "server.pem"), "ssl_key_file": str(key_file)}
    url = processes.start_postgresql(folder / "postgresql", os.getpid(), password=PASSWORD, settings=tls)
    yield url, folder
    processes.stop(folder / "postgresql")
    shutil.rmtree(folder)


@pytest.fixture
def make_spec(server):
    """Return a function that makes the spec of the server: ``make_spec(host, sslmode, "ca.pem")``."""
    url, folder = server

    def make(host="localhost", sslmode="verify-full", authority="ca.pem", password=PASSWORD):
        from dataclasses import replace

        port = url.rpartition(":")[2].partition("/")[0]
        spec = parse_url(f"postgresql://postgres:{quote(password, safe='')}@{host}:{port}/postgres?sslmode={sslmode}")
        return replace(spec, tls_ca=str(folder / authority) if authority else None)

    return make


@pytest.mark.parametrize("sslmode", ["prefer", "require", "verify-ca", "verify-full"])
def test_connections_are_encrypted(make_spec, sslmode):
    """Every mode but ``disable`` ends in TLS with a server that offers it, and logs in with an odd password."""
    bulkhead = make_bulkhead(make_spec(sslmode=sslmode), "tls")

    rows = bulkhead.fetch(Statement("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))

    bulkhead.close()
    assert [bool(value) and value not in (b"f", "f") for (value,) in rows] == [True]


def test_disable_is_in_the_clear(make_spec):
    """With ``disable`` nothing is encrypted, and the Test says so."""
    checked = check(make_spec(sslmode="disable", authority=None))

    assert checked.ok
    assert "in the clear" in next(step.message for step in checked.steps if step.name == "tls")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"authority": "other.pem"}, "certificate"),
        ({"authority": None}, "certificate"),
        ({"host": "127.0.0.1"}, "not valid for '127.0.0.1'"),
        ({"authority": "other.pem", "sslmode": "verify-ca"}, "certificate"),
    ],
)
def test_a_certificate_that_does_not_hold_is_refused(make_spec, how, said):
    """Another authority, an unknown one or another host's certificate ends the Test at TLS, and no statement runs."""
    spec = make_spec(**how)

    checked = check(spec)
    bulkhead = make_bulkhead(spec, "tls")
    with pytest.raises(Exception, match="reached"):
        bulkhead.fetch(Statement("SELECT 1"))

    bulkhead.close()
    assert (checked.failure.name, said in checked.failure.message) == ("tls", True)


def test_a_wrong_password_is_said_to_be_one(make_spec):
    """The Test fails at the login, names the user, and not the password."""
    checked = check(make_spec(password="another one"))

    assert checked.failure.name == "login"
    assert "'postgres'" in checked.failure.message
    assert "another one" not in str(checked)


class TestFrames:
    """Rows as frames, by readers that connect by themselves."""

    def read(self, server, sslmode, reader=None, authority="ca.pem"):
        from sqlalchemy import URL, create_engine, text

        from qapla.database.frames.reading import read_table

        url, folder = server
        port = int(url.rpartition(":")[2].partition("/")[0])
        query = {"sslmode": sslmode} | ({"sslrootcert": str(folder / authority)} if sslmode == "verify-full" else {})
        engine = create_engine(URL.create("postgresql+psycopg", "postgres", PASSWORD, "localhost", port, "postgres", query))
        columns = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").columns(column("ssl", Boolean))
        try:
            return read_table(select(columns.subquery().c.ssl), engine, reader=reader).column("ssl").to_pylist()
        finally:
            engine.dispose()

    @pytest.mark.parametrize(
        ("sslmode", "reader"), [("disable", "connectorx"), ("disable", "adbc"), ("verify-full", "adbc"), ("verify-full", "copy")]
    )
    def test_login_and_encryption_go_along(self, server, sslmode, reader):
        """A reader's own connection has the odd password of the first, and is encrypted as that one is."""
        assert self.read(server, sslmode, reader) == [sslmode == "verify-full"]

    def test_what_is_encrypted_stays_so(self, server):
        """ConnectorX cannot check certificates as libpq does, and is not asked over TLS."""
        with pytest.raises(NotOffered, match="'connectorx'"):
            self.read(server, "verify-full", "connectorx")
