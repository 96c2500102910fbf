"""``qapla serve`` as a process, and the parts that every server of an application needs"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest

from qapla.errors import ConfigurationError
from qapla.serving import Address, check_port
from qapla.testing.processes import free_port

START_S = 30

APPLICATION = '''
import os

from pyramid.response import Response

from qapla.application import Application
from tiny.words import WORD


def answer(request):
    leaked = [name for name in request.environ if name.startswith("QAPLA__")]
    return Response(json_body={"word": WORD, "secret": request.app.settings["secret"], "leaked": leaked, "pid": os.getpid()})


class Tiny(Application):
    def append_web_plugins(self):
        self.settings.require("secret", "a text")
        self.config.add_route("tiny", "/")
        self.config.add_view(answer, route_name="tiny")
'''


@pytest.fixture
def project(tmp_path):
    """Make a project with a package ``tiny``, whose application answers one address."""
    package = tmp_path / "tiny"
    (package / "settings").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[tool.qapla]\napp = "tiny.app:Tiny"\n')
    (package / "__init__.py").touch()
    (package / "settings" / "__init__.py").touch()
    (package / "settings" / "default.py").write_text("def make_settings(settings, paths):\n    pass\n")
    (package / "words.py").write_text("WORD = 'one'\n")
    (package / "app.py").write_text(APPLICATION)
    return tmp_path


class Served:
    """A ``qapla serve`` that runs."""

    def __init__(self, project, *arguments, **environ):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.out, self.err = project / "out.txt", project / "err.txt"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            command = [sys.executable, "-m", "qapla", "serve", "--port", str(self.port), *arguments]
            clean = {name: value for name, value in os.environ.items() if not name.startswith("QAPLA_")}
            self.process = subprocess.Popen(command, cwd=project, env={**clean, **environ}, stdout=out, stderr=err)

    def wait_for(self, condition):
        """Wait until *condition* holds."""
        deadline = time.monotonic() + START_S
        while not condition():
            assert self.process.poll() is None, self.err.read_text()
            assert time.monotonic() < deadline, self.err.read_text()
            time.sleep(0.05)

    def ask(self):
        """Return what is answered, {} for no answer."""
        try:
            answer = httpx.get(self.url, trust_env=False, timeout=10)
        except httpx.TransportError:
            return {}
        return answer.json()


@contextmanager
def serving(project, *arguments, **environ):
    """Serve until the end of the block."""
    served = Served(project, *arguments, **environ)
    try:
        served.wait_for(served.out.read_text)
        yield served
    finally:
        served.process.terminate()
        served.process.wait(20)


def run(project, *arguments, **environ):
    """Run ``qapla serve`` to its end."""
    served = Served(project, *arguments, **environ)
    code = served.process.wait(START_S)
    return code, served.err.read_text()


def test_serves(project):
    """It says where, answers, keeps its settings out of requests, and ends well when it is told to."""
    answers = []

    def ask():
        answers.append(served.ask())
        return len({answer["pid"] for answer in answers}) == 2

    with serving(project, "--workers", "2", QAPLA__SECRET="abc") as served:
        said = served.out.read_text()
        served.wait_for(ask)

    assert said == f"Tiny is served at {served.url}; Ctrl+C stops it\n"
    assert {(answer["word"], answer["secret"], *answer["leaked"]) for answer in answers} == {("one", "abc")}
    assert served.process.returncode == 0


def test_reload(project):
    """A changed source file is seen, a broken one is told and waited for, a database beside them changes nothing."""
    words = project / "tiny" / "words.py"
    with serving(project, "--reload", QAPLA__SECRET="abc") as served:
        first = served.ask()
        (project / "data.sqlite").write_bytes(b"x")
        time.sleep(0.5)
        same = served.ask()
        words.write_text("WORD = 'two'\n")
        served.wait_for(lambda: served.ask().get("word") == "two")
        words.write_text("WORD = \n")
        served.wait_for(lambda: "SyntaxError" in served.err.read_text())
        words.write_text("WORD = 'three'\n")
        served.wait_for(lambda: served.ask().get("word") == "three")

    assert first == same
    assert served.process.returncode == 0


@pytest.mark.parametrize("arguments", [(), ("--workers", "2")])
def test_start_that_fails(project, arguments):
    """Why is told in one line, once."""
    code, said = run(project, *arguments)

    assert code == 1
    assert said.count("\n") == 1
    assert "setting 'secret' is missing" in said


@pytest.mark.parametrize(
    ("arguments", "environ", "message"),
    [
        (("--host", "203.0.113.7"), {}, "host '203.0.113.7' is not an address of this machine"),
        ((), {"QAPLA_APP": "nowhere:main"}, "application 'nowhere:main' cannot be found"),
    ],
)
def test_refusals(project, arguments, environ, message):
    """One line, exit code 1."""
    code, said = run(project, *arguments, **environ)

    assert (code, said.count("\n"), message in said) == (1, 1, True), said


def test_killed_main_process(project):
    """After ``kill -9`` of the main process its workers end, too."""
    with serving(project, QAPLA__SECRET="abc") as served:
        served.process.send_signal(signal.SIGKILL)
        served.process.wait(10)
        deadline = time.monotonic() + 10
        while served.ask():
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_port_in_use():
    """A port that somebody listens on is refused in one sentence with another one to try."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(ConfigurationError, match=f"port {port} is in use .*--port {port + 1}"):
            check_port("127.0.0.1", port)


def test_port_shared_by_others_is_in_use():
    """Servers that share a port among their workers do not hide that they are there."""
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as other:
        port = other.getsockname()[1]

        with pytest.raises(ConfigurationError, match="in use"):
            check_port("127.0.0.1", port)


@pytest.mark.parametrize("host", ["203.0.113.7", "no.such.host.invalid"])
def test_foreign_host_is_told(host):
    """Only an address of this machine can be listened on."""
    with pytest.raises(ConfigurationError, match="not an address of this machine"):
        check_port(host, 0)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("a.org", False)],
)
def test_local(host, expected):
    """Only loopback addresses count as this machine alone."""
    assert Address(host=host).is_local is expected
