"""What is installed is all of it, in the versions that were tested."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from qapla.installed import list_plugins, make_plugin

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINS = (ROOT / "constraints.txt").read_text().splitlines()

# package: the folder that it is in
HOMES = {"qapla": "qapla", "lazydb": "apps/lazydb", "lazydb.settings": "settings", "lazydb.migrations": "migrations"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements() -> list[str]:
    extras = PROJECT["project"]["optional-dependencies"].values()
    return [*PROJECT["project"]["dependencies"], *(requirement for extra in extras for requirement in extra)]


def test_every_package_is_installed() -> None:
    """A new folder with Python in it is listed in pyproject.toml, else it is missing where lazydb is installed."""
    there = set()
    for package, home in HOMES.items():
        for init in (ROOT / home).rglob("__init__.py"):
            parts = init.parent.relative_to(ROOT / home).parts
            there.add(".".join([package, *parts]))

    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == sorted(there)


def test_installed_plugins_are_those_of_pyproject() -> None:
    """A plugin that is new in pyproject.toml is known after ``pip install -e .``; its class is there, and needs no arguments."""
    declared = PROJECT["project"]["entry-points"]["qapla.plugins"]

    assert {name: entry.value for name, entry in list_plugins().items()} == declared
    for name in declared:
        assert make_plugin(name).key


def test_every_requirement_is_pinned() -> None:
    """constraints.txt has an exact version of everything that pyproject.toml names."""
    pinned = {normal(line.partition("==")[0]) for line in PINS if "==" in line}

    named = {normal(re.match(r"[A-Za-z0-9_.-]+", requirement).group()) for requirement in requirements()}  # type: ignore[union-attr]

    assert named - {"qapla"} <= pinned  # an extra may be made of others


def test_pins_are_nothing_but_pins() -> None:
    """constraints.txt names no index and no file: where packages come from is for the machine to say."""
    assert [line for line in PINS if not re.fullmatch(r"#.*|[a-z0-9.-]+==[0-9][A-Za-z0-9.]*", line)] == []


@pytest.mark.parametrize("script", ["scripts/lazydb", "scripts/test", "scripts/lint", "scripts/assets", "scripts/pins", ".ci/run"])
def test_script_is_plain_shell(script: str) -> None:
    """Every script can be run, and any POSIX shell understands it."""
    path = ROOT / script

    done = subprocess.run(["sh", "-n", str(path)], capture_output=True)

    assert path.stat().st_mode & 0o111
    assert done.returncode == 0
