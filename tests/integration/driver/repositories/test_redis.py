"""qapla.driver.repositories.redis"""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from qapla.driver import StoreUnavailable, WrongKeyType
from qapla.driver.repositories.redis import RedisMemoryDataSource
from qapla.errors import ConfigurationError
from qapla.testing.contracts.memory import MemorySourceContract


class TestRedis(MemorySourceContract):
    """Redis as memory"""

    @pytest.fixture
    def source(self, redis_url):
        return RedisMemoryDataSource(redis_url)


def test_more_callers_than_connections_wait(redis_url):
    """Callers wait for one of a bounded number of connections: that is no failure of Redis."""
    source = RedisMemoryDataSource(redis_url, max_connections=5)

    async def ask():
        replies = await asyncio.gather(*(source.run([("EXISTS", f"nothing:{number}")]) for number in range(200)))
        return replies, len(source._clients.get().connection_pool._available_connections)

    replies, connections = asyncio.run(ask())

    assert replies == [[0]] * 200
    assert connections <= 5


@pytest.mark.parametrize("url", ["redis.example.org", "http://redis.example.org", "redis://redis.example.org:port/0"])
def test_url_that_is_none_is_told(url):
    """A URL that is none is told when the source is made, and so is an option that nobody knows."""
    with pytest.raises(ConfigurationError, match="redis"):
        RedisMemoryDataSource(url)
    with pytest.raises(ConfigurationError, match="redis"):
        RedisMemoryDataSource("redis://redis.example.org", colour="red")


def test_password_is_not_told():
    """A server that cannot be reached, or refuses the login, is told without the password."""
    with pytest.raises(StoreUnavailable) as caught:
        asyncio.run(RedisMemoryDataSource("redis://me:hunter2@127.0.0.1:1/0").ping())

    assert "hunter2" not in f"{caught.value!r} {caught.value} {RedisMemoryDataSource('redis://me:hunter2@127.0.0.1:1/0')!r}"


def test_database_that_is_not_there_is_told(redis_url):
    """A number of a database that the server does not have is a mistake of the settings, not an outage."""
    with pytest.raises(ConfigurationError, match="no database of this number"):
        asyncio.run(RedisMemoryDataSource(f"{redis_url.rpartition('/')[0]}/999").ping())


def test_password_that_is_refused(redis_url):
    """A login that Redis refuses is told, without the password, and is no outage that a breaker counts."""
    host = redis_url.partition("//")[2].rpartition("@")[2]
    for login in ("nobody:hunter2", ":hunter2"):
        with pytest.raises(StoreUnavailable, match="user and the password") as caught:
            asyncio.run(RedisMemoryDataSource(f"redis://{login}@{host}").ping())

        assert caught.value.answered
        assert "hunter2" not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"


def test_wrong_type_is_named(redis_url):
    """What somebody else keeps under a key is told by its key, alone and among many."""
    key = f"wrong:{uuid4()}"

    async def ask():
        source = RedisMemoryDataSource(redis_url)
        await source.run([("SET", key, "secret"), ("PEXPIRE", key, 60_000)])
        for commands in ([("HGETALL", key)], [("EXISTS", "other"), ("HGETALL", key), ("GET", "other")]):
            for atomic in (False, True):
                with pytest.raises(WrongKeyType, match=f"{key}.*WRONGTYPE") as caught:
                    await source.run(commands, atomic=atomic)
                assert caught.value.key == key
                assert "secret" not in str(caught.value)

    asyncio.run(ask())
