"""Get the programs that tests need from Debian's packages, where this process may install them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

POLICY = Path("/usr/sbin/policy-rc.d")

# Debian keeps some servers off the PATH.
FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/bin",
    "/opt/homebrew/opt/postgresql*/bin",
)

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class Missing(Exception):
    """A program is not there and cannot be installed from here; says how to get it."""


def find_program(*names: str) -> str | None:
    """Return the path of the first of *names* that is installed, or None."""
    folders = [folder for pattern in FOLDERS for folder in sorted(glob(pattern), reverse=True)]
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *folders])
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def get_program(package: str, *names: str) -> str:
    """Return the path of the first of *names*; as root on Debian, install *package* when there is none.

    Raises:
        Missing: it is not there and cannot be installed.
    """
    found = find_program(*names)
    if found is None and can_install():
        install(package)
        found = find_program(*names)
    if found is None:
        raise Missing(f"{names[0]} is not installed; get it with: apt-get install {package}")
    return found


def can_install() -> bool:
    """Tell whether this process may install Debian packages."""
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(package: str) -> None:
    """Install a Debian package without starting what it would start.

    Raises:
        Missing: apt-get failed; the last lines of its output are in the message.
    """
    print(f"installing the Debian package {package} …", file=sys.__stderr__, flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _services_kept_down():
        wait = ["-o", "DPkg::Lock::Timeout=300"]  # for whoever else installs something now
        for command in (["apt-get", "-q", *wait, "update"], ["apt-get", "-q", *wait, "install", "-y", "--no-install-recommends", package]):
            done = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            if done.returncode:
                tail = " ".join((done.stdout + done.stderr).strip().splitlines()[-3:])
                raise Missing(f"{' '.join(command)} failed: {tail}")


@contextmanager
def _services_kept_down() -> Iterator[None]:
    """Forbid maintainer scripts to start services: ports and data folders of this machine are not the tests' to take."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)
