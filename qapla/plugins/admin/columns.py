"""Which columns a list shows, and which of them it can be filtered by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qapla.plugins.admin.filters import group_of

if TYPE_CHECKING:
    from qapla.database.schema.description import Column, Table


def list_columns(table: Table) -> list[Column]:
    """Return the columns of a list: those of the key first, the others in the table's own order."""
    key = [table.by_name[name] for name in table.identity.columns]
    return [*key, *(column for column in table.columns if column not in key)]


def filter_fields(table: Table) -> list[tuple[str, str]]:
    """Return each column with the group of its filters."""
    return [(column.name, group_of(column.type.kind)) for column in list_columns(table)]
