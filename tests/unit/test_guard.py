"""qapla.guard: who may see what an application tells about itself"""

from __future__ import annotations

import pytest

from qapla.errors import SettingsError
from qapla.guard import is_insider, read_token
from qapla.settings import Settings

HERE = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost:6543"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (HERE, True),
        ({"REMOTE_ADDR": "::1", "HTTP_HOST": "[::1]:80"}, True),
        ({"REMOTE_ADDR": "127.0.0.1", "SERVER_NAME": "localhost"}, True),
        ({**HERE, "REMOTE_ADDR": "192.0.2.1"}, False),
        ({**HERE, "HTTP_HOST": "rebound.example"}, False),
        ({**HERE, "HTTP_X_FORWARDED_FOR": "192.0.2.1"}, False),
        ({**HERE, "HTTP_VIA": "1.1 proxy"}, False),
        ({**HERE, "HTTP_X_FORWARDED_PROTO": "https"}, False),
        ({**HERE, "HTTP_CF_CONNECTING_IP": "192.0.2.1"}, False),
        ({}, False),
    ],
)
def test_this_machine_alone(environ, expected):
    """Without a token only a program on this machine is let in; what a proxy passes on and a name that was rebound are not."""
    assert is_insider(environ) is expected


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        ("Bearer tell-me", True),
        ("bearer  tell-me ", True), ("Bearer tell-you", False), ("Basic tell-me", False), ("", False), ("Bearer \xff", False),
    ],
)
def test_token(authorization, expected):
    """With a token it is asked for everywhere, on this machine, too."""
    assert is_insider({**HERE, "HTTP_AUTHORIZATION": authorization}, "tell-me") is expected


@pytest.mark.parametrize(("setting", "expected"), [("tell-me", "tell-me"), (" tell-me\n", "tell-me"), ("", None), (None, None)])
def test_token_of_the_settings(setting, expected):
    """Text, without the line end that a file may have left at it; none where there is none."""
    assert read_token(Settings({"metrics:token": setting}), "metrics:token") == expected


@pytest.mark.parametrize("setting", [12345, " ", ["tell-me"]])
def test_no_token(setting):
    """What cannot be one is told at the start, not to the first who asks."""
    with pytest.raises(SettingsError, match="'metrics:token' in the settings is wrong"):
        read_token(Settings({"metrics:token": setting}), "metrics:token")
