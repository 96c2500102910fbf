"""Where sessions are kept: all of them by Pyramid's own class, in a cookie or at the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.session import BaseCookieSessionFactory, JSONSerializer

from qapla.plugins.session.signing import PlainText, Signer

if TYPE_CHECKING:
    from collections.abc import Callable

    from qapla.plugins.session.options import Options

    Factory = Callable[[Any], Any]

REISSUE_S = 300


def make_cookie_store(options: Options) -> Factory:
    """Return the session factory for signed cookies."""
    signer = Signer(options.secrets, JSONSerializer())
    return by_scheme(lambda secure: make_class(options, signer, secure), options.secure)


def make_redis_store(options: Options, find_client: Callable[[], Any]) -> Factory:
    """Return the session factory for sessions in Redis; *find_client* returns this process's client."""
    from qapla.plugins.session.server import make_server_session

    signer = Signer(options.secrets, PlainText())
    return by_scheme(lambda secure: make_server_session(make_class(options, signer, secure), signer, find_client), options.secure)


def make_class(options: Options, signer: Signer, secure: bool) -> Any:
    """Return Pyramid's class of sessions for *options*."""
    return BaseCookieSessionFactory(
        signer,
        cookie_name=options.cookie,
        httponly=True,
        samesite=options.samesite,
        secure=secure,
        timeout=options.timeout_s,
        reissue_time=min(REISSUE_S, options.timeout_s // 2),
        set_on_exception=True,
    )


def by_scheme(make: Callable[[bool], Factory], secure: bool | None) -> Factory:
    """Return the factory whose cookies are ``Secure``, or not; with None as the request came: over http they cannot be."""
    if secure is not None:
        return make(secure)
    plain, tls = make(False), make(True)
    return lambda request: (tls if request.scheme == "https" else plain)(request)
