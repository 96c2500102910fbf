"""``qapla startproject``: what it makes runs as it is, on every engine"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from qapla.testing.processes import free_port
from qapla.testing.servers import ENGINE_NAMES, get_server_url, make_database

BIN = Path(sys.executable).parent
TIMEOUT_S = 60


class Project:
    """An application that was made, and commands run in its folder."""

    def __init__(self, folder: Path, name: str, engine_name: str) -> None:
        self.home = folder / name
        self.name = name
        made = self.run("startproject", name, "--database", engine_name, cwd=folder)
        assert made.returncode == 0, made.stderr
        self.said = made.stdout

    def use(self, file: str, url: str) -> None:
        """Write another URL of its database into a file of settings."""
        path = self.home / self.name / "settings" / file
        content, count = re.subn(r"(settings\[\"db:main:url\"\] = ).*", lambda found: f"{found[1]}{url!r}", path.read_text())
        assert count == 1
        path.write_text(content)

    def run(self, *arguments: str, program: str = "qapla", cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BIN / program, *arguments], cwd=cwd or self.home, env=environment(variables), capture_output=True, text=True, timeout=120
        )

    @contextmanager
    def running(self, *arguments: str, **variables: str):
        """Have ``qapla …`` run for a while; yields its log."""
        log = self.home / f"{arguments[0]}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [BIN / "qapla", *arguments], cwd=self.home, env=environment(variables), stdout=out, stderr=out, start_new_session=True
            )
            try:
                yield log
            finally:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(20)
                process.kill()
                process.wait()

    @contextmanager
    def served(self, **variables: str):
        """Have it served; yields a client that keeps cookies."""
        port = free_port()
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", follow_redirects=True, timeout=30)
        with self.running("serve", "--port", str(port), **variables) as log, client:
            wait_for(lambda: answers(client), log)
            yield client


def environment(variables: dict[str, str]) -> dict[str, str]:
    others = ("QAPLA_", "LAZYDB_", "PYTEST_XDIST_", "PYTHONPATH")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(others)}
    return {**inherited, "PYTHONUNBUFFERED": "1", **variables}


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/").status_code == 200
    except httpx.TransportError:
        return False


def wait_for(condition, log: Path) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def keep(client: httpx.Client, text: str) -> httpx.Response:
    """Fill in the form as a reader does."""
    page = client.get("/").text
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return client.post("/", data={**dict(hidden), "text": text, "save": "save"})


@pytest.fixture(scope="module", params=ENGINE_NAMES)
def project(request, tmp_path_factory):
    """Give the module an application on each engine, with databases of its own."""
    made = Project(tmp_path_factory.mktemp("project"), f"blog_{secrets.token_hex(4)}", request.param)
    with ExitStack() as stack:
        if request.param != "sqlite":
            made.use("default.py", stack.enter_context(make_database(request.param)).render_as_string(hide_password=False))
            made.use("tests.py", stack.enter_context(make_database(request.param)).render_as_string(hide_password=False))
        yield made


def test_says_what_is_next(project):
    """Three commands come next, in the order in which they are needed."""
    commands = [line.strip() for line in project.said.splitlines() if line.startswith("    ")]

    assert commands == [f"cd {project.name} && pip install -e '.[test]'", "qapla database migrate", "qapla serve"]


def test_own_tests(project):
    """Its own tests are green."""
    done = project.run("-q", program="pytest")

    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_migrations(project):
    """Its database is migrated by one command, and is then as its models say."""
    before = project.run("database", "status")
    migrated = project.run("database", "migrate")
    after = project.run("database", "status")
    checked = project.run("database", "check")

    assert (before.returncode, migrated.returncode, after.returncode) == (1, 0, 0), migrated.stderr
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_served(project):
    """It is served by one command: what a reader sends is kept, and with a broker a real worker counts its words."""
    assert project.run("database", "migrate").returncode == 0
    broker = {f"{project.name.upper()}_BROKER_URL": get_server_url("redis")}

    with project.served(**broker) as client:
        page = keep(client, "three <b>small</b> words")
        refused = keep(client, "")
        forged = client.post("/", data={"text": "forged", "__formid__": "deform"})
        missing = client.get("/notes/999999")
        with project.running("celery", "worker", "--concurrency", "1", **broker) as log:
            wait_for(lambda: "3 words" in client.get("/").text, log)

    assert (page.status_code, "three &lt;b&gt;small&lt;/b&gt; words" in page.text, "3 words" in page.text) == (200, True, False)
    assert refused.status_code == 422
    assert forged.status_code in (400, 403)
    assert (missing.status_code, missing.json()["code"]) == (404, "QAPLA404")


@pytest.mark.parametrize("name", ["b", "an_application_whose_name_is_quite_long"])
def test_linters(tmp_path, name):
    """Nobody has to clean up first: ruff finds nothing, however the application is called."""
    project = Project(tmp_path, name, "sqlite")

    checked = project.run("check", ".", program="ruff")
    formatted = project.run("format", "--check", ".", program="ruff")

    assert checked.returncode == 0, checked.stdout
    assert formatted.returncode == 0, formatted.stdout


def test_types(tmp_path):
    """Its types are right."""
    typed = Project(tmp_path, "blog", "sqlite").run(program="mypy")

    assert typed.returncode == 0, typed.stdout


def test_commands(tmp_path):
    """In its folder, the command knows which application it is about, and shows no secret."""
    project = Project(tmp_path, "blog", "sqlite")
    local = (project.home / "blog" / "settings" / "local.py").read_text()
    secret = re.search(r'"([0-9a-f]{64})"', local)[1]

    settings = project.run("settings")

    assert settings.returncode == 0, settings.stderr
    assert "session:secret = '***'" in settings.stdout
    assert secret not in settings.stdout


def test_git_ignores_what_is_local(tmp_path):
    """Neither the file with the secret nor a database gets into git; its example does."""
    project = Project(tmp_path, "blog", "sqlite")
    (project.home / "blog.sqlite").touch()
    subprocess.run(["git", "init", "-q", "."], cwd=project.home, check=True)

    seen = project.run("status", "--porcelain", "--untracked-files=all", program=which("git")).stdout

    assert "blog/settings/local.py\n" not in seen
    assert "blog.sqlite" not in seen
    assert "blog/settings/local.py.example" in seen


def which(program: str) -> str:
    import shutil

    return shutil.which(program) or pytest.skip(f"{program} is not installed")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["json"], "'json' is a module of Python"),
        (["guest-book"], "use 'guest_book'"),
        (["blog", "taken"], "is there already"),
        (["blog", "--database", "oracle"], "oracle"),
    ],
)
def test_refused(tmp_path, arguments, message):
    """What cannot be made is refused, and nothing is written."""
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine").touch()

    done = subprocess.run([BIN / "qapla", "startproject", *arguments], cwd=tmp_path, env=environment({}), capture_output=True, text=True)

    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["taken", "mine"]
