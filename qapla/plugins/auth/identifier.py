"""Find out who sends a request: by its token, or by its session. No statement runs; the account store answers from memory.

Credentials that are not valid are refused, also where anonymous callers are welcome. A write with the session cookie needs the CSRF
token; ``app["csrf"]`` is asked here, where nobody who wants to know the caller can forget it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from qapla.errors import NotAuthenticated
from qapla.plugins.auth.tokens import MAX_LENGTH, digest, is_jwt
from qapla.ports import ANONYMOUS, Identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from qapla.ports import AccountStore, CsrfCheck

CHALLENGE = {"WWW-Authenticate": "Bearer"}
USER, EPOCH, SINCE = "user", "epoch", "since"


class SessionIdentifier:
    """An ``Identifier`` for tokens and sessions.

    Args:
        cookie: name of the session cookie; a request without it costs no look at the session.
        lifetime_s: after which a session ends, however much it is used.
        csrf: checks what is more than a read.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        accounts: AccountStore,
        cookie: str,
        lifetime_s: float,
        csrf: CsrfCheck,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.cookie = cookie
        self._accounts = accounts
        self._lifetime_s = lifetime_s
        self._csrf = csrf
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
        self._csrf.check(request)
        return self._by_session(request)

    def has_login(self, request: Any) -> bool:
        """Tell whether a session says who is asking."""
        return self._by_session(request) is not ANONYMOUS

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
