"""The scripts on machines where something is missing; Python, pip and npm are played by a shell script."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
TOOLS = ("sh", "cat", "cksum", "dirname", "basename", "readlink", "rm", "mkdir", "grep", "tail", "cut", "cp", "mktemp", "chmod")

# Answers the version, makes a "virtual environment" that is a copy of itself, and "installs" what the test says.
PYTHON = """#!/bin/sh
case "$*" in
    -c*) exit {version} ;;
    "-m venv "*) [ {venv} = 0 ] || exit {venv}; mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; echo '#!/bin/sh' > "$3/bin/lazydb"
        echo 'echo lazydb "$@"' >> "$3/bin/lazydb"; chmod +x "$3/bin/lazydb"; exit 0 ;;
    "-m compileall"*) exit 0 ;;
    "-m pip"*) echo "$*" >> {calls}; echo "{output}"; exit {pip} ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Give the test a checkout that has nothing but the scripts and the pins."""
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "scripts", root / "scripts")
    for name in ("constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    (root / "package-lock.json").write_text("{}")
    return root


@pytest.fixture
def run(checkout: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs ``scripts/lazydb`` on a machine that is as its arguments say."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found
        os.symlink(found, tools / tool)

    def call(*, python: bool = True, version: int = 0, venv: int = 0, pip: int = 0, output: str = "") -> subprocess.CompletedProcess[str]:
        if python:
            fake = tools / "python3"
            fake.write_text(PYTHON.format(version=version, venv=venv, pip=pip, output=output, calls=tmp_path / "calls"))
            fake.chmod(0o755)
        return subprocess.run([checkout / "scripts" / "lazydb", "list"], capture_output=True, text=True, env={"PATH": str(tools)})

    return call


def test_command_is_run_with_its_arguments(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """After the setup the script is the command; nothing but its output is seen when nobody watches."""
    done = run()

    assert (done.returncode, done.stdout) == (0, "lazydb list\n")
    assert done.stderr.startswith("assets: npm is not here, so the admin stays plain (REST works without it): apt-get install npm")
    assert len(done.stderr.splitlines()) == 1


def test_packages_are_installed_again_only_when_pins_change(
    run: Callable[..., subprocess.CompletedProcess[str]], checkout: Path, tmp_path: Path
) -> None:
    """The second start installs nothing; another pin does."""
    calls = tmp_path / "calls"

    run()
    first = calls.read_text()
    run()
    second = calls.read_text()
    with (checkout / "constraints.txt").open("a") as pins:
        pins.write("another==1.0\n")
    run()

    assert first == second
    assert len(calls.read_text()) > len(second)


def test_interrupted_setup_is_done_again(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """What failed once is tried again at the next start."""
    failed, done = run(pip=1), run()
    assert failed.returncode == 1

    # The virtual environment has the Python of the first run, which still fails: so it is told again and not passed over.
    assert done.returncode == 1
    assert "could not be installed" in done.stderr


@pytest.mark.parametrize(
    ("machine", "advice"),
    [
        ({"python": False}, "Python 3.11 or newer"),
        ({"version": 1}, "Python 3.11 or newer"),
        ({"venv": 1}, "apt-get install python3-venv"),
        ({"pip": 1, "output": "Failed to establish a new connection: [Errno -3] Temporary failure in name resolution"}, "no network"),
        ({"pip": 1, "output": "error: command 'gcc' failed: No such file or directory"}, "a C compiler is missing"),
        ({"pip": 1, "output": "OSError: [Errno 28] No space left on device"}, "the disk is full"),
        ({"pip": 1, "output": "ERROR: No matching distribution found for x"}, "No matching distribution"),
    ],
)
def test_what_is_missing_is_told_in_a_sentence(
    run: Callable[..., subprocess.CompletedProcess[str]], machine: dict[str, object], advice: str
) -> None:
    """One line: what is missing and what to do."""
    done = run(**machine)

    assert done.returncode == 1
    assert advice in done.stderr
    assert len(done.stderr.splitlines()) == 1
