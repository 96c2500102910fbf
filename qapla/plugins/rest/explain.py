"""``Accept: application/vnd.pgrst.plan``: how the database would answer a read, in its own words, where the connection allows it.

``application/vnd.pgrst.plan+json; for="text/csv"; options=analyze|verbose``: without ``+json`` it is text; ``for`` is the format whose
statement is explained; the options are those of PostgreSQL's ``EXPLAIN``. Other engines have a plan, too, without options.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from qapla.database.dialects import get_engine
from qapla.database.statement import Statement
from qapla.plugins.rest.answers import make_response
from qapla.plugins.rest.errors import NotAcceptable
from qapla.plugins.rest.formats import ROWS, choose_format
from qapla.plugins.rest.rowformats import FORMS

if TYPE_CHECKING:
    from pyramid.request import Request
    from pyramid.response import Response

    from qapla.database.query.description import Query
    from qapla.driver.table_read import TableReadDriver

MEDIA = "application/vnd.pgrst.plan"
OPTIONS = ("analyze", "verbose", "settings", "buffers", "wal")
_WISH = re.compile(rf"{re.escape(MEDIA)}(\+json|\+text)?((?:\s*;\s*[a-z]+=(?:\"[^\"]*\"|[^;,\"]*)|\s*;)*)", re.IGNORECASE)
_PARAMETER = re.compile(r";\s*(for|options)=(?:\"([^\"]*)\"|([^;,\"]*))", re.IGNORECASE)


class Wish:
    """What the header asks for. ``media`` is the format whose statement is explained."""

    def __init__(self, accept: str) -> None:
        found = _WISH.search(accept[:1000])
        suffix, parameters = (found[1], found[2]) if found is not None else (None, "")
        given = {match[1].lower(): (match[2] if match[2] is not None else match[3]).strip() for match in _PARAMETER.finditer(parameters)}
        self.format: Literal["json", "text"] = "json" if (suffix or "").lower() == "+json" else "text"
        self.media = given.get("for") or "application/json"
        self.options = tuple(filter(None, given.get("options", "").lower().split("|")))

    @property
    def content_type(self) -> str:
        """Return how the answer says what it is."""
        options = f"; options={'|'.join(self.options)}" if self.options else ""
        return f'{MEDIA}+{self.format}; for="{self.media}"{options}; charset=utf-8'


def answer_plan(request: Request, driver: TableReadDriver, query: Query) -> Response:
    """Answer the plan of *query*. With the option ``analyze`` the database runs it, too.

    Raises:
        NotAcceptable: the connection does not allow it, or the engine has no such plan.
    """
    accept, served = request.environ.get("HTTP_ACCEPT", ""), driver.served
    if not served.options.db_plan_enabled:
        raise NotAcceptable(f"None of these media types are available: {accept[:200]}", hint="the connection's setting db_plan_enabled")
    wish = Wish(accept)
    form = FORMS.get(choose_format(wish.media, ROWS), "row")
    statement = driver.plan(query, form).statement
    rows = served.bulkhead.fetch(Statement(_prefix(served.schema.engine, wish) + statement.sql, statement.values), driver.local)
    return make_response(request, _print(rows), "plan", [("Vary", "Accept, Prefer, Range")], content_type=wish.content_type)


def _prefix(key: str, wish: Wish) -> str:
    engine = get_engine(key)
    words = engine.explain.get(wish.format)
    if words is None:
        offered = " or ".join(f"{MEDIA}+{name}" for name in engine.explain) or "the plans of other engines are"
        raise NotAcceptable(f"plans as {wish.format} are not offered on {engine.label}", hint=offered, code="QAPLA100")
    wrong = [name for name in wish.options if name not in OPTIONS or "{}" not in words]
    if wrong:
        hint = f"one of {', '.join(OPTIONS)}" if "{}" in words else "its plans have no options"
        raise NotAcceptable(f"the option {wrong[0][:40]!r} of plans is not offered on {engine.label}", hint=hint, code="QAPLA100")
    return words.format("".join(f", {name.upper()}" for name in wish.options))


def _print(rows: list[tuple[object, ...]]) -> bytes:
    lines = (b"\t".join(_bytes(cell) for cell in row) for row in rows)
    return b"\n".join(lines)


def _bytes(cell: object) -> bytes:
    return cell if isinstance(cell, bytes) else b"" if cell is None else str(cell).encode()
