"""qapla.gate"""

from __future__ import annotations

import pytest

from qapla.gate import is_known, refuse


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("localhost", True),
        ("LOCALHOST:6543", True),
        ("shop.localhost:80", True),
        ("127.0.0.1:6543", True),
        ("127.8.9.1", True),
        ("[::1]:6543", True),
        ("[::1]", True),
        ("db.example.org:443", True),
        ("example.org", False),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
        ("10.0.0.1", False),
        ("[::1", True),
        ("localhost:80:80", False),
        ("localhost:x", False),
        ("[::1]x", False),
        ("", False),
    ],
)
def test_hosts(host, known):
    """Loopback and configured names are known, whatever the port; a name that only begins like one is not."""
    assert is_known(host, frozenset({"db.example.org"})) is known


class TestRefuse:
    """refuse(environ, hosts)"""

    def test_foreign_host(self):
        """DNS rebinding ends here."""
        error = refuse({"HTTP_HOST": "evil.example"}, frozenset())

        assert (error.status, "evil" in error.message) == (400, False)

    @pytest.mark.parametrize("hosts", [None, frozenset({"*"})])
    def test_any_host(self, hosts):
        """Without the setting, or with ``*``, every host is welcome."""
        assert refuse({"HTTP_HOST": "any.example"}, hosts) is None

    def test_no_host(self):
        """A program that speaks HTTP/1.0 has no Host; browsers always have."""
        assert refuse({"PATH_INFO": "/"}, frozenset()) is None

    @pytest.mark.parametrize(("path", "query"), [("/caf\xe9", ""), ("/", "a=%ff"), ("/", "a=%c3"), ("/", "\xff")])
    def test_not_utf8(self, path, query):
        """An address that is not UTF-8 is refused before anything has to decode it."""
        assert refuse({"PATH_INFO": path, "QUERY_STRING": query}, None).status == 400

    @pytest.mark.parametrize(("path", "query"), [("/caf\xc3\xa9", "a=%C3%A9&b=%"), ("/\xf0\x9f\x98\x80", "%F0%9F%98%80=1")])
    def test_utf8(self, path, query):
        """Any letter may be in an address."""
        assert refuse({"PATH_INFO": path, "QUERY_STRING": query}, None) is None
