"""``lazydb export-project``"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of the test."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_exporting(lazydb: Any, shop: str, elsewhere: Path) -> None:
    """A registered database becomes an application in a folder of its name; what to do next is said."""
    lazydb("add", shop, "--name", "my-shop")

    outcome = lazydb("export-project", "my-shop")

    assert outcome.code == 0, outcome.err
    assert "cd my_shop && pip install" in outcome.out
    assert "qapla database migrate" in outcome.out
    assert "class Item(Model)" in (elsewhere / "my_shop" / "my_shop" / "models.py").read_text()
    assert (elsewhere / "my_shop" / "my_shop" / "settings" / "local.py").stat().st_mode & 0o077 == 0


def test_for_scripts(ask: Any, shop: str, tmp_path: Path) -> None:
    """With --json the folder, the package and the files are told; --output says where."""
    ask("add", shop, "--name", "shop")

    outcome = ask("export-project", "shop", "--output", str(tmp_path / "there"))

    assert (outcome["name"], outcome["package"], outcome["folder"]) == ("shop", "shop", str(tmp_path / "there"))
    assert all((tmp_path / "there" / file).is_file() for file in outcome["files"])


def test_settings_of_the_connection(lazydb: Any, shop: str, elsewhere: Path) -> None:
    """It is read as it is served: without the tables that the connection leaves out; when none is left, there is nothing to export."""
    lazydb("add", shop, "--name", "shop", "--exclude", "item")

    outcome = lazydb("export-project", "shop")

    assert outcome.code == 1
    assert "database 'shop' has no table" in outcome.err
    assert list(elsewhere.iterdir()) == []


def test_unknown_connection(lazydb: Any, shop: str) -> None:
    """A name that is not registered is told, with the nearest one."""
    lazydb("add", shop, "--name", "shop")

    outcome = lazydb("export-project", "shpo")

    assert outcome.code == 1
    assert "no database is called 'shpo'" in outcome.err
    assert "'shop'" in outcome.err


def test_folder_in_use(lazydb: Any, shop: str, elsewhere: Path) -> None:
    """Nothing is written over."""
    lazydb("add", shop, "--name", "shop")
    (elsewhere / "shop").mkdir()
    (elsewhere / "shop" / "mine").touch()

    outcome = lazydb("export-project", "shop")

    assert outcome.code == 1
    assert "'shop' is there already" in outcome.err
    assert [path.name for path in (elsewhere / "shop").iterdir()] == ["mine"]


def test_database_away(lazydb: Any, elsewhere: Path) -> None:
    """A database that cannot be reached is told, without its password; nothing is written."""
    lazydb("add", "postgresql://me:s3cr3t@127.0.0.1:1/shop", "--paused")

    outcome = lazydb("export-project", "shop")

    assert outcome.code == 1
    assert "'shop' cannot be used now" in outcome.err
    assert "s3cr3t" not in outcome.err
    assert list(elsewhere.iterdir()) == []
