"""The page of one database: its tables, what was left out of it, and its REST endpoints as lines to copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lazydb.views.connections import job_fragment
from lazydb.views.curl import curl_lines
from lazydb.views.links import Links
from qapla.database.dialects import ENGINES
from qapla.plugins.admin.context import open_database
from qapla.plugins.admin.links import Links as TableLinks

if TYPE_CHECKING:
    from pyramid.request import Request

    from qapla.database.catalog import Served
    from qapla.database.schema.description import Table

KINDS = {"view": "view", "materialized_view": "materialized view", "foreign": "foreign table"}
FOUND_COLUMNS = 6


@dataclass(frozen=True, slots=True)
class TableRow:
    """One table on the page of its database."""

    name: str
    href: str
    kind: str
    rows_text: str
    columns: int
    comment: str
    why_not: str | None  # why it is not written
    found: str  # which columns the words were found in


@dataclass(frozen=True, slots=True)
class Group:
    """The tables of one schema; a database without schemas is one group without a name."""

    name: str | None
    rows: list[TableRow]

    @property
    def size(self) -> str:
        """Return how many there are, in words."""
        return f"{len(self.rows)} tables and views" if len(self.rows) != 1 else "1 table or view"


class DatabaseContext:
    """A served database (Pyramid's route factory)."""

    def __init__(self, request: Request) -> None:
        self.served, self.rights = open_database(request)
        self.is_manager: bool = request.app["accounts"].is_admin(request.identity)


def show_database(context: DatabaseContext, request: Request) -> dict[str, Any]:
    """Show the tables whose name, comment or columns contain the words, the report, and the endpoints."""
    served, words = context.served, request.GET.get("q", "").strip()
    links, own = Links.of_request(request), Links.of_request(request).of(served.name)
    job_id = request.GET.get("job", "")
    return {
        "served": served,
        "title": served.name,
        "crumbs": [(served.name, None)],
        "facts": _facts(served),
        "words": words,
        "groups": _groups(request, context, words),
        "report": served.schema.report if context.is_manager else (),
        "curl": curl_lines(served, context.rights, f"{request.host_url}{own.api}"),
        "anonymous": served.options.anonymous != "none",
        "api": own.api,
        "own": own,
        "links": links,
        "manager": context.is_manager,
        "job": job_fragment(request, job_id) if job_id else None,
    }


def _facts(served: Served) -> str:
    tables = sum(1 for table in served.schema.tables if table.kind in ("table", "foreign"))
    views = len(served.schema.tables) - tables
    parts = [f"{ENGINES[served.schema.engine].label} {served.schema.version}", f"{tables} tables", f"{views} views"]
    if served.schema.functions:
        parts.append(f"{len(served.schema.functions)} functions")
    return " · ".join(parts)


def _groups(request: Request, context: DatabaseContext, words: str) -> list[Group]:
    links = TableLinks.of(request, context.served.name, context.served.schema)
    groups: dict[str | None, list[TableRow]] = {name: [] for name in context.served.schema.schemas}
    for table in context.served.schema.tables:
        if not context.rights.allows("select", table.name.schema, table.name.name):
            continue
        found = _find_words(table, words.lower())
        if found is not None:
            groups.setdefault(table.name.schema, []).append(_row(context, links, table, found))
    named = len([name for name, rows in groups.items() if rows]) > 1
    return [Group(name if named else None, rows) for name, rows in groups.items() if rows]


def _find_words(table: Table, words: str) -> str | None:
    """Return the columns that contain *words* (empty text when the table itself does), or None."""
    if not words or words in str(table.name).lower() or words in (table.comment or "").lower():
        return ""
    found = [column.name for column in table.columns if words in column.name.lower() or words in (column.comment or "").lower()]
    more = f" and {len(found) - FOUND_COLUMNS} more" if len(found) > FOUND_COLUMNS else ""
    return ", ".join(found[:FOUND_COLUMNS]) + more if found else None


def _row(context: DatabaseContext, links: TableLinks, table: Table, found: str) -> TableRow:
    return TableRow(
        name=table.name.name,
        href=links.table(table),
        kind=KINDS.get(table.kind, ""),
        rows_text=f"{table.row_estimate:,}" if table.row_estimate is not None else "–",
        columns=len(table.columns),
        comment=table.comment or "",
        why_not=_why_not_written(context.served, table),
        found=found,
    )


def _why_not_written(served: Served, table: Table) -> str | None:
    if not served.options.writable:
        return "connection is read-only"
    if not (table.insertable or table.updatable or table.deletable):
        return "no: computed rows" if table.kind != "table" else "no: the account may not"
    if table.identity.by == "none":
        return "new rows only: no key"
    return None
