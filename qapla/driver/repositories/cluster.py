"""A Redis Cluster as a memory source: each key is at the node that has its slot.

Commands of one call go to all their nodes at once, one round trip each. Redis has no transactions over several slots: what has to be atomic
is, for each slot; an entity and its marker are in one (``keys.py``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import aclosing, asynccontextmanager
from hashlib import sha1
from typing import Any

from redis import exceptions
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import SSLConnection, parse_url
from redis.crc import key_slot

from qapla.driver.repositories import primaries
from qapla.driver.repositories.invalidations import Invalidations
from qapla.driver.repositories.nodes import NodeAway, Nodes, Share
from qapla.driver.repositories.redis import IF_ABSENT, RedisMemoryDataSource
from qapla.driver.repositories.source import Batch, Command
from qapla.errors import ConfigurationError, StoreUnavailable
from qapla.loops import PerLoop

IF_ABSENT_SHA = sha1(IF_ABSENT.encode(), usedforsecurity=False).hexdigest()
SUMMED = ("DEL", "EXISTS")  # commands with many keys that answer with a number
HINT = "redis://user:password@host:port for each of some nodes, and options that redis.asyncio.RedisCluster knows"


class ClusterMemoryDataSource(RedisMemoryDataSource):
    """Keep values in a Redis Cluster. What moves to another node is followed; replicas are not read.

    Args:
        nodes: host and port of some nodes; they know of the others.
        options: keywords of ``redis.asyncio.RedisCluster``, which win over ours: ``username``, ``password``, ``ssl``, … At most
            50 connections to each node (``max_connections``).

    Raises:
        ConfigurationError: there are no nodes, or an option is unknown. No connection is opened to find out.
    """

    name = "cluster"
    keeps_writes = False  # several servers

    def __init__(self, nodes: Sequence[tuple[str, int]], **options: Any) -> None:
        if not nodes or not all(isinstance(one, tuple | list) and len(one) == 2 for one in nodes):
            raise ConfigurationError("a Redis Cluster is found by some of its nodes", hint="[('redis1.example.org', 6379), …]")
        self._nodes = [(str(host), int(port)) for host, port in nodes]
        self._begin(", ".join(f"{host}:{port}" for host, port in self._nodes), options)
        # Nodes are in the place of the client that one Redis has.
        self._clients: PerLoop[Nodes] = PerLoop(self._open_nodes, self._close_nodes)  # type: ignore[assignment]
        try:
            self._make_client()
        except (TypeError, ValueError, exceptions.RedisClusterException):
            raise ConfigurationError(f"no client of a Redis Cluster can be made of {self.place!r}", hint=HINT) from None

    @classmethod
    def from_urls(cls, *urls: str, **options: Any) -> ClusterMemoryDataSource:
        """Make one of the URLs of some nodes, ``redis://user:password@host:port``, which differ in host and port only.

        Raises:
            ConfigurationError: a URL is none, has a database or a socket, which clusters do not have, or there are two passwords.
        """
        try:
            parsed: list[dict[str, Any]] = [dict(parse_url(url)) for url in urls]
        except ValueError:
            raise ConfigurationError("a URL of a node of a Redis Cluster is none", hint=HINT) from None
        nodes = [(one.pop("host", "localhost"), one.pop("port", 6379)) for one in parsed]
        for one in parsed:
            if one.pop("db", 0) or "path" in one:
                raise ConfigurationError("a Redis Cluster has no databases, and no sockets", hint=HINT)
            if one.pop("connection_class", None) is SSLConnection:
                one["ssl"] = True
            if one != parsed[0]:
                raise ConfigurationError("URLs of the nodes of one Redis Cluster differ in more than host and port", hint=HINT)
        return cls(nodes, **{**(parsed[0] if parsed else {}), **options})

    async def run(self, commands: Sequence[Command], *, atomic: bool = False) -> list[Any]:
        """Run *commands*, those of a node in one round trip, all nodes at once; atomically for each slot."""
        parts = [part for index, command in enumerate(commands) for part in _split(index, command)]
        groups: dict[Any, list[_Part]] = {}
        for number, part in enumerate(parts):
            groups.setdefault(part.slot if atomic else number, []).append(part)
        shares = [Share(group[0].slot, [part.command for part in group]) for group in groups.values()]
        async with self._gates.get(), self._translated(commands):
            await self._clients.get().run(shares)
        replies: list[Any] = [None] * len(commands)
        for group, share in zip(groups.values(), shares, strict=True):
            for part, reply in zip(group, share.replies, strict=True):
                replies[part.index] = part.join(commands[part.index], replies[part.index], reply)
        return replies

    async def run_if_absent(self, batches: Sequence[Batch]) -> list[bool]:
        """Run each batch by a script, at the node of its keys, which are in one slot."""
        shares = []
        for keys, commands in batches:
            given = (len(keys), *keys, *(part for command in commands for part in (command[0], len(command) - 2, *command[2:])))
            shares.append(Share(slot_of(keys[0]), [("EVALSHA", IF_ABSENT_SHA, *given)], otherwise=("EVAL", IF_ABSENT, *given)))
        async with self._gates.get(), self._translated(batches[0][1]):
            await self._clients.get().run(shares)
        return [bool(share.replies[0]) for share in shares]

    @property
    def line(self) -> Hashable | None:
        """Return what is the same for sources of the same nodes and options."""
        return self._hashable(*sorted(self._nodes))

    async def invalidations(self, prefixes: Sequence[str]) -> Invalidations:
        """Tell which keys anybody changes, on a connection to each primary; the line is lost when there are others (``primaries.py``)."""
        async with self._translated([("CLIENT", "TRACKING")]):
            known = await self._clients.get().places()
            async with aclosing(primaries.listen(self._make_client(), known, prefixes)) as events:
                async for event in events:
                    yield event

    async def ping(self) -> None:
        """Ask every primary for a sign of life.

        Raises:
            StoreUnavailable: one gives none.
        """
        async with self._gates.get(), self._translated([("PING",)]):
            await self._clients.get().ping()

    def _make_client(self) -> RedisCluster:
        options = {**self._options, "max_connections": int(self._options["max_connections"]) + 1}  # one more, to look who has which slot
        nodes = [ClusterNode(host, port) for host, port in self._nodes]
        client = RedisCluster(startup_nodes=nodes, require_full_coverage=False, **options)
        client.response_callbacks.clear()  # replies as they are, as all sources have them
        return client

    def _open_nodes(self) -> Nodes:
        return Nodes(self._make_client)

    async def _close_nodes(self, nodes: Nodes) -> None:
        await nodes.aclose()

    @asynccontextmanager
    async def _translated(self, commands: Sequence[Command]) -> AsyncIterator[None]:
        async with super()._translated(commands):
            try:
                yield
            except NodeAway as error:  # no reason to ask no other node: there was an answer
                raise StoreUnavailable(f"a node of the Redis Cluster at {self.place!r} cannot be reached", answered=True) from error
            except exceptions.RedisClusterException as error:
                why = error.__cause__ or error
                if isinstance(why, exceptions.RedisClusterException):
                    refusal = why.__context__
                    if isinstance(refusal, exceptions.NoPermissionError):
                        raise refusal from None
                    hint = "RedisMemoryDataSource is for a single one"
                    raise ConfigurationError(f"Redis at {self.place!r} is no cluster", hint=hint) from None
                if isinstance(why, exceptions.RedisError | OSError):
                    raise why from None
                raise StoreUnavailable(f"Redis at {self.place!r} cannot be reached") from error


class _Part:
    """A command, or what of its keys is in one slot."""

    __slots__ = ("command", "index", "positions", "slot")

    def __init__(self, slot: int, index: int, command: Command, positions: Sequence[int] = ()) -> None:
        self.slot, self.index, self.command, self.positions = slot, index, command, positions

    def join(self, whole: Command, before: Any, reply: Any) -> Any:
        """Return the reply to the whole command, as far as it is known."""
        if not self.positions:
            return reply
        if whole[0] in SUMMED:
            return (before or 0) + reply
        values = before or [None] * (len(whole) - 1)
        for position, value in zip(self.positions, reply, strict=True):
            values[position] = value
        return values


def slot_of(key: str) -> int:
    """Return the slot of *key*; that of a marker is the slot of what it is about."""
    return key_slot(key.encode())


def _split(index: int, command: Command) -> list[_Part]:
    if len(command) < 2:
        raise ConfigurationError(f"command {command[0]!r} has no key: no node of a Redis Cluster is the one to run it")
    if command[0] not in (*SUMMED, "MGET"):
        return [_Part(slot_of(command[1]), index, command)]
    positions: dict[int, list[int]] = {}
    for position, key in enumerate(command[1:]):
        positions.setdefault(slot_of(key), []).append(position)
    if len(positions) == 1:
        return [_Part(next(iter(positions)), index, command)]
    return [_Part(slot, index, (command[0], *(command[at + 1] for at in some)), some) for slot, some in positions.items()]
