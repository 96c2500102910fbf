"""qapla.driver.repositories.cluster: a Redis Cluster, whose slots move, and whose nodes hang, die and are replaced"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import aclosing
from dataclasses import dataclass

import pytest
from redis import Redis
from redis.asyncio.cluster import ClusterNode

from qapla.database.breaker import Breaker
from qapla.driver import DictFallbackDataSource, HashRepository, Service, StoreTimedOut, StoreUnavailable
from qapla.driver.repositories.cluster import ClusterMemoryDataSource, slot_of
from qapla.driver.repositories.invalidations import Changed, Confirmed
from qapla.driver.repositories.keys import marker_of
from qapla.driver.repositories.nodes import LOOK_EVERY_S
from qapla.errors import ConfigurationError
from qapla.testing import processes
from qapla.testing.contracts.memory import MemorySourceContract
from qapla.testing.redis_cluster import find_port, start_redis_cluster

BACK_WITHIN_S = 30  # of which the nodes need most, to agree
LONG_S = 60  # what is waited for comes much sooner
SLOTS = 16384


@dataclass
class Thing:
    id: str
    value: int


class ThingRepository(HashRepository[Thing, str]):
    pass


class Cluster:
    """Three primaries, and a replica of the first"""

    def __init__(self, folder):
        self.folder = folder
        self.urls = start_redis_cluster(folder / "node", os.getpid())
        self.clients = [Redis.from_url(url) for url in self.urls]

    def owner(self, key):
        return max(at for at in range(3) if SLOTS * at // 3 <= slot_of(key))

    def keys_of(self, at, count=3):
        """Keys whose slots are at a node"""
        return [key for key in (f"thing:k{number}" for number in range(200)) if self.owner(key) == at][:count]

    def pid(self, at):
        return self.clients[at].info("server")["process_id"]

    def node_folder(self, at):
        return self.folder / f"node-{at}"


@pytest.fixture(scope="module")
def cluster():
    with processes.server_folder() as folder:
        cluster = Cluster(folder)
        yield cluster
        for client in cluster.clients:
            client.close()


@pytest.fixture
def source(cluster):
    return ClusterMemoryDataSource.from_urls(*cluster.urls)


@pytest.fixture(scope="module")
def runner():
    """One event loop for the contract: every loop looks for the nodes, and opens connections"""
    with asyncio.Runner() as runner:
        yield runner


class TestCluster(MemorySourceContract):
    """A cluster as one memory"""

    @pytest.fixture(scope="class")
    @staticmethod
    def source(cluster, runner):
        source = ClusterMemoryDataSource.from_urls(cluster.urls[0])
        yield source
        runner.run(source.aclose())

    @pytest.fixture(autouse=True)
    def on(self, runner):
        self.runner = runner

    def wait(self, source, asked):
        return self.runner.run(asked)


def test_each_loop_has_connections_of_its_own(source):
    """A source is used by one event loop after another, and leaves no connection open."""
    asyncio.run(source.run([("SET", "loop", "x")]))

    assert asyncio.run(source.run([("GET", "loop")])) == [b"x"]


def test_entity_and_marker_are_in_one_slot(cluster, source):
    """A marker is where what it is about is; keys look as they do in any Redis."""
    things = ThingRepository(source, DictFallbackDataSource(), 60)
    asyncio.run(things.add(*(Thing(f"k{number}", number) for number in range(30))))

    assert all(slot_of(marker_of(f"thing:k{number}")) == slot_of(f"thing:k{number}") for number in range(30))
    assert {key.decode() for client in cluster.clients for key in client.keys("thing:*")} == {f"thing:k{number}" for number in range(30)}


def test_many_cost_one_round_trip_of_each_node(source, monkeypatch):
    """A hundred entities are written, and read in order, by one round trip to each node."""
    asked = []
    ask = ClusterNode.execute_pipeline

    async def count(node, commands):
        asked.append(node.name)
        return await ask(node, commands)

    async def live():
        things = ThingRepository(source, DictFallbackDataSource(), 60)
        await source.ping()
        monkeypatch.setattr(ClusterNode, "execute_pipeline", count)
        await things.add(*(Thing(f"k{number}", number) for number in range(100)))
        written = sorted(asked)
        asked.clear()
        things.fallback_data_source.db.clear()
        found = await things.query(many=[f"k{number}" for number in range(99, -1, -1)]).entities
        return written, sorted(asked), [thing.value for thing in found]

    written, read, found = asyncio.run(live())

    assert len(written) == len(set(written)) == 3
    assert read == written
    assert found == list(range(99, -1, -1))


def test_more_callers_than_connections_wait(cluster):
    """Callers wait for one of a bounded number of connections: that is no failure of a node."""
    source = ClusterMemoryDataSource.from_urls(cluster.urls[0], max_connections=3)

    async def ask():
        return await asyncio.gather(*(source.run([("EXISTS", f"none:{number}"), ("EXISTS", "none")]) for number in range(60)))

    assert asyncio.run(ask()) == [[0, 0]] * 60


def test_slot_that_moves_is_followed(cluster, source):
    """While a slot moves to another node, and after it has, every answer is right, and nothing is written twice."""
    tag = next(tag for tag in (f"{{moving{number}}}" for number in range(50)) if cluster.owner(tag) == 1)
    slot, away, target = slot_of(tag), cluster.clients[1], cluster.clients[2]
    away_name, target_name = (client.execute_command("CLUSTER MYID") for client in (away, target))
    keys = [f"{tag}:{number}" for number in range(4)]
    marker = f"{tag}:marker"

    async def live():
        await source.run([("SET", key, "old") for key in keys])
        target.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", away_name)
        away.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", target_name)
        port = target.connection_pool.connection_kwargs["port"]
        away.execute_command("MIGRATE", "127.0.0.1", port, "", 0, 2000, "KEYS", *keys[:2])
        during = await source.run([*(("GET", key) for key in keys), ("SET", keys[0], "new"), ("HSET", marker, "a", "1"), ("GET", keys[0])])
        away.execute_command("MIGRATE", "127.0.0.1", port, "", 0, 2000, "KEYS", *keys[2:])
        atomic = await source.run([("SET", keys[1], "newer"), ("GET", keys[1])], atomic=True)
        for client in (target, away, *cluster.clients[:3]):
            client.execute_command("CLUSTER SETSLOT", slot, "NODE", target_name)
        return during, atomic, await source.run([("MGET", *keys), ("DEL", *keys, marker)])

    during, atomic, after = asyncio.run(live())

    assert during == [b"old"] * 4 + [b"OK", 1, b"new"]
    assert atomic == [b"OK", b"newer"]
    assert after == [[b"new", b"newer", b"old", b"old"], 5]


def test_node_that_hangs_holds_up_its_own_keys_only(cluster, source):
    """A node is silent: other keys are answered, its own keep to the deadline, and what was given up on is no one else's answer."""
    mine, others = cluster.keys_of(2), cluster.keys_of(1)
    pid = cluster.pid(2)

    async def live():
        await source.run([("SET", key, key) for key in (*mine, *others)])
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(source.run([("GET", key) for key in (*mine, *others)]), 0.2)
            answered = await source.run([("GET", key) for key in others])
        finally:
            os.kill(pid, signal.SIGCONT)
        return answered, await source.run([("GET", key) for key in mine[::-1]])

    answered, after = asyncio.run(live())

    assert answered == [key.encode() for key in others]
    assert after == [key.encode() for key in mine[::-1]]


def test_silence_is_told_as_such(cluster):
    """An answer that does not come in time is an error of its own."""
    source = ClusterMemoryDataSource.from_urls(*cluster.urls, socket_timeout=1)
    pid = cluster.pid(2)

    async def live():
        await source.ping()
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(StoreTimedOut):
                await source.run([("GET", cluster.keys_of(2)[0])])
        finally:
            os.kill(pid, signal.SIGCONT)

    asyncio.run(live())


def test_node_that_dies_takes_its_own_keys_only(cluster, source):
    """A node without a replica is killed: its keys are unavailable, the others are not; it is asked again once it is back."""
    mine, others = cluster.keys_of(1), cluster.keys_of(2)

    async def live():
        await source.run([("SET", key, "x") for key in (*mine, *others)])
        await asyncio.to_thread(processes.kill, cluster.node_folder(1))
        for asked in (source.run([("GET", mine[0])]), source.run([("SET", mine[0], "y"), ("SET", others[0], "y")]), source.ping()):
            with pytest.raises(StoreUnavailable, match="a node") as caught:
                await asked
            assert caught.value.answered  # one node is not the memory
        answered = await source.run([("GET", key) for key in others])
        await asyncio.to_thread(processes.start_again, cluster.node_folder(1))
        await until_answers(source, mine[0])
        return answered

    assert asyncio.run(live()) == [b"y", b"x", b"x"]


def test_replica_takes_the_place_of_a_primary(cluster, source):
    """A primary dies: every answer of a service is right meanwhile, and its replica is asked within seconds, and tells of changes."""
    key = cluster.keys_of(0)[0]
    id = key.partition(":")[2]
    service = Service(ThingRepository(source, DictFallbackDataSource(), 60), breaker=Breaker(3, 0.2, 0.5), memory_deadline_s=0.5)

    async def live():
        await service.add(Thing(id, 1))
        lost = await listen(source)
        await asyncio.to_thread(processes.kill, cluster.node_folder(0))
        began, value = time.monotonic(), 1
        while True:
            assert time.monotonic() < began + BACK_WITHIN_S
            value += 1
            await service.add(Thing(id, value))
            assert (await service.get_one(id)).value == value
            try:
                if value > 3 and await source.run([("EXISTS", key)]) == [1]:
                    break
            except StoreUnavailable:
                await asyncio.sleep(0.05)
        print(f"answers again after {time.monotonic() - began:.1f} s")
        await lost
        await until_told(source, key, lambda: service.add(Thing(id, value + 1)))

    asyncio.run(live())

    assert cluster.clients[3].info("replication")["role"] == "master"


def test_primary_that_joins_is_noticed(cluster, source):
    """Nobody listens to a primary that is new: what is changed there would not be told, so the line is lost before it can be."""

    async def live(port):
        lost = await listen(source)
        while not lost.done():
            cluster.clients[2].execute_command("CLUSTER MEET", "127.0.0.1", port)  # which it may give up on a busy machine
            await asyncio.wait([lost], timeout=1)
        await lost

    with processes.server_folder() as folder:
        port = find_port()
        processes.start_redis(folder / "new", os.getpid(), settings={"cluster-enabled": "yes", "port": str(port)})
        asyncio.run(live(port))


async def listen(source):
    """Listen to changes as soon as the nodes agree about their primaries, and return a task that ends when changes are not told any more"""
    began = asyncio.Event()

    async def until_lost():
        async with asyncio.timeout(LONG_S):
            while not began.is_set():
                try:
                    async with aclosing(source.invalidations(["thing:"])) as events:
                        async for _ in events:
                            began.set()
                except StoreUnavailable:
                    await asyncio.sleep(0.05)
                else:
                    raise AssertionError("the line ended, and nobody said so")

    task = asyncio.create_task(until_lost())
    await asyncio.wait([task, asyncio.create_task(began.wait())], return_when=asyncio.FIRST_COMPLETED)
    return task


async def until_told(source, key, change):
    """Make a change, and wait until it is told, by a line that is made anew while the nodes disagree about their primaries"""
    async with asyncio.timeout(LONG_S):
        while True:
            try:
                async with aclosing(source.invalidations(["thing:"])) as events:
                    assert isinstance(await anext(events), Confirmed)
                    await change()
                    async for event in events:
                        if isinstance(event, Changed) and key in (event.keys or ()):
                            return
            except StoreUnavailable:
                await asyncio.sleep(0.05)


def test_cluster_without_slots_is_asked_again():
    """A cluster that has no slots, yet or any more, is unavailable, and does not make its nodes forgotten."""

    async def live(source):
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="CLUSTERDOWN"):
                await source.run([("GET", "x")])
            await asyncio.sleep(LOOK_EVERY_S)

    with processes.server_folder() as folder:
        url = processes.start_redis(folder / "node", os.getpid(), settings={"cluster-enabled": "yes", "port": str(find_port())})
        asyncio.run(live(ClusterMemoryDataSource.from_urls(url)))


async def until_answers(source, key):
    """Wait until the node of a key answers"""
    began = time.monotonic()
    while True:
        try:
            return await source.run([("GET", key)])
        except StoreUnavailable:
            assert time.monotonic() < began + BACK_WITHIN_S
            await asyncio.sleep(0.05)


def test_redis_that_is_no_cluster_is_told(redis_url):
    """A Redis by itself, and one that nobody listens for, are told, without a password."""
    with pytest.raises(ConfigurationError, match="is no cluster"):
        asyncio.run(ClusterMemoryDataSource.from_urls(redis_url).run([("GET", "x")]))
    away = ClusterMemoryDataSource.from_urls("redis://me:hunter2@127.0.0.1:1")
    with pytest.raises(StoreUnavailable, match="cannot be reached") as caught:
        asyncio.run(away.run([("GET", "x")]))

    assert "hunter2" not in f"{caught.value!r} {caught.value} {away!r}"
    assert not caught.value.answered


def test_mistakes_are_told():
    """Nodes, URLs, options and commands that no cluster can have are told before anything is opened."""
    for urls in ((), ("http://a.example.org",), ("redis://a.example.org/3",), ("unix:///run/redis",)):
        with pytest.raises(ConfigurationError):
            ClusterMemoryDataSource.from_urls(*urls)
    with pytest.raises(ConfigurationError, match="more than host and port"):
        ClusterMemoryDataSource.from_urls("redis://:x@a.example.org", "redis://:y@b.example.org")
    with pytest.raises(ConfigurationError, match="options"):
        ClusterMemoryDataSource([("a.example.org", 6379)], colour="red")
    with pytest.raises(ConfigurationError, match="'FLUSHALL' has no key"):
        asyncio.run(ClusterMemoryDataSource([("a.example.org", 6379)]).run([("FLUSHALL",)]))
