"""The nodes of a Redis Cluster, as one event loop knows them: each share of a call is run where its slot is, all nodes at once.

Which node has which slot is what redis-py's ``RedisCluster`` finds out; it is asked again when a node is silent, or sends us elsewhere.
Its own pipelines are not used: they have one transaction for one slot, and run everything again when a single node is away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from redis import exceptions
from redis.asyncio.cluster import ClusterNode, PipelineCommand, RedisCluster

from qapla.driver.repositories.source import Command

LOOK_EVERY_S = 0.25  # at most: looking has redis-py open all connections anew
PAUSE_S = 0.05  # before a slot that is being moved is asked again

# What may be tried again, and how often a share is tried at most. Nothing that ran: what is silent may have done it.
TRIES: tuple[tuple[type[Exception], int], ...] = (
    (exceptions.AskError, 6),  # and MovedError
    (exceptions.TryAgainError, 6),
    (exceptions.ClusterDownError, 2),
    (exceptions.AuthenticationError, 1),
    (exceptions.BusyLoadingError, 1),
    (exceptions.ConnectionError, 2),
    (exceptions.NoScriptError, 2),
)
SUSPICIOUS = (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.AskError, exceptions.ClusterDownError)  # who has which slot?


class NodeAway(Exception):
    """A node is not there, while others are. It is found out at once."""


@dataclass(slots=True, eq=False)
class Share:
    """Commands whose keys are in one slot.

    Attributes:
        slot: the slot.
        commands: run in this order, atomically when there are several.
        otherwise: a command to run in place of a script that the node does not know.
        replies: one for each command, once it ran.
        error: why it did not.
    """

    slot: int
    commands: Sequence[Command]
    otherwise: Command | None = None
    replies: list[Any] = field(default_factory=list)
    error: Exception | None = None
    _tries: int = 0
    _place: tuple[str, int] | None = None
    _is_asking: bool = False

    def sent(self) -> list[Command]:
        """Return what goes to the node."""
        commands = list(self.commands) if len(self.commands) == 1 else [("MULTI",), *self.commands, ("EXEC",)]
        return [("ASKING",), *commands] if self._is_asking else commands

    def take(self, answers: Sequence[Any]) -> None:
        """Read what came back, one answer for each command sent."""
        error = next((answer for answer in answers if isinstance(answer, Exception)), None)
        if error is None:
            self.replies = answers[-1] if len(self.commands) > 1 else [answers[-1]]
            error = next((reply for reply in self.replies if isinstance(reply, Exception)), None) if len(self.commands) > 1 else None
        self.fail(error)

    def fail(self, error: Exception | None) -> None:
        """Keep why it did not run; None: it did."""
        self._tries += 1
        self.error = error
        self._is_asking = isinstance(error, exceptions.AskError) and not isinstance(error, exceptions.MovedError)
        self._place = (error.host, error.port) if isinstance(error, exceptions.AskError) else None
        if isinstance(error, exceptions.NoScriptError) and self.otherwise is not None:
            self.commands = [self.otherwise]

    def is_again(self) -> bool:
        """Tell whether it should be tried once more."""
        limit = next((limit for kind, limit in TRIES if isinstance(self.error, kind)), 1)
        return self.error is not None and self._tries < limit

    def find_place(self) -> tuple[str, int] | None:
        """Return where a node has sent us, if one did and said it in full."""
        return self._place if self._place is not None and self._place[0] else None


class Nodes:
    """The nodes of a cluster.

    Args:
        make: makes a client that knows some nodes, for this only.
    """

    def __init__(self, make: Callable[[], RedisCluster]) -> None:
        self._make = make
        self._begin()
        self._looking = asyncio.Lock()
        self._looked_at = -inf
        self._is_suspect = True

    async def run(self, shares: Sequence[Share]) -> None:
        """Run *shares*, those of a node in one round trip, and follow what moves.

        Raises:
            NodeAway: that of a share is not there.
            RedisError: that of the first share that did not run; all others have been tried.
        """
        pending = list(shares)
        while pending:
            await self._look()
            await self._run_once(pending)
            pending = [share for share in pending if share.is_again()]
            if any(place is not None and self._manager.get_node(*place) is None for place in (share.find_place() for share in pending)):
                self._looked_at = -inf  # somebody new
            if any(isinstance(share.error, exceptions.TryAgainError | exceptions.ClusterDownError) for share in pending):
                await asyncio.sleep(PAUSE_S)
        _tell(shares)

    async def ping(self) -> None:
        """Ask every primary for a sign of life."""
        await self._look()
        asked = {nodes[0]: Share(0, [("PING",)]) for nodes in self._manager.slots_cache.values()}
        for _ in range(2):  # a connection may be one to a server that was started again since
            again = [(node, share) for node, share in asked.items() if share.is_again() or not share.replies]
            await asyncio.gather(*(self._ask(node, [share]) for node, share in again))
        _tell(list(asked.values()))

    async def places(self) -> list[tuple[str, int]]:
        """Return host and port of all nodes that are known."""
        await self._look()
        return [(node.host, int(node.port)) for node in self._manager.nodes_cache.values()]

    async def aclose(self) -> None:
        """Close all connections."""
        for kept in ("nodes_cache", "startup_nodes"):
            await self._manager.aclose(kept)
        for node in self._first:
            await node.disconnect()

    def _begin(self) -> None:
        client = self._make()
        self._first = list(client.startup_nodes)  # which redis-py forgets once it has heard of others
        self._manager: Any = client.nodes_manager

    async def _run_once(self, shares: Sequence[Share]) -> None:
        there: dict[ClusterNode, list[Share]] = {}
        for share in shares:
            node = self._find(share)
            if node is None:
                share.fail(exceptions.ClusterDownError(f"CLUSTERDOWN slot {share.slot} has no node"))
                self._is_suspect = True
            else:
                there.setdefault(node, []).append(share)
        if len(there) == 1:
            await self._ask(*there.popitem())
        else:
            await asyncio.gather(*(self._ask(node, some) for node, some in there.items()))

    def _find(self, share: Share) -> ClusterNode | None:
        place = share.find_place()
        told = None if place is None else self._manager.get_node(host=place[0], port=place[1])
        if told is not None:
            node: ClusterNode = told
            return node
        nodes = self._manager.slots_cache.get(share.slot)
        return nodes[0] if nodes else None

    async def _ask(self, node: ClusterNode, shares: Sequence[Share]) -> None:
        sent = [share.sent() for share in shares]
        commands = [PipelineCommand(0, *command) for one in sent for command in one]
        try:
            await node.execute_pipeline(commands)
        except exceptions.RedisError as error:
            self._is_suspect = True
            for share in shares:
                share.fail(error)
            return
        except BaseException:  # cancelled, by a deadline perhaps: somebody else may have its slots by now
            self._is_suspect = True
            raise
        at = 0
        for share, one in zip(shares, sent, strict=True):
            share.take([command.result for command in commands[at : at + len(one)]])
            at += len(one)
            self._is_suspect = self._is_suspect or isinstance(share.error, SUSPICIOUS)

    async def _look(self) -> None:
        """Find out who has which slot, where that may have changed.

        Raises:
            RedisClusterException: no node says it.
        """
        async with self._looking:
            is_known = bool(self._manager.slots_cache)
            if is_known and (not self._is_suspect or time.monotonic() < self._looked_at + LOOK_EVERY_S):
                return
            self._looked_at = time.monotonic()
            try:
                await self._manager.initialize()
            except (exceptions.RedisClusterException, IndexError):  # nobody who is known by now; those we were given may have new addresses
                await self._look_anew()
            self._is_suspect = False

    async def _look_anew(self) -> None:
        await self.aclose()
        self._begin()
        try:
            await self._manager.initialize()
        except IndexError:  # redis-py looks for the first primary
            raise exceptions.ClusterDownError("CLUSTERDOWN no node has a slot") from None


def _tell(shares: Sequence[Share]) -> None:
    """Raise the first error of *shares*."""
    for share in shares:
        if share.error is not None:
            if isinstance(share.error.__cause__ or share.error.__context__, ConnectionRefusedError):  # others told us who has which slot
                raise NodeAway from share.error
            raise share.error
