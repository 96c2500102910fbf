"""qapla.database.frames.connectorx: how it gets to a database, and when it is not asked to"""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import make_url

from qapla.database.frames.connectorx import _url, can_read
from qapla.database.frames.postgresql import Question

PARAMETERS = {"host": "db.example.org", "port": "5433", "dbname": "my shop/%", "user": "a@b:c", "password": "p@ss:w/ö%40d?#"}


def question(is_encrypted: bool = False, **parameters: Any) -> Question:
    return Question("SELECT 1", ("c0",), {**PARAMETERS, **parameters}, "", is_encrypted)


def test_odd_names_and_passwords() -> None:
    """Whatever is in a name or a password gets there as it is."""
    url = make_url(_url(question()))

    assert (url.host, str(url.port), url.database, url.username, url.password) == tuple(PARAMETERS.values())


def test_the_address_that_was_checked() -> None:
    """Where an address was looked up and checked, that one is connected to; one of IPv6 stands in brackets."""
    assert "@192.0.2.1:5433/" in _url(question(hostaddr="192.0.2.1"))
    assert "@[2001:db8::1]:5433/" in _url(question(hostaddr="2001:db8::1"))


@pytest.mark.parametrize("parameters", [{"host": "/run/postgresql"}, {"host": "a,b"}, {"host": ""}, {"is_encrypted": True}])
def test_what_only_libpq_can(parameters: dict[str, Any]) -> None:
    """Sockets, several hosts and TLS are for libpq."""
    assert can_read(question())
    assert not can_read(question(**parameters))


def test_nothing_secret_is_shown() -> None:
    """Neither password nor values of a statement are in what is printed of a question."""
    shown = repr(question())

    assert "p@ss" not in shown
    assert "SELECT" not in shown
