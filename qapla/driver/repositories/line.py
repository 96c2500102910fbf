"""A connection on which Redis tells which keys are changed: ``CLIENT TRACKING ON REDIRECT … BCAST PREFIX …``, over pub/sub.

The connection is redirected to itself. If one tracked and another listened, the second could be lost while the first goes on.

It is a bare connection of redis-py, not its ``PubSub``: that connects and subscribes again by itself, and nobody would know that changes
have been missed meanwhile.

A pong comes after everything that Redis told before it took up the ping. So a pong confirms all changes before the ping was sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError, TimeoutError

from qapla.driver.repositories.invalidations import Changed, Confirmed, Invalidations

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

CHANNEL = "__redis__:invalidate"
# Of the connection. It has deadlines and pings of its own; with a socket_timeout redis-py sends by asyncio.wait_for, which in Python 3.11
# swallows a cancellation that comes at the same moment as its result.
OPTIONS: dict[str, Any] = {"protocol": 2, "health_check_interval": 0, "socket_timeout": None}
OPENS_WITHIN_S = 5.0
PING_EVERY_S = 1.0
SILENT_S = 1.5  # a server that owes a pong for so long, or the way to it, is taken for dead
LOOK_AGAIN_S = 0.05  # unless it was this process that was busy, and the pong is there already


async def listen(connect: Callable[[], Awaitable[AbstractConnection]], prefixes: Sequence[str]) -> Invalidations:
    """Tell which keys that begin with one of *prefixes* are changed, until the connection is lost.

    Args:
        connect: opens the connection, with ``OPTIONS``, for nothing else. Who opens it closes it.
        prefixes: of keys.

    Raises:
        redis.exceptions.RedisError, OSError: the connection is lost, or refused.
    """
    async with asyncio.timeout(OPENS_WITHIN_S):
        connection = await connect()
        yet = await _begin(connection, prefixes)
    yield Confirmed(yet)
    pinged: float | None = None  # when; None: no pong is owed
    next_ping = time.monotonic() + PING_EVERY_S
    while True:
        now = time.monotonic()
        if pinged is None and now >= next_ping:
            await connection.send_command("PING", check_health=False)
            pinged, next_ping = now, now + PING_EVERY_S
        answer = await _read_until(connection, next_ping if pinged is None else pinged + SILENT_S)
        if answer is None and pinged is not None:
            answer = await _read_until(connection, time.monotonic() + LOOK_AGAIN_S)
            if answer is None:
                raise TimeoutError(f"no pong within {SILENT_S:g} s")
        if answer is None:
            continue
        if answer[0] == b"message":
            yield Changed(None if answer[2] is None else tuple(key.decode(errors="replace") for key in answer[2]))
        elif answer[0] == b"pong" and pinged is not None:
            yield Confirmed(pinged)
            pinged = None


async def _begin(connection: AbstractConnection, prefixes: Sequence[str]) -> float:
    """Have Redis tell of changes, and return the moment from which on it does."""
    await connection.send_command("CLIENT", "ID", check_health=False)
    number = await connection.read_response()
    options = [part for prefix in _apart(prefixes) for part in ("PREFIX", prefix)]
    await connection.send_command("CLIENT", "TRACKING", "ON", "REDIRECT", number, "BCAST", *options, check_health=False)
    await connection.read_response()
    now = time.monotonic()
    await connection.send_command("SUBSCRIBE", CHANNEL, check_health=False)
    await connection.read_response()
    return now


async def _read_until(connection: AbstractConnection, due: float) -> Any:
    """Return the next answer; None when there is none until *due*."""
    answer = await connection.read_response(timeout=max(0.001, due - time.monotonic()))
    if answer is None and time.monotonic() < due - 0.01:
        raise ConnectionError("the socket timed out")  # which redis-py does not tell from our own limit
    return answer


def _apart(prefixes: Iterable[str]) -> list[str]:
    """Return *prefixes* without those that begin with another one: Redis refuses them."""
    kept: list[str] = []
    for prefix in sorted(prefixes):
        if not kept or not prefix.startswith(kept[-1]):
            kept.append(prefix)
    return kept
