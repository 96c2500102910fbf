"""``--right shop=read``: what a user or a token may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lazydb.scopes import check_rights, read_pair, text_of
from qapla.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

rights_option = click.option(
    "--right",
    "rights",
    metavar="WHAT=RIGHT",
    multiple=True,
    help="none, read or write in a database ('*': in every one) or table: shop=read, shop.orders=write. "
    "In a table also select+insert+update+delete, columns and rows: 'shop.orders(id,total)?customer_id=eq.5=read'.",
)


def read_rights(given: tuple[str, ...]) -> dict[str, Any]:
    """Return the rights by database and table."""
    found: dict[str, Any] = {}
    for text in given:
        try:
            name, right = read_pair(text)
            found |= check_rights({name: right})
        except InputError as error:
            raise click.UsageError(f"--right {text[:100]!r}: {error}", click.get_current_context()) from error
    return found


def rights_text(rights: Mapping[str, Any]) -> str:
    """Return the rights in one line for people."""
    return text_of(rights)
