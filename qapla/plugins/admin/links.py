"""The addresses of the admin's pages of one database: the only place that makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from qapla.driver.keys import row_path, table_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyramid.request import Request

    from qapla.database.schema.description import DatabaseSchema, Table
    from qapla.plugins.admin.listing import Listing


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses below ``/admin/{database}``. A table that is not in the default schema carries ``schema=``."""

    root: str
    database: str
    schema: DatabaseSchema

    @classmethod
    def of(cls, request: Request, database: str, schema: DatabaseSchema) -> Links:
        """Return the addresses of *database*, as the reader of *request* sees them behind a proxy."""
        return cls(request.script_name, database, schema)

    @property
    def database_page(self) -> str:
        """Return the page of the database itself."""
        return f"{self.root}/admin/{self.database}"

    def table(self, table: Table, listing: Listing | None = None, pairs: Sequence[tuple[str, str]] = ()) -> str:
        """Return the list of *table*, as *listing* has it."""
        return self._join(table, table_path(table), [*(listing.print() if listing else ()), *pairs])

    def row(self, table: Table, key: Sequence[object], pairs: Sequence[tuple[str, str]] = ()) -> str:
        """Return the page of one row."""
        return self._join(table, row_path(table, key, self.schema), pairs)

    def action(
        self,
        name: str,
        table: Table,
        key: Sequence[object] | None = None,
        pairs: Sequence[tuple[str, str]] = (),
        listing: Listing | None = None,
    ) -> str:
        """Return what can be done with a table or a row: new, edit, delete, csv, count, pick, cell, related."""
        path = table_path(table) if key is None else row_path(table, key, self.schema)
        return self._join(table, f"-/{name}/{path}", [*(listing.print() if listing else ()), *pairs])

    def row_of(self, table: Table, row: Mapping[str, object]) -> str | None:
        """Return the page of *row*, or None where rows of the table have no key, or this one has an empty part in it."""
        key = key_of(table, row)
        return self.row(table, key) if key is not None else None

    def _join(self, table: Table, path: str, pairs: Sequence[tuple[str, str]] = ()) -> str:
        query = [pair for pair in pairs if pair[0] != "schema"]
        if table.name.schema != self.schema.default_schema:
            query.append(("schema", table.name.schema or ""))
        end = f"?{urlencode(query)}" if query else ""
        return f"{self.root}/admin/{self.database}/{path}{end}"


def key_of(table: Table, row: Mapping[str, object]) -> tuple[object, ...] | None:
    """Return the values of the identity of *row*, or None where it has none."""
    columns = table.identity.columns
    values = tuple(row.get(name) for name in columns)
    return values if columns and None not in values else None
