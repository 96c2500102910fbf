"""What the pytest plugin does where a server is missing; shown by a test run inside of the test."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

CONFTEST = """
from qapla.testing import packages, processes, servers

def nothing(package, *names):
    raise packages.Missing(f"{names[0]} is not installed; get it with: apt-get install {package}")

servers.get_program = processes.get_program = nothing
"""

TESTS = """
def test_one(redis_url): pass
def test_two(redis_url): pass
def test_three(chromium): pass
def test_four(): pass
"""


@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_what_was_skipped_is_listed(tmp_path: Path, ci: str, code: int, workers: list[str]) -> None:
    """The run ends with what was skipped, why and how to get it; with CI=true that is a failure."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(TESTS)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("QAPLA_TEST_", "PYTEST_XDIST_"))}

    command = [sys.executable, "-m", "pytest", "-p", "qapla.testing.servers", "-p", "no:cacheprovider", *workers, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={**environment, "CI": ci})

    assert done.returncode == code, done.stdout
    assert "redis-server is not installed; get it with: apt-get install redis-server" in done.stdout
    if not ci:
        assert "2 × redis-server is not installed" in done.stdout
        assert "1 × chromium is not installed; get it with: apt-get install chromium" in done.stdout
