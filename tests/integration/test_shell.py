"""``qapla shell`` and ``qapla routes``"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lazydb.application import LazydbApplication
from qapla.application import Application
from qapla.routes import list_routes, print_routes
from qapla.shell import run_shell

LAZYDB = "lazydb.application:LazydbApplication"


@pytest.fixture
def qapla(tmp_path):
    """Give a function that runs the command on lazydb, in a home of its own."""

    def run(*arguments, app=LAZYDB, stdin=""):
        environ = {**os.environ, "LAZYDB_HOME": str(tmp_path / "home"), "QAPLA_APP": app}
        command = [sys.executable, "-m", "qapla", *arguments]
        return subprocess.run(command, env=environ, cwd=tmp_path, input=stdin, capture_output=True, text=True, check=False)

    return run


def test_shell_runs_code(qapla):
    """The application is started, and each database has its session in an open scope."""
    asked = "main.execute(text('SELECT 7')).scalar()"
    code = f"from sqlalchemy import text; print(app.start_point, {asked}, scope.closed, settings['db:main:url'])"

    done = qapla("shell", "-c", code)

    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:3] == ["shell", "7", "False"]
    assert done.stdout.split()[3].startswith("sqlite:///")
    assert done.stderr == ""


def test_shell_runs_what_is_piped_in(qapla):
    """A script needs no option."""
    assert qapla("shell", stdin="def double(x):\n    return 2 * x\nprint(double(21))\n").stdout == "42\n"


def test_shell_keeps_nothing_by_itself(tmp_path, monkeypatch, capsys):
    """What is not committed is gone."""
    monkeypatch.setenv("LAZYDB_HOME", str(tmp_path))
    make = "from lazydb.models import User; main.add(User(name='ada', role='admin', rights={})); main.flush()"
    count = "from lazydb.models import User; print(main.query(User).count())"

    for source in (make, count, make + "; main.commit()", count):
        run_shell(LazydbApplication(), source)

    assert capsys.readouterr().out == "0\n1\n"


def test_shell_shows_errors(qapla):
    """Code that fails is shown with its traceback, as Python does; an application that is not there is one line."""
    failed, nowhere = qapla("shell", "-c", "1 / 0"), qapla("shell", "-c", "1", app="nowhere:main")

    assert (failed.returncode, "ZeroDivisionError" in failed.stderr) == (1, True)
    assert (nowhere.returncode, nowhere.stderr.count("\n")) == (1, 1)


def test_shell_tells_that_a_database_is_away(qapla):
    """One line, as every command."""
    away = "app['database']['main'].at(make_url('postgresql://127.0.0.1:1/x'))"

    done = qapla("shell", "-c", f"from sqlalchemy import make_url; {away}.make_session().connection()")

    assert (done.returncode, done.stderr) == (1, "qapla: database 'main' cannot be used now: it cannot be reached\n")


def test_shell_asks_for_input(tmp_path):
    """On a terminal it says what there is, and asks."""
    import pty

    controller, terminal = pty.openpty()
    environ = {**os.environ, "LAZYDB_HOME": str(tmp_path / "home"), "QAPLA_APP": LAZYDB, "TERM": "dumb"}
    command = [sys.executable, "-m", "qapla", "shell"]
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=environ) as process:
        os.close(terminal)
        os.write(controller, b"print('six', 2 * 3)\nexit()\n")
        said = b""
        while chunk := _read(controller):
            said += chunk
    os.close(controller)

    assert process.returncode == 0
    assert "LazydbApplication: app, settings, scope" in said.decode()
    assert "sessions: main" in said.decode()
    assert "six 6" in said.decode()


def _read(controller):
    try:
        return os.read(controller, 4096)
    except OSError:  # the terminal is closed
        return b""


def test_routes(qapla):
    """Each route with its methods, address, name and view, in the order in which they are tried."""
    done = qapla("routes")
    lines = [line.split() for line in done.stdout.splitlines()]

    assert (done.returncode, done.stderr) == (0, "")
    assert ["GET", "/healthz"] in [line[:2] for line in lines]
    assert all(len(line) >= 4 for line in lines)
    assert ["GET", "/admin/-/login", "auth.login", "qapla.plugins.auth.views.show_login"] in lines
    addresses = [line[1] for line in lines]
    assert addresses.index("/admin/-/jump") < addresses.index(next(address for address in addresses if "{target:(?!-/)" in address))


def test_routes_with_text(qapla):
    """Only the lines with that text."""
    lines = qapla("routes", "/admin").stdout.splitlines()

    assert lines
    assert all("/admin" in line for line in lines)


def test_routes_without_views(tmp_path, monkeypatch):
    """A route that nothing answers is shown, and a view that is found by traversal."""
    (tmp_path / "lone").mkdir()
    (tmp_path / "lone" / "settings").mkdir()
    (tmp_path / "lone" / "settings" / "default.py").write_text("def make_settings(settings, paths):\n    pass\n")
    (tmp_path / "lone" / "app.py").write_text(
        "from qapla.application import Application\n"
        "def show(request): ...\n"
        "class Lone(Application):\n"
        "    def append_web_plugins(self):\n"
        "        self.config.add_route('empty', '/empty')\n"
        "        self.config.add_view(show, name='edit', request_method='POST')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from lone.app import Lone

    assert [line.split() for line in print_routes(list_routes(Lone()))] == [
        ["*", "/empty", "empty", "(no", "view)"],
        ["POST", "/*traverse/edit", "lone.app.show"],
    ]


def test_routes_with_metrics(monkeypatch):
    """What a command does not count, since it is gone before anybody asks, is answered when the application serves."""

    class Counting(Application):
        class MetaConfig:
            settings_module = "lazydb.settings"

        def append_app_plugins(self):
            self.add_app_plugin("metrics")

    monkeypatch.setenv("QAPLA__METRICS__BACKEND", "prometheus")

    assert ["GET", "/metrics", "metrics"] in [line.split()[:3] for line in print_routes(list_routes(Counting()))]
