"""The admin of a small shop behind a real server, and a real browser in front of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import sync_playwright
from webtest.http import StopableWSGIServer

from qapla.testing.shop import make_shop

if TYPE_CHECKING:
    from collections.abc import Iterator

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[str, Any]]:
    """Serve the shop; give its address and the source behind it."""
    with make_shop("sqlite") as (client, source):
        server = StopableWSGIServer.create(client.app, threads=4)
        yield server.application_url.rstrip("/"), source
        server.shutdown()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """Start the browser."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Any, site: tuple[str, Any]) -> Iterator[Any]:
    """Give the test a page, and fail it when a script fails or the policy blocks something."""
    address, source = site
    source.begin()
    source.fill()
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text) if "Content Security Policy" in message.text else None)
    yield opened
    context.close()
    assert not complaints
