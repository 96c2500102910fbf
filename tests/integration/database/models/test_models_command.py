"""``qapla models URL``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from qapla.cli import cli
from qapla.errors import QaplaError
from qapla.testing.oddities import run_script
from qapla.testing.servers import make_database

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from qapla.database.spec import ConnectionSpec


def run(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(cli, ["models", *arguments])


@pytest.fixture
def notes(sqlite_path: Path) -> str:
    """Return the URL of a database with two tables."""
    run_script(sa.make_url(f"sqlite:///{sqlite_path}"), "CREATE TABLE note (id INTEGER PRIMARY KEY);\nCREATE TABLE log (text TEXT);\n")
    return f"sqlite:///{sqlite_path}"


def test_printing(notes: str) -> None:
    """Without a file the models are printed, and nothing else."""
    printed = run(notes)

    assert printed.exit_code == 0
    assert printed.stdout.startswith('"""The models of a database of SQLite')
    assert "class Note(Model):" in printed.stdout


def test_choosing(notes: str) -> None:
    """Patterns choose the tables."""
    assert "class Log(" not in run(notes, "--exclude", "l*").stdout
    assert "class Note(" not in run(notes, "--include", "log").stdout


def test_schemas() -> None:
    """A schema chooses its tables; it is written where it is not the default one."""
    with make_database("postgresql") as url:
        run_script(url, "CREATE SCHEMA sales;\nCREATE TABLE sales.deal (id integer PRIMARY KEY);\nCREATE TABLE other (id integer);\n")
        target = url.set(drivername="postgresql").render_as_string(hide_password=False)
        everything, chosen = run(target).stdout, run(target, "--schema", "sales").stdout

    assert '__table_args__ = {"schema": "sales"}' in everything
    assert "class Other(" in everything
    assert "class Other(" not in chosen


def test_file(notes: str, tmp_path: Path) -> None:
    """A file is written over only when that is said."""
    file = tmp_path / "models.py"
    file.write_text("mine")

    refused = run(notes, "--output", str(file))
    kept = file.read_text()
    written = run(notes, "--output", str(file), "--force")

    assert isinstance(refused.exception, QaplaError)
    assert (str(refused.exception), kept) == ("file 'models.py' is there already (overwrite=True, or --force, writes over it)", "mine")
    assert written.stdout == f"2 models in {file}\n"
    assert "class Note(Model):" in file.read_text()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:////nowhere/at/all.sqlite", "all.sqlite"),
        ("postgresql://me:s3cr3t@127.0.0.1:1/shop", "'shop' cannot be used now"),
        ("mongodb://localhost/shop", "mongodb"),
        ("shop", "no engine is given"),
    ],
)
def test_no_database(url: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no database, or cannot be reached, is told without its password."""
    monkeypatch.setenv("QAPLA_PASSWORD", "0th3r")

    refused = run(url)

    assert isinstance(refused.exception, QaplaError)
    assert message in str(refused.exception)
    assert "s3cr3t" not in str(refused.exception)
    assert "0th3r" not in str(refused.exception)


def test_password_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL without a password has that of the environment, whatever is in it; one in the URL wins."""
    given = []

    def look(spec: ConnectionSpec, *arguments: object, **options: object) -> Engine:
        given.append(spec.password)
        return sa.create_engine("sqlite://")

    monkeypatch.setattr("qapla.database.models.generated.make_direct_engine", look)
    monkeypatch.setenv("QAPLA_PASSWORD", "p%40s s'\"ö")

    run("postgresql://me@127.0.0.1/shop")
    run("postgresql://me:mine@127.0.0.1/shop")

    assert given == ["p%40s s'\"ö", "mine"]
