"""What the command line says when something goes wrong: at most eight lines on standard error, never a URL, never a traceback."""

from __future__ import annotations

import os
import re
import textwrap
import traceback

import click

from qapla.errors import QaplaError

MAX_LINES = 8
WIDTH = 110

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/{1,3}[^\s'\")]+")


def tell(error: Exception) -> int:
    """Write what went wrong to standard error; return the exit code: 1 refused or failed, 2 used wrongly."""
    if os.environ.get("LAZYDB_DEBUG") and not isinstance(error, click.ClickException):
        traceback.print_exception(error)
    for line in lines_of(error):
        click.echo(line, err=True)
    return 2 if isinstance(error, click.UsageError) else 1


def lines_of(error: Exception) -> list[str]:
    """Return the lines that tell about *error*."""
    if isinstance(error, click.UsageError):
        # click quotes what it does not understand, and that may be a URL with a password in it.
        message = _URL.sub("<URL>", error.format_message())
        command = error.ctx.command_path if error.ctx is not None else "lazydb"
        return [*_wrapped(f"lazydb: {message}")[: MAX_LINES - 1], f"see {command} --help"]
    if isinstance(error, click.Abort):
        return ["stopped"]
    if isinstance(error, click.ClickException):
        return _wrapped(f"lazydb: {error.format_message()}")[:MAX_LINES]
    if isinstance(error, QaplaError):
        hint = _wrapped(f"  {error.hint}")[:3] if error.hint else []
        return [*_wrapped(f"lazydb: {error.message}")[: MAX_LINES - len(hint)], *hint]
    return [
        f"lazydb: something went wrong that should not: {type(error).__name__}",
        "  with LAZYDB_DEBUG=1 in the environment the same command shows where",
    ]


def printable(text: str) -> str:
    """Return *text* with control characters escaped: what comes from a database or a file must not drive a terminal."""
    return "".join(character if character.isprintable() or character == "\n" else repr(character)[1:-1] for character in text)


def _wrapped(text: str) -> list[str]:
    indent = "  " if text.startswith("  ") else ""
    lines: list[str] = []
    for line in printable(text).splitlines():
        lines += textwrap.wrap(line.strip(), WIDTH, initial_indent=indent, subsequent_indent="  ", break_long_words=True) or [""]
    return lines
