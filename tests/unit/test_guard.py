"""qapla.guard: who may see what an application tells about itself"""

from __future__ import annotations

import pytest

from qapla.guard import is_insider

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
