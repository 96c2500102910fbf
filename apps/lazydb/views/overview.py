"""The start page: every registered database, how it is, and what can be done with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lazydb.views.links import ConnectionLinks, Links
from lazydb.views.state import State, markup, state_of
from qapla.database.dialects import ENGINES

if TYPE_CHECKING:
    from pyramid.request import Request

    from lazydb.records import Registered


@dataclass(frozen=True, slots=True)
class Card:
    """One database on the start page."""

    name: str
    engine: str
    place: str
    environment: str
    writable: bool
    paused: bool
    tables: int | None
    views: int | None
    read_at: str | None
    read_at_text: str
    state: State
    state_markup: str
    links: ConnectionLinks

    @property
    def browse(self) -> str:
        """Return the page of the database."""
        return self.links.browse

    @property
    def api(self) -> str:
        """Return its API page."""
        return self.links.api


def show_overview(context: Any, request: Request) -> dict[str, Any]:
    """Show the databases that the caller may see, as they were when last asked; each is asked again by its own fragment."""
    links, manager = Links.of_request(request), context.is_manager
    cards = [
        _card(request, known, links)
        for known in request.app["connections"].list()
        if manager or _is_visible(request, known.name)
    ]
    return {"links": links, "cards": cards, "summary": _summary(cards), "manager": manager}


def _is_visible(request: Request, name: str) -> bool:
    served = request.app["catalog"].find(name)
    return served is not None and served.is_visible_to(request.rights(name))


def _card(request: Request, known: Registered, links: Links) -> Card:
    facts = known.snapshot
    state = state_of(known, request.app["catalog"].find(known.name))
    return Card(
        name=known.name,
        engine=f"{ENGINES[known.engine].label} {facts.version if facts else ''}".strip(),
        place=known.spec.place,
        environment=known.options.environment,
        writable=known.options.writable,
        paused=known.paused,
        tables=facts.tables if facts else None,
        views=facts.views if facts else None,
        read_at=facts.taken_at.isoformat() if facts else None,
        read_at_text=facts.taken_at.strftime("%Y-%m-%d %H:%M UTC") if facts else "",
        state=state,
        state_markup=markup(request, state),
        links=links.of(known.name),
    )


def _summary(cards: list[Card]) -> str:
    down = sum(1 for card in cards if card.state.kind == "bad")
    counted = f"{len(cards)} database{'' if len(cards) == 1 else 's'}"
    return f"{counted}, {down} of them cannot be asked" if down else counted
