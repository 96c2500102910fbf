"""Who may see what an application tells about itself: programs on this machine, and whoever has the token.

What a proxy passed on is not from this machine, whoever the proxy is; nor is what a page made a browser ask under a name of its own.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from qapla.gate import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qapla.settings import Settings

FORWARDED = (
    *("HTTP_FORWARDED", "HTTP_X_FORWARDED_", "HTTP_VIA"),
    *("HTTP_X_REAL_IP", "HTTP_X_CLIENT_IP", "HTTP_TRUE_CLIENT_IP", "HTTP_CF_CONNECTING_IP"),
)


def is_insider(environ: Mapping[str, Any], token: str | None = None) -> bool:
    """Tell whether a request, as its WSGI environment, comes from this machine itself, or has *token* as its bearer token.

    With a *token* nothing else counts: who sets one does not trust the machine alone.
    """
    if token:
        scheme, _, given = environ.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode())
    if any(name.startswith(FORWARDED) and environ[name] for name in environ):
        return False
    return is_loopback(environ.get("REMOTE_ADDR", "")) and is_loopback(host_of(environ))


def read_token(settings: Settings, key: str) -> str | None:
    """Return the token that the setting *key* has, if any.

    Raises:
        SettingsError: it is no text, or nothing but blanks: such a one would let nobody in, or everybody.
    """
    token = settings.get(key)
    if token is not None and not (isinstance(token, str) and (not token or token.strip())):
        raise settings.wrong(key, "text")
    return token.strip() if token else None


def host_of(environ: Mapping[str, Any]) -> str:
    """Return the host that was asked for, without its port."""
    host: str = environ.get("HTTP_HOST") or environ.get("SERVER_NAME", "")
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
