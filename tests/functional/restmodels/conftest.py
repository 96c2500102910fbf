"""Models of a program, served: in this process for most, and the seed's own program as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from webtest import TestApp

from qapla.plugins.rest.marks import Marks
from qapla.plugins.rest.program import ModelApplication
from qapla.testing.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

START_S = 60


@pytest.fixture
def serving() -> Iterator[Callable[..., TestApp]]:
    """Return ``serving(models, database=…)``, which serves marked models in this process and gives a client."""
    started = []

    def serve(marks: Marks, **options: Any) -> TestApp:
        application = ModelApplication(marks)
        started.append(application)
        return TestApp(application.wsgi(**options), extra_environ={"HTTP_HOST": "localhost:80"})

    yield serve
    for application in started:
        application.stop()


class Program:
    """A program in a folder, run by Python as a user would."""

    def __init__(self, folder: Path, source: str, **environment: str) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "program.py").write_text(source)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("QAPLA_")}
        self.environment = {**kept, "QAPLA_PORT": str(self.port), "PYTHONUNBUFFERED": "1", **environment}

    def run(self) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        command = [sys.executable, "program.py"]
        return subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=START_S)

    @contextmanager
    def serving(self) -> Iterator[httpx.Client]:
        """Run it until the end of the block; gives a client once it answers."""
        with (self.folder / "log.txt").open("wb") as log:
            process = subprocess.Popen([sys.executable, "program.py"], cwd=self.folder, env=self.environment, stdout=log, stderr=log)
        try:
            self._wait(process)
            with httpx.Client(base_url=self.url, timeout=10) as client:
                yield client
        finally:
            process.terminate()
            process.wait(20)

    @property
    def log(self) -> str:
        """Return what it has said."""
        return (self.folder / "log.txt").read_text()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + START_S
        while "Ctrl+C stops it" not in self.log:
            assert process.poll() is None, self.log
            assert time.monotonic() < until, self.log
            time.sleep(0.05)


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Program]:
    """Return ``program(source, NAME=value)``: a program in a folder of its own, with these in its environment."""
    return lambda source, **environment: Program(tmp_path, source, **environment)
