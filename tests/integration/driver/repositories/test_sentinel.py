"""qapla.driver.repositories.sentinel: a Redis that fails over"""

from __future__ import annotations

import asyncio
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass

import pytest
from redis import Redis
from redis.exceptions import RedisError

from qapla.database.breaker import Breaker
from qapla.driver import Cache, DictFallbackDataSource, HashRepository, Service, StoreUnavailable
from qapla.driver.repositories.sentinel import SentinelMemoryDataSource
from qapla.errors import ConfigurationError
from qapla.testing.packages import get_program
from qapla.testing.processes import free_port

BACK_WITHIN_S = 30  # of which Sentinel needs most; an attempt that it gives up is made again after six seconds


@dataclass
class Thing:
    id: str
    value: int


class ThingRepository(HashRepository[Thing, str]):
    pass


def wait_for(port, said):
    """Wait until a server says something"""
    with Redis(port=port) as client:
        for _ in range(200):
            with suppress(RedisError):
                if said(client):
                    return
            time.sleep(0.05)
    raise AssertionError(f"the server at {port} did not come up")


@pytest.fixture
def group(tmp_path):
    """A primary, a replica and a Sentinel"""
    program = get_program("redis-server", "redis-server")
    primary, replica, sentinel = (free_port() for _ in range(3))
    common = ["--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path), "--repl-diskless-sync-delay", "0"]
    (tmp_path / "sentinel.conf").write_text(
        f"port {sentinel}\nbind 127.0.0.1\ndir {tmp_path}\nsentinel monitor shop 127.0.0.1 {primary} 1\n"
        "sentinel down-after-milliseconds shop 300\nsentinel failover-timeout shop 3000\n"
    )
    commands = (
        [program, "--port", str(primary), *common],
        [program, "--port", str(replica), *common, "--replicaof", "127.0.0.1", str(primary)],
        [program, str(tmp_path / "sentinel.conf"), "--sentinel"],
    )
    servers = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands[:2]]
    wait_for(replica, lambda client: client.info("replication").get("master_link_status") == "up")
    servers.append(subprocess.Popen(commands[2], stdout=subprocess.DEVNULL))  # it looks for replicas when it starts, then every ten seconds
    wait_for(sentinel, lambda client: client.execute_command("SENTINEL", "REPLICAS", "shop"))
    yield servers[0], sentinel
    for server in servers:
        server.kill()
        server.wait()


def test_failover(group):
    """The primary dies: every answer is right meanwhile, and the one that takes its place is asked within seconds."""
    primary, port = group
    memory = SentinelMemoryDataSource([("127.0.0.1", port)], "shop")
    repository = ThingRepository(memory, DictFallbackDataSource(), 60)
    service, cached = (Service(repository, breaker=Breaker(3, 0.2, 0.5), cache=cache, memory_deadline_s=0.5) for cache in (None, Cache()))

    async def live():
        await service.add(Thing("a", 1))
        await cached.get_one("a")  # it listens from now on
        assert await memory.run([("EXISTS", "thing:a")]) == [1]
        primary.kill()
        await asyncio.to_thread(primary.wait)
        began, value = time.monotonic(), 1
        while not (service.breaker.is_calm and value > 4):
            assert time.monotonic() < began + BACK_WITHIN_S
            value += 1
            await service.add(Thing("a", value))
            assert (await service.get_one("a")).value == value
            await asyncio.sleep(0.05)
        assert await memory.run([("EXISTS", "thing:a")]) == [1]
        print(f"answers again after {time.monotonic() - began:.1f} s")
        await see_changes()

    async def see_changes():
        """The cache of another service is told by the new primary what is changed there"""
        ends, value = time.monotonic() + BACK_WITHIN_S, 0
        while not len(cached.cache):
            assert time.monotonic() < ends
            value = (await cached.get_one("a")).value
            await asyncio.sleep(0.05)
        await service.add(Thing("a", value + 1))
        while (await cached.get_one("a")).value == value:
            assert time.monotonic() < ends
            await asyncio.sleep(0.005)

    asyncio.run(live())


def test_mistakes_are_told():
    """No Sentinel is a mistake; one that is away is a memory that is away."""
    with pytest.raises(ConfigurationError, match="Sentinels"):
        SentinelMemoryDataSource([], "shop")
    with pytest.raises(StoreUnavailable, match="'shop by Sentinel'"):
        asyncio.run(SentinelMemoryDataSource([("127.0.0.1", 1)], "shop").ping())
