"""Which network addresses may be connected to, judged by the resolved IP address and never by the name.

A host is looked up and judged each time a connection is made, and the connection goes to the very address that was judged: a name
that answers differently a moment later gains nothing. The host's name stays in use for TLS only.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

from qapla.database.waiting import call_within
from qapla.errors import TargetRefused, TimedOut, Unavailable

if TYPE_CHECKING:
    from qapla.database.spec import ConnectionSpec

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Link-local networks and the metadata services of clouds: a database is never there, credentials often are.
NEVER = tuple(
    ipaddress.ip_network(net)
    for net in ("169.254.0.0/16", "fe80::/10", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32", "fd00:ec2::254/128")
)
_TRANSLATED = tuple(ipaddress.IPv6Network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96"))  # NAT64, SIIT
_NEVER = "a link-local or metadata address"
_COMPATIBLE = ipaddress.IPv6Network("::/96")


def connectable(spec: ConnectionSpec, timeout_s: float | None = None) -> list[str]:
    """Return the addresses of the host of *spec* that may be connected to, in the order of the resolver; empty for a file.

    Raises:
        Unavailable: the host is unknown, or the resolver did not answer in time.
        TargetRefused: it has addresses, and none of them is allowed.
    """
    if spec.host is None or spec.port is None:
        return []
    found = resolve(spec.host, spec.port, timeout_s if timeout_s is not None else spec.connect_timeout)
    refusals = {address: refusal(address, private_allowed=spec.private_allowed) for address in found}
    allowed = [address for address, why in refusals.items() if why is None]
    if not allowed:
        address, why = next(iter(refusals.items()))
        hint = None if why == _NEVER else "add it on the command line, or set LAZYDB_ALLOW_PRIVATE=1"
        shown = spec.host if spec.host == address else f"{spec.host} ({address})"
        raise TargetRefused(f"host {shown!r} may not be connected to: it is {why}", field="host", hint=hint)
    return allowed


def find_address(spec: ConnectionSpec) -> str:
    """Return the one address to connect to; of several the first that takes a connection. ``connect.make_engine`` asks at each connect.

    Raises:
        Unavailable: the host is unknown.
        TargetRefused: none of its addresses is allowed.
    """
    found = connectable(spec)
    for address in found if len(found) > 1 else ():
        try:
            socket.create_connection((address, spec.port), min(2.0, spec.connect_timeout)).close()
        except OSError:
            continue
        return address
    return found[0]  # if it does not answer, the driver says so in its own words


def refusal(text: str, *, private_allowed: bool) -> str | None:
    """Return what is wrong with an IP address, in words, or None when it may be connected to."""
    for address in _forms(ipaddress.ip_address(text.partition("%")[0])):
        if any(address in net for net in NEVER if net.version == address.version):
            return _NEVER
        if address.is_multicast or (isinstance(address, ipaddress.IPv4Address) and address == ipaddress.IPv4Address("255.255.255.255")):
            return "a multicast address"
        is_site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
        if not private_allowed and (is_site_local or not address.is_global):
            return "a loopback or private address"
    return None


def resolve(host: str, port: int, timeout_s: float) -> list[str]:
    """Return the addresses of *host*, without repeats, looking no longer than *timeout_s* seconds.

    Raises:
        Unavailable: there is no such host.
        TimedOut: no answer in time.
    """
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass  # a name, or an address in decimal or octal, which the resolver reads like the drivers would
    try:
        # The C library's resolver cannot be interrupted.
        found = call_within(timeout_s, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), name="resolve")
    except TimeoutError as error:
        raise TimedOut(f"host {host!r} was not found within {timeout_s:g} s", hint="is the name server reachable?") from error
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"host {host!r} is not known", code="PGRST000", hint="check its spelling") from error
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


def _forms(address: Address) -> list[Address]:
    """Return the address and the IPv4 address that it carries inside, if it does: mapped, translated, 6to4, Teredo, compatible."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    inside = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
    if any(address in net for net in _TRANSLATED) or (address in _COMPATIBLE and int(address) > 0xFFFF):
        inside = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if not inside:
        return [address]
    return [inside] if address.ipv4_mapped else [inside, address]
