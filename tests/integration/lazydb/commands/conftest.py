"""The command line inside of the test process: as quick as a function call."""

from __future__ import annotations

import io
import json
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from lazydb.commands import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test a LAZYDB_HOME of its own, and none of the caller's settings."""
    for name in ("DATABASE_URL", "SECRET_KEY", "ADMIN_PASSWORD", "SQLITE_FOLDERS", "ALLOW_PRIVATE", "BROKER_URL", "DEBUG"):
        monkeypatch.delenv(f"LAZYDB_{name}", raising=False)
    monkeypatch.setenv("LAZYDB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def lazydb(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Return a function that runs a command: ``lazydb("add", url)``."""

    def call(*arguments: str, stdin: str = "") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        code = run(list(arguments))
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def ask(lazydb: Callable[..., Outcome]) -> Callable[..., Any]:
    """Return a function that runs a command with --json and returns what it printed."""

    def call(*arguments: str) -> Any:
        outcome = lazydb(*arguments, "--json")
        assert outcome.code == 0, outcome.err
        return json.loads(outcome.out)

    return call


@pytest.fixture
def shop(tmp_path: Path) -> str:
    """Give the test the URL of a small SQLite database."""
    path = tmp_path / "my shop.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
    return f"sqlite:///{str(path).replace(' ', '%20')}"
