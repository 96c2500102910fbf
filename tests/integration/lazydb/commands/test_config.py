"""``lazydb config``, ``migrate`` and ``backup``."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from qapla.testing.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lazydb.toml"


def test_export_and_import_carry_everything_but_secrets(
    lazydb: Callable[..., Any], ask: Callable[..., Any], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was exported here is registered there; the password comes from the environment."""
    url = f"postgresql://me:very-secret@127.0.0.1:{free_port()}/shop?sslmode=require"
    lazydb("add", url, "--paused", "--writable", "--set", "db_max_rows=7", "--schemas", "a,b")
    before = ask("show", "shop")
    lazydb("config", "export", str(file))
    lazydb("remove", "shop", "--yes")
    monkeypatch.setenv("LAZYDB_ALLOW_PRIVATE", "1")
    monkeypatch.setenv("LAZYDB_PASSWORD_SHOP", "very-secret")

    imported = lazydb("config", "import", str(file))

    assert imported.code == 0, imported.err
    assert ask("show", "shop") == before
    assert "very-secret" not in file.read_text()
    assert tomllib.loads(file.read_text())["databases"]["shop"]["password"] == {"env": "LAZYDB_PASSWORD_SHOP"}


def test_export_overwrites_nothing(lazydb: Callable[..., Any], file: Path) -> None:
    """A file that is there is kept, unless --force."""
    file.write_text("mine")

    refused, forced = lazydb("config", "export", str(file)), lazydb("config", "export", str(file), "--force")

    assert (refused.code, forced.code) == (1, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[databases.shop", "no TOML"),
        ("[database.shop]\n", "'database'"),
        ("[databases.'a b']\nengine = 'sqlite'\n", "'a b'"),
        ("[databases.shop]\nengine = 'postgresql'\nhost = 'h'\ndatabase = 'd'\nuser = 'u'\npassword = 'open'\n", "written out"),
        ("[databases.shop]\nurl = 'postgresql://u:open@h/d'\n", "password in it"),
        ("[databases.shop]\nurl = 'postgresql://u@h/d'\npassword = {env = 'NO_SUCH_VARIABLE'}\n", "'NO_SUCH_VARIABLE'"),
        ("[databases.shop]\nurl = 'postgresql://u@h/d'\npassword = {env = 'LAZYDB_SECRET_KEY'}\n", "is not for passwords"),
        ("[databases.shop]\nurl = 'postgresql://u@h/d'\npassword = {env = 'QAPLA__LAZYDB__SECRET_KEY'}\n", "is not for passwords"),
        ("[databases.shop]\nurl = 'postgresql://u@h/d'\ndb_max_rows = 'many'\n", "db_max_rows"),
        ("[databases.shop]\nurl = 'postgresql://u@h/d'\npaused = 'maybe'\n", "'paused'"),
        ("[databases.shop]\nengine = 'sqlite'\npath = '/etc/passwd'\n", "SQLite"),
        ("[databases.shop]\nurl = 'postgresql://u@127.0.0.1/d'\nnonsense = 1\n", "nonsense"),
    ],
)
def test_wrong_file_imports_nothing(lazydb: Callable[..., Any], ask: Callable[..., Any], file: Path, text: str, message: str) -> None:
    """The mistake is named with its database, and nothing of the file is registered."""
    file.write_text("[databases.fine]\nurl = 'postgresql://u@203.0.113.1/d'\npaused = true\n\n" + text)

    outcome = lazydb("config", "import", str(file))

    assert outcome.code == 1
    assert message in outcome.err
    assert "open" not in outcome.err.replace("written out", "")
    assert ask("list") == []


def test_file_without_tables_is_refused(lazydb: Callable[..., Any], file: Path) -> None:
    """Databases are tables, each with a name."""
    file.write_text("databases = 1\n")

    outcome = lazydb("config", "import", str(file))

    assert (outcome.code, "[databases.NAME]" in outcome.err) == (1, True)


def test_import_of_what_is_down_is_paused(
    lazydb: Callable[..., Any], ask: Callable[..., Any], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that does not answer now is registered all the same, and the exit code says so."""
    monkeypatch.setenv("LAZYDB_ALLOW_PRIVATE", "1")
    file.write_text(f"[databases.shop]\nurl = 'postgresql://u@127.0.0.1:{free_port()}/d'\n")

    outcome = lazydb("config", "import", str(file))

    assert outcome.code == 1
    assert "paused" in outcome.out
    assert ask("list")[0]["state"] == "paused"


def test_backup_is_a_registry(
    lazydb: Callable[..., Any], ask: Callable[..., Any], tmp_path: Path, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """lazydb starts from a backup and knows everything in it; only its owner can read the file."""
    copy = tmp_path / "copy.sqlite"
    lazydb("add", shop, "--name", "shop")

    backed_up, again = lazydb("backup", str(copy)), lazydb("backup", str(copy))
    monkeypatch.setenv("LAZYDB_DATABASE_URL", f"sqlite:///{copy}")

    assert (backed_up.code, again.code) == (0, 1)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert [known["name"] for known in ask("list")] == ["shop"]
    lazydb("remove", "shop", "--yes")
    monkeypatch.delenv("LAZYDB_DATABASE_URL")
    assert [known["name"] for known in ask("list")] == ["shop"]


def test_migrate_says_where_the_registry_is(ask: Callable[..., Any]) -> None:
    """The registry is at a revision, and its URL shows no password."""
    assert ask("migrate")["revision"]
