"""``--right DATABASE=read``: what a user or a token may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

rights_option = click.option(
    "--right",
    "rights",
    metavar="DATABASE=RIGHT",
    multiple=True,
    help="none, read or write in a database; '*' stands for every database.",
)


def read_rights(given: tuple[str, ...]) -> dict[str, str]:
    """Return the rights by database name."""
    found: dict[str, str] = {}
    for pair in given:
        database, equals, right = pair.partition("=")
        if not equals or right not in ("none", "read", "write") or not database:
            context = click.get_current_context()
            raise click.UsageError(f"--right {pair[:100]!r} is not DATABASE=none, DATABASE=read or DATABASE=write", context)
        found[database] = right
    return found


def rights_text(rights: Mapping[str, str]) -> str:
    """Return the rights in one line for people."""
    return ", ".join(f"{right} {'everywhere' if database == '*' else database}" for database, right in sorted(rights.items())) or "none"
