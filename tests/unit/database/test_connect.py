"""qapla.database.connect, as far as it needs no server"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pymysql.err import OperationalError

from qapla.database.connect import OnlyThroughTls


def make_connection(*, secure):
    """Return what the login of PyMySQL uses of a connection; ``sent`` is what went out."""
    sent = []
    return SimpleNamespace(_secure=secure, password=b"s3cret", sent=sent, write_packet=sent.append, _read_packet=lambda: "answer")


def test_a_password_in_the_clear_goes_through_tls():
    """A server that asks for the password as it is gets it on an encrypted line."""
    connection = make_connection(secure=True)

    answer = OnlyThroughTls(connection).authenticate(None)

    assert (answer, connection.sent) == ("answer", [b"s3cret\0"])


def test_a_password_in_the_clear_goes_nowhere_else():
    """Without TLS nothing is sent, whatever the server asks for."""
    connection = make_connection(secure=False)

    with pytest.raises(OperationalError, match="in the clear"):
        OnlyThroughTls(connection).authenticate(None)

    assert connection.sent == []
