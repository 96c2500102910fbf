"""Lines for a terminal that show what can be asked of a database; each works as it is pasted."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qapla.driver.keys import table_path

if TYPE_CHECKING:
    from qapla.database.catalog import Served
    from qapla.database.schema.description import Column, Table
    from qapla.ports import Rights

TOKEN = ("-H", '"Authorization: Bearer $TOKEN"')  # in double quotes: the shell puts the token in
EXAMPLES: dict[str, Any] = {
    "boolean": True,
    "integer": 1,
    "decimal": 1,
    "float": 1.5,
    "date": "2026-01-31",
    "time": "12:00:00",
    "timestamp": "2026-01-31T12:00:00",
    "timestamp_tz": "2026-01-31T12:00:00Z",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "json": {},
    "binary": "\\x00",
    "array": [],
}


@dataclass(frozen=True, slots=True)
class CurlLine:
    """A line for a terminal, and what it does."""

    what: str
    text: str


def curl_lines(served: Served, rights: Rights, api: str) -> list[CurlLine]:
    """Return lines that read a table, count it, fetch CSV and, where writing is on, try a new row without keeping it.

    Args:
        api: the root of the database's REST API, with scheme and host.
    """
    tables = [table for table in served.schema.tables if rights.allows("select", table.name.schema, table.name.name)]
    if not tables:
        return []
    table = max(tables, key=_interest)
    url = f"{api}{table_path(table)}"
    reads = [] if served.options.anonymous != "none" else [*TOKEN]
    profile = [] if table.name.schema == served.schema.default_schema else ["-H", shlex.quote(f"Accept-Profile: {table.name.schema}")]
    lines = [
        CurlLine("Ten rows", _line(*reads, *profile, shlex.quote(f"{url}?limit=10"))),
        CurlLine("How many there are, in Content-Range", _line("-I", *reads, *profile, "-H", "'Prefer: count=exact'", shlex.quote(url))),
        CurlLine("As CSV", _line(*reads, *profile, "-H", "'Accept: text/csv'", shlex.quote(f"{url}?limit=10"))),
    ]
    writable = [each for each in tables if each.insertable and each.kind == "table"]
    if served.options.writable and writable:
        lines.append(_insert_line(served, max(writable, key=lambda each: (not each.foreign_keys, _interest(each))), api))
    return lines


def _interest(table: Table) -> tuple[bool, int]:
    return (table.identity.by == "primary_key", table.row_estimate or 0)


def _insert_line(served: Served, table: Table, api: str) -> CurlLine:
    body = json.dumps({column.name: _example(column) for column in table.columns if _is_needed(column)}, ensure_ascii=False)
    headers = [] if served.options.anonymous == "write" else [*TOKEN]
    if table.name.schema != served.schema.default_schema:
        headers += ["-H", shlex.quote(f"Content-Profile: {table.name.schema}")]
    headers += ["-H", "'Content-Type: application/json'", "-H", "'Prefer: return=representation, tx=rollback'"]
    text = _line(*headers, "-d", shlex.quote(body), shlex.quote(f"{api}{table_path(table)}"))
    return CurlLine("Try a new row without keeping it (leave out tx=rollback to keep it)", text)


def _is_needed(column: Column) -> bool:
    return not column.nullable and column.default is None and column.generated is None


def _example(column: Column) -> Any:
    if column.type.values:
        return column.type.values[0]
    return EXAMPLES.get(column.type.kind, "example"[: column.type.length or None])


def _line(*words: str) -> str:
    return " ".join(("curl", *words))
