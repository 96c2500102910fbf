"""qapla.database.direct: what the drivers are given"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from qapla.database.direct import make_direct_engine
from qapla.database.spec import parse_url

REST = "u:p%25%40w@db.example:1522/shop?sslmode=verify-full&connect_timeout=3"


class Stop(Exception):
    """Nothing is connected."""


def given(url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the keywords that the driver would connect with, and the ``address`` that PyMySQL's socket is opened to."""
    found: dict[str, Any] = {}
    engine = make_direct_engine(parse_url(url), "shop", find_address=lambda spec: "192.0.2.7")

    def connect(*arguments: Any, **keywords: Any) -> Any:
        found.update(keywords)
        if keywords.get("defer_connect"):
            return SimpleNamespace(connect=lambda opened: None)
        raise Stop

    def open_socket(address: str | None, port: int | None, timeout_s: float) -> None:
        found["address"] = address
        raise Stop

    monkeypatch.setattr("pymysql.connect", connect)
    monkeypatch.setattr("qapla.database.direct.open_socket", open_socket)
    engine.dialect.connect = connect  # type: ignore[method-assign]
    with pytest.raises(Stop):
        engine.connect()
    assert "p%@w" not in repr(engine) + str(engine.url) + str(engine.url.password)
    return found


SHARED = {"port": 1522, "user": "u"}


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("postgresql", {"host": "db.example", "hostaddr": "192.0.2.7", "dbname": "shop", "password": "p%@w", "connect_timeout": 3}),
        (
            "mariadb",
            {"host": "db.example", "address": "192.0.2.7", "database": "shop", "password": b"p%@w"}
            | {"connect_timeout": 3, "read_timeout": 3},
        ),
        ("oracle", {"host": "192.0.2.7", "service_name": "shop", "password": "p%@w", "protocol": "tcps", "tcp_connect_timeout": 3}),
    ],
)
def test_connects_to_the_spec(scheme: str, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Host, login, TLS and deadline are those of the spec, the address is the one that was checked; the password is in no URL."""
    found = given(f"{scheme}://{REST}", monkeypatch)

    assert {name: found.get(name) for name in (*SHARED, *expected)} == SHARED | expected
    assert "dsn" not in found


@pytest.mark.parametrize("scheme", ["postgresql", "mariadb"])
def test_tls_is_verified(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """``verify-full`` has the driver check certificate and name."""
    found = given(f"{scheme}://{REST}", monkeypatch)

    assert found.get("sslmode") == "verify-full" or (found["ssl"].check_hostname and found["ssl"].verify_mode.name == "CERT_REQUIRED")
