"""What the commands print: tables for people, JSON for scripts."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from lazydb.commands.failures import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MAX_CELL = 60

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def example(*lines: str) -> str:
    """Return the end of a help text that shows the command in use."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def show(value: Any, as_json: bool, for_people: Callable[[], None]) -> None:
    """Print *value* as JSON, or call *for_people*."""
    if as_json:
        click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_as_json))
    else:
        for_people()


def say(text: str = "") -> None:
    """Print one or more lines for people."""
    click.echo(printable(text))


def note(text: str) -> None:
    """Print a line of progress: on standard error, and only when somebody is looking."""
    if sys.stderr.isatty():
        click.echo(printable(text), err=True)


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print aligned columns; long cells are cut, but for those of the last column."""
    cells = [[*(_cell(value) for value in row[:-1]), _line(row[-1])] for row in rows]
    widths = [max(len(line[column]) for line in [list(headings), *cells]) for column in range(len(headings))]
    for line in [list(headings), *cells]:
        click.echo("  ".join(value.ljust(width) for value, width in zip(line, widths, strict=True)).rstrip())


def facts(pairs: Iterable[tuple[str, Any]]) -> None:
    """Print names and values below one another; without a value the line is left out."""
    shown = [(name, printable(str(_plain(value)))) for name, value in pairs if value is not None and value != ""]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        click.echo(f"{name.ljust(width)}  {value}")


def count(number: int, noun: str) -> str:
    """Return "1 table", "2 tables"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _line(value: Any) -> str:
    return printable(str(_plain(value))).replace("\n", " ")


def _cell(value: Any) -> str:
    text = _line(value)
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"


def _plain(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, (list, tuple)):
        return ", ".join(str(part) for part in value)
    return value


def _as_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)
