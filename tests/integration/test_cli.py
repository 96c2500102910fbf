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
    [("", "no application is named"), ("nowhere:main", "'nowhere:main' cannot be found"), ("qapla.errors:QaplaError", "is no application")],
)
def test_wrong_application(qapla, app, message):
    """One line, exit code 1."""
    done = qapla("settings", app=app)

    assert (done.returncode, message in done.stderr, done.stderr.count("\n")) == (1, True, 1)


def test_help_lists_commands_of_plugins(qapla):
    """Without an application there are those of our own."""
    assert "database" in qapla("--help").stdout
    assert qapla("--help", app="").returncode == 0
