"""Ports, and the server itself."""

from __future__ import annotations

import socket

import pytest

from lazydb.serve import Serving, check_port, is_loopback
from qapla.errors import ConfigurationError


def test_port_in_use_is_told() -> None:
    """A port that somebody listens on is refused in one sentence with another one to try."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(ConfigurationError, match=f"port {port} is in use .*--port {port + 1}"):
            check_port("127.0.0.1", port)


def test_port_shared_by_others_is_in_use() -> None:
    """Servers that share a port among their workers do not hide that they are there."""
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as other:
        port = other.getsockname()[1]

        with pytest.raises(ConfigurationError, match="in use"):
            check_port("127.0.0.1", port)


@pytest.mark.parametrize("host", ["203.0.113.7", "no.such.host.invalid"])
def test_foreign_host_is_told(host: str) -> None:
    """Only an address of this machine can be listened on."""
    with pytest.raises(ConfigurationError, match="not an address of this machine"):
        check_port(host, 0)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("example.org", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    """Only loopback addresses count as this machine alone."""
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("serving", "url"),
    [
        (Serving(), "http://127.0.0.1:6543/"),
        (Serving(host="0.0.0.0", port=80), "http://127.0.0.1:80/"),
        (Serving(host="::1", root_path="/db/"), "http://[::1]:6543/db/"),
    ],
)
def test_url_to_open(serving: Serving, url: str) -> None:
    """The URL that is printed can be opened on this machine."""
    assert serving.url == url
