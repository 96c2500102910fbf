"""Requests that several processes count together, in Redis."""

from __future__ import annotations

import secrets

from redis import Redis

from qapla.plugins.rest.ratelimits import PREFIX, RedisStore


def test_counts_for_all(redis_url: str) -> None:
    """Two stores see what both counted, in this minute and the one before; the keys expire by themselves."""
    client = Redis.from_url(redis_url)
    one, other = RedisStore(lambda: client), RedisStore(lambda: client)
    caller = secrets.token_hex(8)

    counts = [one.count(caller, 7), other.count(caller, 7), one.count(caller, 8)]
    left_s = [client.ttl(key) for key in client.scan_iter(f"{PREFIX}:*")]
    client.close()

    assert counts == [(0, 1), (0, 2), (2, 1)]
    assert left_s
    assert all(0 < seconds <= 121 for seconds in left_s)
