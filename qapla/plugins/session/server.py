"""A session that is kept at the server, in Redis; its cookie has a signed random id and nothing else.

Pyramid's cookie session does all the rest: flash messages, tokens, noticing changes. Redis has it under the hash of its id, so that who
may look into Redis can be nobody else, and forgets it by itself.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import time
from typing import TYPE_CHECKING, Any

from redis import RedisError

from qapla.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from qapla.plugins.session.signing import Signer

log = logging.getLogger(__name__)

PREFIX = "session:"
AWAY = "the sessions cannot be reached now"


def make_server_session(base: type[Any], signer: Signer, find_client: Callable[[], Any]) -> type[Any]:
    """Return a class of sessions.

    Args:
        base: Pyramid's class for sessions in cookies, with name, timeout and flags.
        signer: signs ids.
        find_client: returns the Redis client of this process.
    """

    class ServerSession(base):
        """A session in Redis. It has an id from the moment when there is something to keep, and another one after ``invalidate``."""

        def __init__(self, request: Any) -> None:
            self.request = request
            self._id = self._read_id(request)
            found = self._load()
            now = time.time()
            self.new = found is None
            self.renewed, self.created, state = found or (now, now, {})
            self.accessed = self.renewed
            dict.__init__(self, state)

        def invalidate(self) -> None:
            """Forget everything, here and at the server."""
            if self._id is not None:
                try:
                    find_client().delete(key_of(self._id))
                except RedisError as error:
                    raise away() from error
            self._id = None
            self.clear()

        def _read_id(self, request: Any) -> str | None:
            cookie = request.cookies.get(self._cookie_name)
            try:
                return str(signer.loads(cookie.encode())) if cookie else None
            except ValueError:
                return None

        def _load(self) -> tuple[float, float, dict[str, Any]] | None:
            """Return what Redis has; an id that it does not know is given up: somebody may have chosen it."""
            if self._id is None:
                return None
            try:
                text = find_client().get(key_of(self._id))
            except RedisError as error:
                raise away() from error
            found = json.loads(text) if text else None
            if found is None or time.time() - found["renewed"] > self._timeout:
                self._id = None
                return None
            return found["renewed"], found["created"], found["state"]

        def _set_cookie(self, response: Any) -> None:
            """Keep what there is; called when the answer is there and something has changed, or was used for some time."""
            try:
                self._save(response)
            except RedisError as error:
                log.error("a session could not be kept: %s", type(error).__name__)
                refusal = away()  # no exception view is asked any more
                response.status_int, response.text = refusal.status, f"{refusal}\n"
                response.content_type = "text/plain"
                response.headers.update(refusal.headers)

        def _save(self, response: Any) -> None:
            if not self:
                if self._id is not None:
                    find_client().delete(key_of(self._id))
                response.delete_cookie(self._cookie_name, path=self._cookie_path)
                return
            is_known, self._id = self._id is not None, self._id or secrets.token_urlsafe(32)
            value = json.dumps({"renewed": self.accessed, "created": self.created, "state": dict(self)})
            # One that was there is kept only while it is: another request may have ended it meanwhile, by a logout.
            if not find_client().set(key_of(self._id), value, ex=self._timeout, xx=is_known):
                response.delete_cookie(self._cookie_name, path=self._cookie_path)
                return
            response.set_cookie(
                self._cookie_name,
                signer.dumps(self._id).decode(),
                path=self._cookie_path,
                secure=self._cookie_secure,
                httponly=self._cookie_httponly,
                samesite=self._cookie_samesite,
            )

    return ServerSession


def key_of(session_id: str) -> str:
    """Return the key under which a session is kept."""
    return PREFIX + hashlib.sha256(session_id.encode()).hexdigest()


def away() -> Unavailable:
    """Return the error for a Redis that does not answer."""
    return Unavailable(AWAY, hint="try again later", headers={"Retry-After": "5"})
