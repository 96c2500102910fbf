"""Which keys of a Redis Cluster anybody changes: a line to each primary (``line.py``), and an eye on who the primaries are.

A primary tells of its own keys only. Before a slot moves to a node, or a replica is promoted, the nodes know of another primary; so what
is confirmed is what was changed before all of them were seen to know of nobody but those who are listened to.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence, Set
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

from redis import exceptions
from redis.asyncio.cluster import ClusterNode, RedisCluster

from qapla.driver.repositories import line
from qapla.driver.repositories.invalidations import Confirmed, Invalidations, merge

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

Place = tuple[str, int]
LOOK_EVERY_S = 1.0


async def listen(client: RedisCluster, known: Sequence[Place], prefixes: Sequence[str]) -> Invalidations:
    """Tell which keys that begin with one of *prefixes* are changed, until a line is lost or there is another primary.

    Args:
        client: a client that nobody else uses; who makes it need not close it.
        known: places of nodes that may know the primaries.
        prefixes: of keys.

    Raises:
        redis.exceptions.RedisError, OSError: a primary cannot be listened to any more.
    """
    options: dict[str, Any] = client.get_connection_kwargs()
    asked = [ClusterNode(*place, **options) for place in known]
    primaries: list[ClusterNode] = []
    connections: list[AbstractConnection] = []
    try:
        places = await _find_primaries(asked)
        primaries = [ClusterNode(*client.nodes_manager.remap_host_port(*place), **options) for place in places.values()]
        lines = [line.listen(partial(_connect, primary, connections), prefixes) for primary in primaries]
        async with aclosing(merge([*lines, _watch(primaries, places.keys())])) as events:
            async for event in events:
                yield event
    finally:
        for connection in connections:
            await connection.disconnect(nowait=True)
        for node in (*asked, *primaries, *client.startup_nodes):
            await node.disconnect()


async def _watch(primaries: Sequence[ClusterNode], names: Set[str]) -> Invalidations:
    """Confirm that no node knows of any other primary, as long as that is so."""
    while True:
        began = time.monotonic()
        async with asyncio.timeout(line.SILENT_S):
            views = await asyncio.gather(*(_see(node) for node in primaries))
        if any(view.keys() != names for view in views):
            raise exceptions.ConnectionError("the primaries of a Redis Cluster are others now")
        yield Confirmed(began)
        await asyncio.sleep(LOOK_EVERY_S)


async def _find_primaries(nodes: Sequence[ClusterNode]) -> dict[str, Place]:
    error: Exception = exceptions.ConnectionError("no node is known")
    for node in nodes:
        try:
            async with asyncio.timeout(line.SILENT_S):
                return await _see(node)
        except (exceptions.RedisError, OSError) as told:  # also what is too late
            error = told
    raise error


async def _see(node: ClusterNode) -> dict[str, Place]:
    """Return the places, by name, of the primaries that *node* knows; not of those that are gone and have no slots."""
    primaries = {}
    for one in (await node.execute_command("CLUSTER", "NODES")).decode().splitlines():
        name, address, flags, _, _, _, _, _, *slots = one.split(" ")
        said = flags.split(",")
        if "master" in said and (slots or not {"fail", "noaddr", "handshake"}.intersection(said)):
            place, *hosts = address.split(",")
            host, _, port = place.partition("@")[0].rpartition(":")
            primaries[name] = ((hosts[0] if hosts else "") or host or node.host, int(port))
    return primaries


async def _connect(node: ClusterNode, connections: list[Any]) -> AbstractConnection:
    connection = node.connection_class(**{**node.connection_kwargs, **line.OPTIONS})
    connections.append(connection)
    await connection.connect()
    return connection
