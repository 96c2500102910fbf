"""Where sessions are kept: Pyramid's own in a cookie, ``pyramid_session_redis`` in Redis."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

from pyramid.session import BaseCookieSessionFactory, JSONSerializer

from qapla.errors import Unavailable
from qapla.plugins.session.signing import PlainText, Signer

if TYPE_CHECKING:
    from collections.abc import Callable

    from qapla.plugins.session.options import Options

    Factory = Callable[[Any], Any]

REISSUE_S = 300
PREFIX = "session:"


def by_scheme(make: Callable[[bool], Factory], secure: bool | None) -> Factory:
    """Return the factory whose cookies are ``Secure``, or not; with None as the request came: over http they cannot be."""
    if secure is not None:
        return make(secure)
    plain, tls = make(False), make(True)
    return lambda request: (tls if request.scheme == "https" else plain)(request)


def make_cookie_store(options: Options) -> Factory:
    """Return Pyramid's session factory for signed cookies."""
    signer = Signer(options.secrets, JSONSerializer())

    def make(secure: bool) -> Factory:
        factory: Factory = BaseCookieSessionFactory(
            signer,
            cookie_name=options.cookie,
            httponly=True,
            samesite=options.samesite,
            secure=secure,
            timeout=options.timeout_s,
            reissue_time=min(REISSUE_S, options.timeout_s // 2),
            set_on_exception=True,
        )
        return factory

    return by_scheme(make, options.secure)


def make_redis_store(options: Options, find_client: Callable[[], Any]) -> Factory:
    """Return the factory for sessions in Redis, each under a random id; *find_client* returns this process's client."""
    from pyramid_session_redis import RedisSessionFactory
    from redis import RedisError

    signer = Signer(options.secrets, PlainText())

    def make(secure: bool) -> Factory:
        inner = RedisSessionFactory(
            secret=None,
            cookie_signer=signer,
            cookie_name=options.cookie,
            cookie_httponly=True,
            cookie_samesite=options.samesite,
            cookie_secure=secure,
            timeout=options.timeout_s,
            timeout_trigger=min(REISSUE_S, options.timeout_s // 2) or None,
            redis_client_callable=lambda request, **ignored: find_client(),
            serialize=lambda value: json.dumps(value).encode(),
            deserialize=json.loads,  # never pickle: who can write to Redis would run code here
            id_generator=lambda: PREFIX + secrets.token_urlsafe(32),
            deserialized_fails_new=True,
        )

        def factory(request: Any) -> Any:
            try:
                return inner(request)
            except RedisError as error:
                raise Unavailable("the sessions cannot be read now", hint="try again later", headers={"Retry-After": "5"}) from error

        return factory

    return by_scheme(make, options.secure)
