"""An example in a folder of its own, run by real commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"


class Example:
    """A copy of one example, and the environment that its commands have."""

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder / name
        shutil.copytree(EXAMPLES / name, self.folder, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite*"))
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(("QAPLA__", "PYTEST_XDIST_"))}
        self.environment["PYTHONPATH"] = str(self.folder)

    def point(self, name: str, url) -> None:
        """Let the database called *name* be the one at *url*."""
        self.environment[f"QAPLA__DB__{name.upper()}__URL"] = url if isinstance(url, str) else url.render_as_string(hide_password=False)

    def run(self, *command: str, code: int = 0) -> str:
        """Run a command of Python's and return what it printed; it has to end with *code*."""
        done = subprocess.run(
            [sys.executable, "-W", "ignore::UserWarning", "-m", *command],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    @contextmanager
    def running(self, *command: str):
        """Run a command while the block lasts; it ends by SIGTERM."""
        log = self.folder / f"{command[0]}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-W", "ignore::UserWarning", "-m", *command],
                cwd=self.folder, env=self.environment, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            yield log
        finally:
            process.terminate()
            assert process.wait(30) is not None, log.read_text()


@pytest.fixture
def make_example(tmp_path):
    """Give a function that copies the example of that name."""
    return lambda name: Example(name, tmp_path)
