"""What tests of every kind want: the real ``lazydb`` command, as a child that serves and as one that ends, and a look at what is left."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpx
import hypothesis
import pytest

from qapla.testing.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

# The same examples each time, without a limit of milliseconds for one: a busy machine and a lucky find fail no change that is innocent.
# With QAPLA_TEST_EXAMPLES others are looked for.
hypothesis.settings.register_profile(
    "qapla", hypothesis.settings.get_profile("ci"), derandomize="QAPLA_TEST_EXAMPLES" not in os.environ
)
hypothesis.settings.load_profile("qapla")

COMMAND = [sys.executable, "-c", "from lazydb.commands import main; main()"]
START_S = 180
GONE_WITHIN_S = 10


class Lazydb:
    """One installation of lazydb in a folder of its own."""

    command = COMMAND

    def __init__(self, home: Path) -> None:
        self.home = home
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LAZYDB_")}
        self.environment = {**kept, "LAZYDB_HOME": str(home), "PYTHONUNBUFFERED": "1"}

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [*COMMAND, *arguments], input=stdin, capture_output=True, text=True, timeout=60, env={**self.environment, **environment}
        )

    def json(self, *arguments: str, **environment: str) -> Any:
        """Run a command with --json and return what it prints."""
        done = self.run(*arguments, "--json", **environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @contextmanager
    def serving(self, *arguments: str, command: str = "serve", **environment: str) -> Iterator[Server]:
        """Serve on a free port until the end of the block."""
        server = Server(self, command, arguments, environment)
        try:
            server.wait_until_ready()
            yield server
        finally:
            server.stop()


class Server:
    """A ``lazydb serve`` that runs. ``output`` is what it printed before it answered, ``log`` its standard error so far."""

    def __init__(self, lazydb: Lazydb, command: str, arguments: tuple[str, ...], environment: dict[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        lazydb.home.mkdir(parents=True, exist_ok=True)
        self._out, self._log = lazydb.home / "out.txt", lazydb.home / "log.txt"
        with self._out.open("wb") as out, self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*COMMAND, command, *arguments, "--port", str(self.port)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env={**lazydb.environment, **environment},
            )

    @property
    def output(self) -> str:
        return self._out.read_text()

    @property
    def log(self) -> str:
        return self._log.read_text()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_S
        while not self.output:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, f"not up within {START_S} s: {self.log}"
            time.sleep(0.05)

    def client(self, **options: Any) -> httpx.Client:
        """Make a client whose URLs are relative to the server."""
        return httpx.Client(base_url=self.url, timeout=30, trust_env=False, **options)

    def stop(self) -> int:
        """Ask it to stop; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    """End a child that a test has forked and that comes back with an error: it would go on with the other tests."""
    pid = os.getpid()
    try:
        return (yield)
    finally:
        if os.getpid() != pid:
            traceback.print_exc()
            os._exit(70)


def pytest_collection_finish() -> None:
    """Let no garbage collection look at ten thousand tests again: some tests collect garbage often."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def make_lazydb() -> type[Lazydb]:
    """Return what makes an installation of lazydb in a folder: ``make_lazydb(folder).serving(url)``."""
    return Lazydb


@pytest.fixture(scope="session")
def leaves_nothing() -> Callable[..., None]:
    """Return what does work many times and fails where each time leaves something: ``leaves_nothing(work, 20, Session)``.

    Looked at are threads, open files and the objects of the classes that are named. Others come and go meanwhile, as the idle threads of
    earlier tests do: what is new counts, not how much there is, and what is left by each round is at least as much as there were rounds.
    """

    def run(work: Callable[[], Any], rounds: int, *kinds: type) -> None:
        work()  # what is made once stays
        before, deadline = look(kinds), None
        for _ in range(rounds):
            work()
        while True:
            new = Counter(kind for kind, _ in look(kinds).keys() - before.keys())
            left = {kind: count for kind, count in new.items() if count >= rounds}
            if not left:
                return
            deadline = deadline or time.monotonic() + GONE_WITHIN_S
            assert time.monotonic() < deadline, f"{rounds} rounds have left {left}"
            time.sleep(0.02)

    return run


def look(kinds: tuple[type, ...]) -> dict[tuple[str, object], Any]:
    """Return what is there, by its kind and by what nothing else has. The things themselves are held: their ids are given to no others."""
    gc.collect()
    objects = [*threading.enumerate(), *(each for each in gc.get_objects() if issubclass(type(each), kinds))]
    found: dict[tuple[str, object], Any] = {(type(each).__name__, id(each)): each for each in objects}
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # that of the list itself
            found["file", (name, os.readlink(f"/proc/self/fd/{name}"))] = None
    return found


@pytest.fixture(scope="session", autouse=True)
def few_plugins() -> Iterator[None]:
    """Let a pytest that a test starts load two plugins, and not all that are installed here: that takes seconds, each time."""
    names = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "qapla.testing.plugin,xdist.plugin"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in names.items():
            patch.setenv(name, value)
        patch.delenv("PYTEST_ADDOPTS", raising=False)
        yield
