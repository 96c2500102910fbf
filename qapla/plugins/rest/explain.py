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
    from collections.abc import Callable

    from pyramid.request import Request
    from pyramid.response import Response

    from qapla.database.catalog import Served
    from qapla.database.local import Local
    from qapla.database.query.description import Call, Query
    from qapla.database.query.shape import Form
    from qapla.driver.table_call import FunctionDriver
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
    return _answer(request, driver.served, driver.local, lambda form: driver.plan(query, form).statement)


def answer_call_plan(request: Request, driver: FunctionDriver, call: Call) -> Response:
    """Answer the plan of a call. It is read only, so that ``analyze`` is for functions that write nothing.

    Raises: as ``answer_plan`` does.
    """
    return _answer(request, driver.served, driver.local, lambda form: driver.statement(call, form))


def _answer(request: Request, served: Served, local: Local | None, make: Callable[[Form], Statement]) -> Response:
    accept = request.environ.get("HTTP_ACCEPT", "")
    if not served.options.db_plan_enabled:
        raise NotAcceptable(f"None of these media types are available: {accept[:200]}", hint="the connection's setting db_plan_enabled")
    wish = Wish(accept)
    statement = make(FORMS.get(choose_format(wish.media, ROWS), "row"))
    explained = Statement(_prefix(served.schema.engine, wish) + statement.sql, statement.values)
    with served.bulkhead.transaction(local, read_only=True) as transaction:  # some engines run parts of what they explain
        rows = transaction.execute(explained).rows
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
