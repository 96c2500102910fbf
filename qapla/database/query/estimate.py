"""How many rows a query will find, without counting them: ``count=planned`` and ``count=estimated``."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from qapla.database.query.compile import Compiler, keep
from qapla.database.query.sql import sql

if TYPE_CHECKING:
    from qapla.database.catalog import Served
    from qapla.database.local import Local
    from qapla.database.query.description import Query
    from qapla.database.query.shape import Resolved


def estimate_rows(query: Query, resolved: Resolved, served: Served, local: Local | None = None) -> int | None:
    """Return about how many rows there are without the window, or None where only counting tells.

    A whole table has the estimate of its schema; else PostgreSQL's planner is asked, in a second statement.
    """
    shape = resolved.shape
    table = served.schema.by_name[shape.table]
    if query.count == "exact":
        return None
    if shape.where is None and not shape.guards and not shape.is_grouped and table.row_estimate is not None:
        return table.row_estimate
    if served.schema.engine != "postgresql":
        return None
    key = ("plan", shape)
    template = served.statements.get(key)
    if template is None:
        compiler = Compiler(served.schema)
        whole = replace(shape, after=None, limit=None, offset=None, order=(), keys=False, total=False)
        template = compiler.write(sql("EXPLAIN (FORMAT JSON) {}", compiler.page(whole)))
        keep(served.statements, key, template)
    plan = served.bulkhead.fetch(template.bind(resolved.operands), local)[0][0]
    return int((json.loads(plan) if isinstance(plan, str | bytes) else plan)[0]["Plan"]["Plan Rows"])
