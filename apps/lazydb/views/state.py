"""How a database is right now, in a word and a colour, for the start page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from qapla.errors import QaplaError
from qapla.plugins.admin.pages import Html, load, namespace

if TYPE_CHECKING:
    from pyramid.request import Request

    from lazydb.records import Registered
    from qapla.database.catalog import Served

TEMPLATES = Path(__file__).parent.parent / "templates"


@dataclass(frozen=True, slots=True)
class State:
    """``kind`` is the colour, ``text`` the word, ``why`` a sentence where something is wrong."""

    kind: Literal["ok", "warn", "bad", "quiet"]
    text: str
    why: str | None = None
    latency_s: float | None = None


def state_of(known: Registered, served: Served | None) -> State:
    """Return what is known without asking the database."""
    if known.state in ("paused", "unread", "locked"):
        words = {"paused": "paused", "unread": "never read", "locked": "password needed"}
        return State("quiet" if known.paused else "warn", words[known.state], known.error if known.state == "unread" else known.problem)
    if known.error:
        return State("bad", "not reachable", known.error)
    if served is not None and served.bulkhead.state == "open":
        return State("bad", "not reachable", "The last requests failed; it is tried again every few seconds.")
    return State("ok", "answers", latency_s=known.latency_s)


def ask(known: Registered, served: Served | None) -> State:
    """Return how it is after asking it with the smallest statement there is; bounded by the bulkhead's own deadlines."""
    before = state_of(known, served)
    if served is None or served.problem:
        return before
    try:
        return State("ok", "answers", latency_s=served.bulkhead.ping())
    except QaplaError as error:
        return State("bad", "not reachable", str(error))


def markup(request: Request, state: State) -> str:
    """Return *state* as a part of a page."""
    return fragment(request, "state.pt", state=state)


def fragment(request: Request, name: str, **values: Any) -> str:
    """Return one of lazydb's templates as a part of a page."""
    return Html(load(str(TEMPLATES / name))(**{**namespace(request), **values}))
