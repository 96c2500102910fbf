"""The line of Python that reads a list as a data frame, as the admin shows it beside its exports."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from qapla.errors import QueryError
from qapla.plugins.rest.printing import print_query

if TYPE_CHECKING:
    from qapla.database.query.description import Query


def find_line(database: str, query: Query, url: str, default_schema: str | None) -> str | None:
    """Return the line for the rows of *query*, which works as it is pasted; None for what has no words in REST: a search over all columns.

    Args:
        url: the address of lazydb, with scheme and host.
        default_schema: the one that need not be named.
    """
    try:
        asked = print_query(query)
    except QueryError:
        return None
    rows = f"{quote(query.table.name, safe='')}{'?' if asked else ''}{asked}"
    parts = [json.dumps(database), json.dumps(rows)]
    if query.table.schema != default_schema:
        parts.append(f"schema={json.dumps(query.table.schema, ensure_ascii=False)}")
    return f"import lazydb; lazydb.frame({', '.join(parts)}, url={json.dumps(url)})"
