"""Find out who sends a request: by its token, or by its session. No statement runs; the account store answers from memory.

Credentials that are not valid are refused, also where anonymous callers are welcome. A write with the session cookie needs the CSRF
token; that is checked here, where nobody who asks for the caller's identity can forget it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from qapla.errors import AccessError, NotAuthenticated
from qapla.plugins.auth.fields import read_field
from qapla.plugins.auth.origins import allowed_origins, find_foreign_origin
from qapla.plugins.auth.tokens import MAX_LENGTH, digest, is_jwt
from qapla.ports import ANONYMOUS, Identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from qapla.ports import AccountStore

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CHALLENGE = {"WWW-Authenticate": "Bearer"}
USER, EPOCH, SINCE = "user", "epoch", "since"


class SessionIdentifier:
    """An ``Identifier`` for tokens and sessions.

    Args:
        cookie: name of the session cookie; a request without it costs no look at the session.
        lifetime_s: after which a session ends, however much it is used.
        forms_below: the path below which the CSRF token may come in a form field; elsewhere bodies are not read here.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        accounts: AccountStore,
        cookie: str,
        lifetime_s: float,
        forms_below: str = "/admin/",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.cookie = cookie
        self._accounts = accounts
        self._lifetime_s = lifetime_s
        self._forms_below = forms_below
        self._clock = clock

    def identify(self, request: Any) -> Identity:
        """Return who is asking.

        Raises:
            NotAuthenticated: there is a token, and it is not valid.
            AccessError: a write comes from another web page, or with the session cookie and without the CSRF token.
        """
        authorization = request.environ.get("HTTP_AUTHORIZATION")
        if authorization is not None:
            return self._by_token(authorization)
        identity = self._by_session(request)
        if request.method not in SAFE_METHODS:
            self._check_write(request, identity)
        return identity

    def log_in(self, request: Any, user_id: int, epoch: int) -> None:
        """Begin a new session for the account; nothing of the old one is kept."""
        request.session.invalidate()
        request.session.new_csrf_token()
        request.session.update({USER: user_id, EPOCH: epoch, SINCE: int(self._clock())})

    def _by_token(self, authorization: str) -> Identity:
        scheme, _, token = authorization.strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > MAX_LENGTH:
            raise NotAuthenticated("the Authorization header is not understood", hint="Authorization: Bearer <token>", headers=CHALLENGE)
        found = self._accounts.find_token(digest(token))
        if found is None and is_jwt(token):
            raise NotAuthenticated("JSON web tokens are not accepted: no issuer is configured", code="PGRST301", headers=CHALLENGE)
        if found is None:
            raise NotAuthenticated("the token is not valid", code="PGRST301", headers=CHALLENGE)
        if found.expires_at is not None and found.expires_at <= self._clock():
            raise NotAuthenticated("the token has expired", code="PGRST303", hint="ask for a new one", headers=CHALLENGE)
        return Identity("token", found.id, found.name)

    def _by_session(self, request: Any) -> Identity:
        if self.cookie not in request.environ.get("HTTP_COOKIE", ""):
            return ANONYMOUS
        session = request.session
        user_id = session.get(USER)
        if not isinstance(user_id, int):
            return ANONYMOUS
        account = self._accounts.find_user(user_id)
        if account is None or session.get(EPOCH) != account.epoch or self._clock() - session.get(SINCE, 0) > self._lifetime_s:
            return ANONYMOUS  # the session has ended; what needs a login leads to one
        return Identity("user", account.id, account.name)

    def _check_write(self, request: Any, identity: Identity) -> None:
        origin = find_foreign_origin(request)
        if identity is ANONYMOUS:
            # A form of any web page can post to a server on this machine, without asking first (no CORS preflight).
            if origin is not None and not {origin, "*"} & set(allowed_origins(request)):
                raise AccessError(f"writing from {origin!r} is not allowed", hint="list it in server_cors_allowed_origins")
            return
        if origin is not None:
            raise AccessError(f"writing from {origin!r} with the session of the admin is not allowed", hint="use a token")
        self.check_csrf(request)

    def check_csrf(self, request: Any) -> None:
        """Check the CSRF token of a form, or of the header ``X-CSRF-Token``.

        Raises:
            AccessError: it is missing or another one.
        """
        from pyramid.interfaces import ICSRFStoragePolicy

        supplied = request.headers.get("X-CSRF-Token")
        if supplied is None and request.path_info.startswith(self._forms_below):
            supplied = read_field(request, "csrf_token")
        policy = request.registry.getUtility(ICSRFStoragePolicy)
        if not isinstance(supplied, str) or not policy.check_csrf_token(request, supplied):
            raise AccessError(
                "the CSRF token is missing, or of another session",
                code="QAPLA403",
                hint="load the page again; programs send X-CSRF-Token, or better a token of their own",
            )
