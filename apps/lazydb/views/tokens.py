"""The page of tokens: which there are, what each may do, and when it was used. They are made on the command line, which shows one once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lazydb.models import now
from lazydb.scopes import text_of

if TYPE_CHECKING:
    from datetime import datetime

    from pyramid.request import Request

    from lazydb.accounts import TokenFacts


@dataclass(frozen=True, slots=True)
class Moment:
    """A time for the page: for its script, and as text."""

    iso: str
    text: str


@dataclass(frozen=True, slots=True)
class ShownToken:
    """One token on the page; ``kind`` and ``state`` are its tag."""

    name: str
    rights: str
    kind: str
    state: str
    made: Moment
    ends: Moment | None
    used: Moment | None


def show_tokens(request: Request) -> dict[str, Any]:
    """Show all tokens, by name."""
    tokens = [_shown(token) for token in request.app["accounts"].list_tokens()]
    return {"title": "Tokens", "crumbs": [("Tokens", None)], "tokens": tokens}


def _shown(token: TokenFacts) -> ShownToken:
    is_over = token.expires_at is not None and token.expires_at <= now()
    return ShownToken(
        name=token.name,
        rights=text_of(token.rights),
        kind="bad" if is_over else "ok",
        state="expired" if is_over else "valid",
        made=_moment(token.created_at),
        ends=_moment(token.expires_at) if token.expires_at is not None else None,
        used=_moment(token.last_used_at) if token.last_used_at is not None else None,
    )


def _moment(moment: datetime) -> Moment:
    return Moment(moment.isoformat(), f"{moment:%Y-%m-%d %H:%M} UTC")
