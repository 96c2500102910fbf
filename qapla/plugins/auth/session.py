"""The session: a signed cookie, which no script can read and which goes to other sites with links only (SameSite=Lax)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.session import JSONSerializer, SignedCookieSessionFactory

if TYPE_CHECKING:
    from collections.abc import Callable

REISSUE_S = 300


def make_session_factory(key: bytes, cookie: str, idle_s: int) -> Callable[[Any], Any]:
    """Return Pyramid's session factory. Over https the cookie is ``Secure``; over http, on this machine, it cannot be."""

    def make(secure: bool) -> Callable[[Any], Any]:
        factory: Callable[[Any], Any] = SignedCookieSessionFactory(
            key.hex(),
            cookie_name=cookie,
            httponly=True,
            samesite="Lax",
            secure=secure,
            timeout=idle_s,
            reissue_time=min(REISSUE_S, idle_s // 2),
            serializer=JSONSerializer(),
            set_on_exception=True,
        )
        return factory

    plain, tls = make(secure=False), make(secure=True)
    return lambda request: (tls if request.scheme == "https" else plain)(request)
