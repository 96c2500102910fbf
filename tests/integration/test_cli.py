"""The command ``qapla``"""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.fixture
def qapla(tmp_path):
    """Give a function that runs the command on lazydb, in a home of its own."""

    def run(*arguments, app="lazydb.application:LazydbApplication"):
        environ = {"LAZYDB_HOME": str(tmp_path / "home"), "QAPLA_APP": app, "LAZYDB_SECRET_KEY": "s3cret" * 6, "PATH": ""}
        command = [sys.executable, "-W", "ignore", "-c", "from qapla.cli import main; main()", *arguments]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    return run


def test_migrations(qapla):
    """``status`` tells by its exit code whether ``migrate`` has something to do."""
    before, done, again, after = [qapla("database", command) for command in ("status", "migrate", "migrate", "status")]

    assert (before.returncode, "empty" in before.stdout, "migrations are missing" in before.stdout) == (1, True, True)
    assert [line.split()[:3] for line in done.stdout.splitlines()[:2]] == [["main", "2", "migrations"], ["0001", "The", "registry"]]
    assert done.stdout.split()[-2:] == ["main", "migrated"]
    assert "up to date" in again.stdout
    assert (after.returncode, "up to date" in after.stdout) == (0, True)


def test_settings_mask_secrets(qapla):
    """Every setting is shown with its origin, and no secret."""
    shown = qapla("settings").stdout

    assert "db:main:url = 'sqlite:////" in shown
    assert "settings/default.py" in shown
    assert "lazydb:secret_key = '***'" in shown
    assert "s3cret" not in shown


def test_plugins(qapla):
    """In the order in which they start."""
    lines = [line.split() for line in qapla("plugins").stdout.splitlines()]

    ours = [line for line in lines if line[0] in {"database", "registry"}]
    assert ours == [["database", "qapla.database.plugin.DatabasePlugin"], ["registry", "lazydb.application.RegistryPlugin"]]


def test_installed_plugins(qapla):
    """Names, what they stand for, and the distribution that offers them; no application is needed."""
    lines = [line.split() for line in qapla("plugins", "--installed", app="").stdout.splitlines()]

    assert ["database", "qapla.database.plugin:DatabasePlugin", "qapla"] in lines


@pytest.mark.parametrize(
    ("app", "message"),
    [
        ("", "no application is named"),
        ("nowhere:main", "'nowhere:main' cannot be found"),
        (":main", "':main' cannot be found"),
        ("..up:main", "'..up:main' cannot be found"),
        ("qapla.errors:Nothing", "'qapla.errors:Nothing' cannot be found"),
        ("qapla.errors:QaplaError", "is no application"),
    ],
)
def test_wrong_application(qapla, app, message):
    """One line, exit code 1."""
    done = qapla("settings", app=app)

    assert (done.returncode, message in done.stderr, done.stderr.count("\n")) == (1, True, 1)


@pytest.mark.parametrize(("source", "told"), [("import nix", "No module named 'nix'"), ("x = = 1", "SyntaxError")])
def test_application_that_cannot_be_imported(qapla, tmp_path, monkeypatch, source, told):
    """It is not said to be missing: file, line and mistake are told. The help still lists our own commands."""
    (tmp_path / "broken_app.py").write_text(f"import sys\n{source}\n")
    monkeypatch.chdir(tmp_path)

    done, helped = qapla("plugins", app="broken_app:main"), qapla("--help", app="broken_app:main")

    assert (done.returncode, done.stderr.count("\n"), told in done.stderr) == (1, 1, True)
    assert "application 'broken_app:main' cannot be imported: line 2 of" in done.stderr
    assert (helped.returncode, "startproject" in helped.stdout, told in helped.stderr) == (0, True, True)


def test_command_of_a_plugin_without_application(qapla):
    """A command that is not known may be one of an application that nobody has named."""
    done = qapla("database", "status", app="")

    assert (done.returncode, "No such command 'database'. No application is named: use --app" in done.stderr) == (2, True)


def test_help_lists_commands_of_plugins(qapla):
    """Without an application there are those of our own."""
    assert "database" in qapla("--help").stdout
    assert qapla("--help", app="").returncode == 0
