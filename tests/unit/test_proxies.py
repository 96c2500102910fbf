"""qapla.proxies: what stands in front of an application"""

from __future__ import annotations

import pytest

from qapla.errors import SettingsError
from qapla.proxies import Proxies, read_proxies
from qapla.settings import Settings


@pytest.mark.parametrize(
    ("trusted", "sender", "forwarded", "client"),
    [
        ((), "10.0.0.1", "203.0.113.5", "10.0.0.1"),
        (("10.0.0.0/8",), "10.0.0.1", "203.0.113.5", "203.0.113.5"),
        (("10.0.0.0/8",), "10.0.0.1", "198.51.100.1, 203.0.113.5, 10.0.0.2", "203.0.113.5"),
        (("10.0.0.0/8",), "203.0.113.9", "198.51.100.1", "203.0.113.9"),
        (("10.0.0.1",), "10.0.0.1", "", "10.0.0.1"),
    ],
)
def test_only_trusted_proxies_are_believed(trusted, sender, forwarded, client):
    """The client is the last address that is not a trusted proxy."""
    environ = {"REMOTE_ADDR": sender, "HTTP_X_FORWARDED_FOR": forwarded, "HTTP_X_FORWARDED_PROTO": "https", "wsgi.url_scheme": "http"}

    Proxies(trusted).correct(environ)

    assert environ["REMOTE_ADDR"] == client
    assert environ["wsgi.url_scheme"] == ("https" if trusted and sender != "203.0.113.9" else "http")


@pytest.mark.parametrize(
    ("path", "expected"), [("/lazydb/api/", "/api/"), ("/api/", "/api/"), ("/lazydb", "/"), ("/lazydb2/x", "/lazydb2/x")]
)
def test_root_path(path, expected):
    """Links start with the root path, whether or not the proxy cuts it off."""
    environ = {"PATH_INFO": path}

    Proxies(root_path="/lazydb/").correct(environ)

    assert environ == {"SCRIPT_NAME": "/lazydb", "PATH_INFO": expected}


@pytest.mark.parametrize(
    ("key", "value"), [("web:trusted_proxies", "10.0.0.1,nobody"), ("web:root_path", "lazydb"), ("web:root_path", "/a?b")]
)
def test_wrong_settings_are_told(key, value):
    """A proxy that is no address, and a path that is none, are refused at the start."""
    with pytest.raises(SettingsError, match=key):
        read_proxies(Settings({"web": {key.removeprefix("web:"): value}}))


def test_the_environment_lists_proxies_with_commas():
    """Text is as good as a list."""
    environ = {"REMOTE_ADDR": "10.0.0.2", "HTTP_X_FORWARDED_FOR": "203.0.113.5"}

    read_proxies(Settings({"web": {"trusted_proxies": "10.0.0.1, 10.0.0.2"}})).correct(environ)

    assert environ["REMOTE_ADDR"] == "203.0.113.5"
