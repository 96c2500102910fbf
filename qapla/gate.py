"""What no request may be, looked at before there is a request: a foreign Host, and addresses that are not UTF-8.

A page of any site can make a browser talk to this server under a name of its own (DNS rebinding). Such a request has that name in its
``Host`` header, so only loopback and the names of the setting ``web:hosts`` are answered.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from qapla.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

ANY = "*"


def refuse(environ: Mapping[str, Any], hosts: frozenset[str] | None) -> InputError | None:
    """Return why the request is refused, or None. *hosts* None: every Host is welcome."""
    host = environ.get("HTTP_HOST")
    if hosts is not None and host and not is_known(host, hosts):
        return InputError("this Host is not served here", code="QAPLA400", hint="its administrator can add it to the hosts that are")
    if not _is_utf8(environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")):
        return InputError("the address is not UTF-8", hint="percent-encode it as UTF-8")
    return None


@lru_cache(maxsize=256)
def is_known(host: str, hosts: frozenset[str]) -> bool:
    """Tell whether *host*, perhaps with a port, is loopback or one of *hosts*."""
    name = host.lower()
    if name.startswith("["):
        name, _, rest = name[1:].partition("]")
        port = rest[1:] if rest.startswith(":") else rest and None
    else:
        name, _, port = name.partition(":")
    if port is None or (port and not port.isascii()) or (port and not port.isdigit()):
        return False
    return name in hosts or ANY in hosts or is_loopback(name)


def is_loopback(name: str) -> bool:
    """Tell whether *name* is this machine and nothing else."""
    name = name.removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_utf8(path: str, query: str) -> bool:
    try:
        if not path.isascii():
            path.encode("latin-1").decode()  # WSGI carries bytes as latin-1
        if not query.isascii():
            query.encode("latin-1").decode()
        if "%" in query:
            unquote_to_bytes(query).decode()
    except UnicodeError:
        return False
    return True
