"""Which names an application can have: what Python can import, and nobody else has."""

from __future__ import annotations

import keyword
import re
import sys
from importlib.util import find_spec

from qapla.errors import InputError, NameTaken

# Names that would hide what the application itself needs from its folder: its tests, its migrations, its modules' neighbours.
OURS = frozenset({"qapla", "migrations", "tests", "test", "settings"})


def check_name(name: str) -> None:
    """Refuse a name that an application cannot have.

    Raises:
        InputError: Python cannot import a package of that name.
        NameTaken: there is one, of Python itself or installed.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name) or keyword.issoftkeyword(name):
        suggested = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower().lstrip("0123456789_")
        fits = suggested and suggested != name and not keyword.iskeyword(suggested) and not keyword.issoftkeyword(suggested)
        hint = f"use {suggested!r}" if fits else "small letters, digits and _, a letter first; no word that Python has a use for"
        raise InputError(f"{name[:100]!r} cannot be the name of a package", hint=hint)
    if name in sys.stdlib_module_names or name in sys.builtin_module_names:
        raise NameTaken(f"{name!r} is a module of Python", hint="choose another name")
    if name in OURS:
        raise NameTaken(f"{name!r} is what every application has already", hint="choose another name")
    if _is_installed(name):
        raise NameTaken(f"{name!r} is an installed package", hint="choose another name")


def make_class_name(name: str) -> str:
    """Return the name of the application's class without its ending: ``guest_book`` is ``GuestBook``."""
    return "".join(part.capitalize() for part in name.split("_"))


def _is_installed(name: str) -> bool:
    try:
        found = find_spec(name)
    except (ImportError, ValueError):
        return True  # something is there, and is broken
    return found is not None and found.origin is not None  # a folder that merely has the name is no package
