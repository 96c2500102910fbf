"""Make the files of a new application from the templates beside this module. All of them, or none; nothing is overwritten."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from qapla.errors import InputError, NameTaken
from qapla.project.names import check_name, make_class_name

if TYPE_CHECKING:
    from collections.abc import Mapping

TEMPLATES = Path(__file__).parent / "templates"
SUFFIX = ".tmpl"
DOT = "dot-"
PRIVATE = ("local.py",)  # it has a secret, and passwords later: nobody else on this machine reads it


class FileTemplate(Template):
    """A file with ``%%name`` in it; an unknown name, or a single ``%%``, is an error. ``$`` belongs to Mako and Chameleon."""

    delimiter = "%%"


@dataclass(frozen=True)
class Engine:
    """What differs between the engines of a new application.

    Attributes:
        extra: what of qapla the driver comes with.
        url, tests_url: the settings, as Python.
        hint: what to do before the first migration.
    """

    extra: str | None
    url: str
    tests_url: str
    hint: str = ""


SERVER_HINT = """
The database is `%%name`, and so is its user: make both first, or name others in `%%name/settings/local.py`, where a password belongs.
The tests have `%%{name}_tests`, which `qapla database recreate` makes.
"""


def _on_server(extra: str, scheme: str, port: int) -> Engine:
    url = f"{scheme}://%%{{name}}@127.0.0.1:{port}/%%{{name}}"
    return Engine(extra, f'"{url}"', f'"{url}_tests"', SERVER_HINT)


ENGINES = {
    "sqlite": Engine(None, "f\"sqlite:///{root / '%%name.sqlite'}\"", "f\"sqlite:///{paths.get('root')}/%%name-tests.sqlite\""),
    "postgresql": _on_server("postgresql", "postgresql", 5432),
    "mariadb": _on_server("mysql", "mariadb", 3306),
}


def make_project(name: str, database: str = "sqlite", folder: Path | None = None) -> list[Path]:
    """Make the application *name* in *folder*, by default a new one of its name here; return the files, relative to it.

    Raises:
        InputError: the name cannot be one, or the engine is not offered.
        NameTaken: there is a package of that name, or something in *folder*.
    """
    check_name(name)
    if database not in ENGINES:
        raise InputError(f"database {database!r} is not offered", hint=f"use one of {', '.join(ENGINES)}")
    home = folder if folder is not None else Path(name)
    check_home(home)
    files = render(name, ENGINES[database])
    write_files(home, files)
    return sorted(files)


def check_home(home: Path) -> None:
    """Refuse a folder that has something in it.

    Raises:
        NameTaken: it has.
    """
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise NameTaken(f"{str(home)!r} is there already, and is not an empty folder", hint="nothing is overwritten: choose another folder")


def render(name: str, engine: Engine) -> dict[Path, str]:
    """Return the content of every file by its path in the new folder."""
    values = {"name": name, "class_name": make_class_name(name), "title": name.replace("_", " ").capitalize(), "variable": name.upper()}
    values |= {key: FileTemplate(getattr(engine, key)).substitute(values) for key in ("url", "tests_url", "hint")}
    values["extras"] = ",".join(extra for extra in ("celery", engine.extra, "redis") if extra)
    values["secret"] = secrets.token_hex(32)
    return render_templates(TEMPLATES, name, values)


def render_templates(templates: Path, name: str, values: Mapping[str, str]) -> dict[Path, str]:
    """Return the content of every file in *templates*, filled in, by its path; the folder ``package`` is called *name*."""
    return {
        _target(path.relative_to(templates), name): FileTemplate(path.read_text(encoding="utf-8")).substitute(values)
        for path in templates.rglob(f"*{SUFFIX}")
    }


def _target(template: Path, name: str) -> Path:
    parts = [name if part == "package" else part for part in template.parent.parts]
    file = template.name.removesuffix(SUFFIX)
    return Path(*parts, f".{file.removeprefix(DOT)}" if file.startswith(DOT) else file)


def write_files(home: Path, files: Mapping[Path, str]) -> None:
    """Write everything beside *home* and move it there at once: who is interrupted has no half of an application."""
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{home.name}-", dir=home.parent.resolve()))
    except OSError as error:
        raise InputError(f"folder {str(home)!r} cannot be made: {error.strerror}") from error
    try:
        for path, content in files.items():
            (beside / path).parent.mkdir(parents=True, exist_ok=True)
            (beside / path).touch(mode=0o600 if path.name in PRIVATE else 0o666)
            (beside / path).write_text(content, encoding="utf-8", newline="\n")
        beside.chmod(0o755)
        if home.is_dir():
            for entry in beside.iterdir():  # the folder itself belongs to whoever made it
                shutil.move(entry, home)
            beside.rmdir()
        else:
            beside.rename(home)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
