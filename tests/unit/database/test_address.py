"""Which addresses may be connected to."""

from __future__ import annotations

import socket
import threading

import pytest

from qapla.database import address
from qapla.database.spec import ConnectionSpec
from qapla.errors import TargetRefused, TimedOut, Unavailable

METADATA = [
    "169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "fe80::1", "fe80::1%eth0",
    "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "::ffff:0:169.254.169.254",
]  # fmt: skip
PRIVATE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "::1", "::", "10.0.0.1", "172.16.5.4", "192.168.1.1", "100.64.0.1", "fc00::1", "fec0::1",
    "::ffff:10.0.0.1", "64:ff9b::7f00:1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "2600::1", "::ffff:8.8.8.8"]


def spec(host: str, *, private_allowed: bool = True) -> ConnectionSpec:
    return ConnectionSpec("postgresql", host=host, port=5432, database="d", user="u", private_allowed=private_allowed)


@pytest.mark.parametrize("text", METADATA)
def test_metadata_and_link_local_addresses_are_never_allowed(text: str) -> None:
    """No origin and no setting lets a connection go to a metadata service, however the address is written."""
    assert address.refusal(text, private_allowed=True) == "a link-local or metadata address"


@pytest.mark.parametrize("text", PRIVATE)
def test_private_addresses_depend_on_the_origin(text: str) -> None:
    """Loopback and private addresses are allowed or refused as a whole, in every way to write them."""
    assert address.refusal(text, private_allowed=True) is None
    assert address.refusal(text, private_allowed=False) == "a loopback or private address"


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_always_allowed(text: str) -> None:
    """A public address needs no permission."""
    assert address.refusal(text, private_allowed=False) is None


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost"])
def test_the_resolved_address_counts(host: str) -> None:
    """A name, and an address in decimal, hexadecimal or octal, is judged by what it resolves to."""
    with pytest.raises(TargetRefused, match="loopback or private") as refused:
        address.connectable(spec(host, private_allowed=False))

    assert refused.value.field == "host"
    assert set(address.connectable(spec(host))) & {"127.0.0.1", "::1"}


def test_addresses_that_may_not_be_used_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a host with several addresses only the allowed ones are connected to."""
    answer = [(0, 0, 0, "", ("169.254.169.254", 1)), (0, 0, 0, "", ("8.8.8.8", 1)), (0, 0, 0, "", ("8.8.8.8", 1))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)

    assert address.connectable(spec("db.example")) == ["8.8.8.8"]


def test_an_unknown_host_is_named() -> None:
    """A host that does not exist is an error that names it."""
    with pytest.raises(Unavailable, match=r"host 'nowhere\.invalid' is not known"):
        address.resolve("nowhere.invalid", 5432, 5)


def test_a_slow_name_server_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking a host up ends at the deadline."""
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(30))

    with pytest.raises(TimedOut, match=r"within 0\.05 s"):
        address.resolve("db.example", 5432, 0.05)
    over.set()


def test_a_file_has_no_address() -> None:
    """SQLite needs no address."""
    assert address.connectable(ConnectionSpec("sqlite", path="/x")) == []
