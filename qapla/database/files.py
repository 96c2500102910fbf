"""Local files that a connection may name: a SQLite database, the certificates of TLS. Looked at, never created."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from qapla.errors import TargetRefused, Unavailable

SQLITE_HEADER = b"SQLite format 3\x00"


def find_sqlite(path: str, *, folders: tuple[str, ...] | None) -> str:
    """Return the real path of an existing SQLite database.

    Args:
        path: as typed; relative to the working directory.
        folders: the only folders it may be in, links followed; None: anywhere. A file outside of them is refused before it is
            looked at, so that nobody learns which files exist.

    Raises:
        TargetRefused: it is elsewhere, missing, not a regular file, not readable, or not a SQLite database.
    """
    if path.startswith(":") or path.lower().startswith("file:"):
        raise TargetRefused("a SQLite database in memory cannot be connected to", field="path", hint="name an existing file: sqlite:///PATH")
    real = os.path.realpath(os.path.expanduser(path))
    if folders is not None:
        _check_folder(real, folders)
    _check_header(real)
    return real


def check_in_place(path: str | None) -> None:
    """Refuse a SQLite file that has become a link since it was registered: what it leads to was never checked.

    Raises:
        Unavailable: it, or a folder above it, is a link now.
    """
    if path is not None and os.path.realpath(path) != path:
        raise Unavailable("the file has become a link", hint="register the file itself")


def is_same(path: str | None, other: str | None) -> bool:
    """Tell whether both name one file, by whatever link."""
    try:
        return path is not None and other is not None and os.path.samefile(path, other)
    except OSError:
        return False


def find_pem(path: str, name: str) -> str:
    """Return the real path of a file in PEM form, the form in which TLS certificates and keys are given.

    Raises:
        TargetRefused: there is no such file. Whether it is missing or something else is not said: the path may come from a form.
    """
    real = os.path.realpath(os.path.expanduser(path))
    try:
        if stat.S_ISREG(os.stat(real).st_mode):
            with open(real, "rb") as file:
                if b"-----BEGIN " in file.read(1 << 16):
                    return real
    except OSError:
        pass
    hint = "a text file with -----BEGIN CERTIFICATE----- or a key"
    raise TargetRefused(f"{name} is not a readable file in PEM form", field=name, hint=hint)


def _check_folder(real: str, folders: tuple[str, ...]) -> None:
    if not folders:
        raise TargetRefused(
            "SQLite files cannot be added here",
            field="path",
            hint="add it on the command line with 'lazydb add', or name its folder in LAZYDB_SQLITE_FOLDERS",
        )
    if not any(Path(real).is_relative_to(os.path.realpath(folder)) for folder in folders):
        hint = "links that lead out of it do not count"
        raise TargetRefused("the file is not below a folder of LAZYDB_SQLITE_FOLDERS", field="path", hint=hint)


def _check_header(real: str) -> None:
    shown = repr(real if len(real) <= 100 else "…" + real[-99:])
    try:
        mode = os.stat(real).st_mode
        if not stat.S_ISREG(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
            raise TargetRefused(f"{shown} is {what}, not a SQLite database", field="path")
        with open(real, "rb") as file:
            header = file.read(len(SQLITE_HEADER))
    except FileNotFoundError as error:
        hint = "SQLite files are never created; an absolute path has four slashes in the URL"
        raise TargetRefused(f"file {shown} does not exist", field="path", hint=hint) from error
    except PermissionError as error:
        raise TargetRefused(f"file {shown} may not be read", field="path", hint="check its owner and mode") from error
    except (OSError, ValueError) as error:
        raise TargetRefused(f"file {shown} cannot be read", field="path") from error
    if header and header != SQLITE_HEADER:
        raise TargetRefused(f"file {shown} is not a SQLite database", field="path")
