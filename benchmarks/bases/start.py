"""Install the bases of ``rest.py``, each in a folder of its own in the user's cache, and start them with one worker."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING

from wrk import serving

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sqlalchemy import URL
    from wrk import Ask, Server

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "qapla-benchmarks"
FOLDERS = {"sandman2": "sandman2", "Django REST": "django", "FastAPI": "fastapi", "PostGraphile": "postgraphile"}


def start(name: str, url: URL, port: int, ask: Ask) -> AbstractContextManager[Server]:
    """Start a base over the database at *url*; *ask* is what it answers once it is ready."""
    source = HERE / FOLDERS[name]
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    if name == "PostGraphile":
        folder = install_node(source)
        return serving(["node", "server.mjs", str(port), plain], port, ask, folder, NODE_ENV="production", GRAPHILE_ENV="production")
    python = install_python(source)
    interface = "asgi" if name == "FastAPI" else "wsgi"
    options = ["--interface", interface, "--port", str(port), "--workers", "1", "--log-level", "warning"]
    parts = {"HOST": url.host, "PORT": url.port, "NAME": url.database, "USER": url.username, "PASSWORD": url.password}
    environment = {f"BENCH_{key}": str(value or "") for key, value in parts.items()}
    command = [str(python), "-m", "granian", *options, "app:application"]
    return serving(command, port, ask, source, BENCH_URL=plain, PYTHONDONTWRITEBYTECODE="1", **environment)


def install_python(source: Path) -> Path:
    """Return the interpreter of a virtual environment with what *source* requires."""
    folder = _folder(source, "requirements.txt")
    python = folder / "bin" / "python"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", source / "requirements.txt"]
        _run(command, folder)
    return python


def install_node(source: Path) -> Path:
    """Return a folder with a copy of *source* and the packages of its lock file."""
    folder = _folder(source, "package-lock.json")
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source, folder)
        _run(["npm", "ci", "--no-audit", "--no-fund"], folder, cwd=folder)
    shutil.copy(source / "server.mjs", folder)
    return folder


def _folder(source: Path, pinned: str) -> Path:
    return CACHE / f"{source.name}-{hashlib.sha256((source / pinned).read_bytes()).hexdigest()[:12]}"


def _run(command: list[str | Path], folder: Path, cwd: Path | None = None) -> None:
    print(f"installing into {folder} …", file=sys.stderr)
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{folder.name} cannot be installed:\n{done.stderr[-2000:]}")
    (folder / "done").touch()
