"""The ugly world: odd databases served by the real command, with clients for the API and the admin."""

from __future__ import annotations

import importlib.util
import re
import time
from contextlib import contextmanager
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from sqlalchemy import URL

LOGIN = re.compile(r"once: (\S+)\s")
CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')


def target_of(url: URL) -> str:
    """Return a test database's URL as a person would type it."""
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{url.database}"
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=False)


@contextmanager
def logged_in(server: Any) -> Iterator[httpx.Client]:
    """Give a client of the admin, logged in by the link that the server printed."""
    deadline = time.monotonic() + 10
    while not (found := LOGIN.search(server.output)):  # the lines may come one by one
        assert time.monotonic() < deadline
        time.sleep(0.02)
    link = found[1]
    with server.client(follow_redirects=True) as client:
        page = client.get(link)
        if found := CSRF.search(page.text):
            client.post(str(page.url), data={"csrf_token": unescape(found[1])})
        yield client


class Fields(HTMLParser):
    """The fields of the forms of a page, as a browser would send them: ``items``."""

    def __init__(self, page: str, form_has: str = "_columns") -> None:
        super().__init__()
        self.forms: list[list[tuple[str, str]]] = []
        self._select: tuple[str, list[tuple[str, bool]]] | None = None
        self._area: str | None = None
        self._text = ""
        self.feed(page)
        self.items = next((form for form in self.forms if any(name == form_has for name, _ in form)), [])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a field."""
        get = dict(attrs)
        name = get.get("name")
        if tag == "form":
            self.forms.append([])
        elif tag == "input" and name and self.forms and "disabled" not in get:
            kind = get.get("type", "text")
            if kind in {"submit", "button", "file"} or (kind in {"checkbox", "radio"} and "checked" not in get):
                return
            self.forms[-1].append((name, get.get("value") or ("on" if kind == "checkbox" else "")))
        elif tag == "textarea" and name:
            self._area, self._text = name, ""
        elif tag == "select" and name:
            self._select = (name, [])
        elif tag == "option" and self._select:
            self._select[1].append((get.get("value") or "", "selected" in get))

    def handle_data(self, data: str) -> None:
        """Collect the text of a text area."""
        if self._area:
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        """Finish a text area or a choice."""
        if tag == "textarea" and self._area:
            self.forms[-1].append((self._area, self._text.removeprefix("\n").replace("\r\n", "\n").replace("\n", "\r\n")))
            self._area = None
        elif tag == "select" and self._select:
            name, options = self._select
            chosen = [value for value, is_selected in options if is_selected] or [value for value, _ in options[:1]]
            self.forms[-1].extend((name, value) for value in chosen)
            self._select = None


@pytest.fixture(scope="module")
def make_home(tmp_path_factory: pytest.TempPathFactory, make_lazydb: Any) -> Any:
    """Return a function that makes an installation of lazydb in a folder of its own."""

    def make() -> Any:
        folder: Path = tmp_path_factory.mktemp("home")
        return make_lazydb(folder)

    return make


@pytest.fixture(scope="session")
def ugly() -> Any:
    """Return the helpers of these tests: ``cells``, ``Fields``, ``logged_in``, ``target_of``."""
    path = Path(__file__).with_name("cells.py")
    spec = importlib.util.spec_from_file_location("ugly_cells", path)
    assert spec is not None
    assert spec.loader is not None
    cells = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cells)
    return SimpleNamespace(cells=cells, Fields=Fields, logged_in=logged_in, target_of=target_of)
