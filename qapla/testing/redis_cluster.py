"""Start a real Redis Cluster: nodes that have found each other, and slots that are theirs, all on this machine."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from qapla.testing.processes import START_TIMEOUT_S, ServerFailed, start_redis

if TYPE_CHECKING:
    from redis import Redis

SLOTS = 16384
MEET_EVERY_S = 2.0
PORTS = 11_000, 20_999
BUS = 10_000  # nodes talk to each other at a port so far above their own


def start_redis_cluster(folder: Path, owner: int, *, primaries: int = 3, replicas: int = 1, timeout_ms: int = 1500) -> list[str]:
    """Start a Redis Cluster and return the URLs of its nodes, primaries first. Their folders are *folder* with ``-0``, ``-1``, … behind it.

    Args:
        replicas: one each of the first primaries.
        timeout_ms: for how long a node is silent before the others count it as gone. While one is gone the others answer.
    """
    from redis import Redis

    common = {"cluster-enabled": "yes", "cluster-node-timeout": str(timeout_ms), "cluster-require-full-coverage": "no"}
    common |= {"cluster-allow-replica-migration": "no", "repl-diskless-sync-delay": "0"}
    ports = [find_port() for _ in range(primaries + replicas)]
    settings = [{**common, "port": str(port)} for port in ports]
    folders = [folder.with_name(f"{folder.name}-{at}") for at in range(len(ports))]
    with ThreadPoolExecutor(len(ports)) as pool:
        urls = list(pool.map(lambda one, said: start_redis(one, owner, settings=said), folders, settings))
    clients = [Redis(port=port) for port in ports]
    try:
        for at, client in enumerate(clients):
            client.execute_command("CLUSTER SET-CONFIG-EPOCH", at + 1)
            if at < primaries:
                client.execute_command("CLUSTER ADDSLOTS", *range(SLOTS * at // primaries, SLOTS * (at + 1) // primaries))
        _introduce(clients, ports[0])
        names = [client.execute_command("CLUSTER MYID").decode() for client in clients]
        for name, client in zip(names, clients[primaries:], strict=False):
            client.execute_command("CLUSTER REPLICATE", name)
        _wait_until(lambda: all(client.cluster("INFO")["cluster_state"] == "ok" for client in clients))
        _wait_until(lambda: all(client.info("replication")["master_link_status"] == "up" for client in clients[primaries:]))
        _wait_until(lambda: all(client.execute_command("CLUSTER REPLICAS", name) for name in names[:replicas] for client in clients))
    finally:
        for client in clients:
            client.close()
    return urls


def _introduce(clients: Sequence[Redis], port: int) -> None:
    """Have all nodes meet the one at *port*, and wait until each knows the others. On a busy machine a node gives up on who is slow."""
    next_try = 0.0

    def know_each_other() -> bool:
        nonlocal next_try
        if time.monotonic() > next_try:
            next_try = time.monotonic() + MEET_EVERY_S
            for client in clients:
                client.execute_command("CLUSTER MEET", "127.0.0.1", port)
        known = [[node for node in client.cluster("NODES").values() if "handshake" not in node["flags"]] for client in clients]
        return all(len(nodes) == len(clients) for nodes in known)

    _wait_until(know_each_other)


def find_port() -> int:
    """Return a port that nobody listens on, nor on the one of the bus; below those that connections begin at, so that none takes it."""
    while True:
        port = random.randrange(*PORTS)
        with suppress(OSError), socket.socket() as probe, socket.socket() as bus:
            probe.bind(("127.0.0.1", port))
            bus.bind(("127.0.0.1", port + BUS))
            return port


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not is_so():
        if time.monotonic() > deadline:
            raise ServerFailed("the nodes of a Redis Cluster do not find each other")
        time.sleep(0.02)
