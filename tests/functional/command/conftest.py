"""The real ``lazydb`` command on an installation of its own, and a music shop that it serves."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent


@pytest.fixture
def lazydb(tmp_path: Path, make_lazydb: Any) -> Any:
    """Give the test an installation of its own."""
    return make_lazydb(tmp_path / "home")


@pytest.fixture(scope="session")
def make_chinook() -> Callable[[Path], Path]:
    """Return a function that makes a database of Chinook's shape at a path."""

    def make(path: Path) -> Path:
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript((HERE / "chinook.sql").read_text())
        return path

    return make


@pytest.fixture
def chinook(tmp_path: Path, make_chinook: Callable[[Path], Path]) -> Path:
    """Give the test a file of Chinook's shape."""
    return make_chinook(tmp_path / "chinook.sqlite")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, make_chinook: Callable[[Path], Path], make_lazydb: Any) -> Iterator[Any]:
    """Serve Chinook to all tests of a module, to be read and written by anyone."""
    folder = tmp_path_factory.mktemp("chinook")
    path = make_chinook(folder / "chinook.sqlite")
    options = ("--name", "chinook", "--writable", "--anonymous", "write")
    with make_lazydb(folder / "home").serving(f"sqlite:///{path}", *options) as server:
        yield server


@pytest.fixture
def api(served: Any) -> Iterator[httpx.Client]:
    """Give the test a client of Chinook's API: ``api.get("Track")``."""
    with served.client() as client:
        client.base_url = httpx.URL(f"{served.url}/api/chinook/")
        yield client
