"""What stands in front of an application: proxies that say who the client is, and a path below which they have put it.

Settings  ``web:trusted_proxies``: addresses and networks whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed; nobody's by
          default. ``web:root_path``: where a proxy has put the application, ``/lazydb``; whether it cuts that off or not is no difference.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qapla.settings import Settings

    Environ = dict[str, Any]
    Policy = Callable[[Environ, Any], Any]


class Proxies:
    """Put right what a request says of itself.

    Args:
        trusted: addresses and networks, ``10.0.0.0/8``.
        root_path: the path below which the application is seen from outside.

    Raises:
        ValueError: one of *trusted* is no address.
    """

    def __init__(self, trusted: Sequence[str] = (), root_path: str = "") -> None:
        self._trusted = tuple(ipaddress.ip_network(proxy, strict=False) for proxy in trusted)
        self._root = root_path.rstrip("/")

    def __bool__(self) -> bool:
        return bool(self._trusted or self._root)

    def correct(self, environ: Environ) -> None:
        """Set the client's address, the scheme and the paths in a WSGI environment."""
        if self._trusted:
            self._believe(environ)
        if self._root:
            self._move(environ)

    def around(self, policy: Policy) -> Policy:
        """Return *policy*, an execution policy of Pyramid, for requests that are put right first."""

        def run(environ: Environ, router: Any) -> Any:
            self.correct(environ)
            return policy(environ, router)

        return run if self else policy

    def _believe(self, environ: Environ) -> None:
        """Take the client's address and scheme from a proxy that is trusted: the last address that is not itself such a proxy."""
        if not self._trusts(environ.get("REMOTE_ADDR", "")):
            return
        hops = [hop.strip() for hop in environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
        client = next((hop for hop in reversed(hops) if not self._trusts(hop)), hops[0] if hops else None)
        if client and len(client) <= 45:
            environ["REMOTE_ADDR"] = client
        scheme = environ.get("HTTP_X_FORWARDED_PROTO")
        if scheme in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme

    def _trusts(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._trusted)

    def _move(self, environ: Environ) -> None:
        path = environ.get("PATH_INFO", "")
        if path == self._root or path.startswith(self._root + "/"):
            environ["PATH_INFO"] = path[len(self._root) :] or "/"
        environ["SCRIPT_NAME"] = self._root


def read_proxies(settings: Settings) -> Proxies:
    """Return the proxies of the settings.

    Raises:
        SettingsError: an address or the path is wrong.
    """
    trusted, root_path = settings.get("web:trusted_proxies") or (), settings.get("web:root_path") or ""
    if isinstance(trusted, str):
        trusted = [part.strip() for part in trusted.split(",") if part.strip()]
    if not isinstance(root_path, str) or (root_path and not is_path(root_path)):
        raise settings.wrong("web:root_path", "a path that begins with '/'")
    try:
        return Proxies(tuple(trusted), root_path)
    except ValueError:
        raise settings.wrong("web:trusted_proxies", "a list of IP addresses and networks") from None


def is_path(text: str) -> bool:
    """Tell whether *text* can be a root path."""
    return text.startswith("/") and text.isprintable() and not set(text) & set("?# %\\")
