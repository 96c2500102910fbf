"""A Redis with replicas as a memory source: Sentinel says which of them takes writes now."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from qapla.driver.repositories.redis import RedisMemoryDataSource, _unparsed
from qapla.errors import ConfigurationError

SENTINEL_TIMEOUT_S = 0.5  # one that is silent is passed over


class SentinelMemoryDataSource(RedisMemoryDataSource):
    """Keep values in the primary of a group of Redis. After a failover the next call goes to the new one.

    Args:
        sentinels: host and port of each Sentinel.
        service: what they call the group.
        sentinel_options: keywords for connections to Sentinels, ``{"password": …}``.
        options: keywords of ``redis.asyncio.Redis``, for the primary: ``username``, ``password``, ``db``, ``ssl``, …

    Raises:
        ConfigurationError: there are no Sentinels.
    """

    name = "sentinel"
    keeps_writes = False  # a failover may lose what was told

    def __init__(
        self, sentinels: Sequence[tuple[str, int]], service: str, *, sentinel_options: dict[str, Any] | None = None, **options: Any
    ) -> None:
        if not sentinels or not all(isinstance(one, tuple | list) and len(one) == 2 for one in sentinels):
            raise ConfigurationError("a group of Redis is found by its Sentinels", hint="[('sentinel1.example.org', 26379), …]")
        self._sentinels, self._service = list(sentinels), service
        impatient = {"socket_timeout": SENTINEL_TIMEOUT_S, "socket_connect_timeout": SENTINEL_TIMEOUT_S, "retry": Retry(NoBackoff(), 0)}
        self._sentinel_options = {**impatient, **(sentinel_options or {})}
        self._asked: dict[int, Sentinel] = {}
        self._begin(f"{service} by Sentinel", options)

    @property
    def line(self) -> Hashable | None:
        """Return what is the same for sources of one group and the same options."""
        return self._hashable(self._service, *map(tuple, self._sentinels))

    def _open(self) -> Redis:
        sentinel = Sentinel(self._sentinels, sentinel_kwargs=self._sentinel_options)
        client: Redis = _unparsed(sentinel.master_for(self._service, redis_class=Redis, **self._options))
        self._asked[id(client)] = sentinel
        return client

    async def _close(self, client: Redis) -> None:
        await super()._close(client)
        for one in self._asked.pop(id(client)).sentinels:
            await one.aclose()
