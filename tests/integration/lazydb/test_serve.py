"""How lazydb asks the framework to serve it."""

from __future__ import annotations

import pytest

from lazydb.serve import Serving


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
