"""Repositories while something is broken, on real servers: what callers see, and when everything is as before.

    python benchmarks/repository_faults.py [--seconds 1.5] [--callers 8] [FAULT …]

Callers read and write all the time, each its own keys, and know what must come back; a write that failed may have arrived or not. Of each
fault is printed how many calls there were, how many failed in which way, how long they took, and how many seconds after its end everything
was normal. A wrong answer (an old value, a lost write, "there is none" of what is there), a call that takes longer than its deadline and a
second, or ten seconds without being normal are defects: the exit status is 1.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from morfdict import Paths
from redis import Redis
from sqlalchemy import create_engine, make_url, text

from qapla.database import Database
from qapla.database.breaker import Breaker
from qapla.driver import (
    EntityNotFound,
    HashRepository,
    RedisMemoryDataSource,
    Service,
    SQLFallbackDataSource,
    StoreTimedOut,
    StoreUnavailable,
)
from qapla.settings import Settings
from qapla.testing import processes
from qapla.testing.line import Line
from qapla.testing.servers import make_database, outside_pytest

DEADLINE_S, MEMORY_DEADLINE_S = 1.0, 0.25
LIVES_S = 2.0
BACK_WITHIN_S = 10.0
KEYS_EACH = 5


@dataclass
class Thing:
    id: str
    value: int


class ThingRepository(HashRepository[Thing, str]):
    pass


@dataclass
class Known:
    """What may come back of each key: several values while nobody can know.

    Attributes:
        now: values that may be true; None: there is no such thing.
        ever: all that once were.
        is_rewound: whether older values may come back for a while: a memory that was restored, until its entries end.
        epoch: changes when the store loses what it had.
    """

    now: dict[str, set[int | None]] = field(default_factory=dict)
    ever: dict[str, set[int | None]] = field(default_factory=dict)
    is_rewound: bool = False
    epoch: int = 0

    def became(self, key: str, value: int | None, epoch: int) -> None:
        """Note a change that has returned."""
        self.ever.setdefault(key, {None}).add(value)
        self.now[key] = {value} if epoch == self.epoch else set(self.ever[key])

    def may_become(self, key: str, value: int | None) -> None:
        """Note a change that has failed."""
        self.ever.setdefault(key, {None}).add(value)
        self.now.setdefault(key, {None}).add(value)

    def lose(self) -> None:
        """Note that the store is an older one from now on."""
        self.epoch += 1
        self.now = {key: set(values) for key, values in self.ever.items()}

    def allows(self, key: str, value: int | None) -> bool:
        """Tell whether *value* may be."""
        return value in self.now.get(key, {None}) or (self.is_rewound and value in self.ever.get(key, {None}))


@dataclass
class Report:
    """One line of the table."""

    fault: str
    times_s: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    normal_after_s: float = float("nan")

    @property
    def is_well(self) -> bool:
        """Tell whether what is promised was kept."""
        return not self.wrong and self.normal_after_s < BACK_WITHIN_S and max(self.times_s) < DEADLINE_S + 1

    def __str__(self) -> str:
        times = sorted(self.times_s)
        p50, p99 = (times[min(len(times) - 1, int(len(times) * part))] * 1000 for part in (0.5, 0.99))
        failed = ", ".join(f"{count} {kind}" for kind, count in sorted(self.failed.items())) or "none"
        verdict = "ok" if self.is_well else f"DEFECT {'; '.join(self.wrong[:3])}"
        slowest = times[-1] * 1000
        return f"{self.fault:26} {len(times):6} {p50:7.1f} {p99:7.0f} {slowest:8.0f} {self.normal_after_s:8.2f}  {failed:42} {verdict}"


HEADER = f"{'fault':26} {'calls':>6} {'p50 ms':>7} {'p99 ms':>7} {'slowest':>8} {'normal s':>8}  failed"


class Stand:
    """Servers, a service on them, and callers."""

    def __init__(self, fault: str, redis_url: str, store_url: str, callers: int = 8) -> None:
        self.report = Report(fault)
        self.known = Known()
        self.redis_url = redis_url
        self.database = Database("main")
        self.database.configure(Settings({"db": {"main": {"url": store_url, "options": {"pool_size": 10}}}}), Paths())
        self.store = SQLFallbackDataSource(self.database, timeout_s=DEADLINE_S)
        repository = ThingRepository(RedisMemoryDataSource(redis_url), self.store, LIVES_S, deadline_s=DEADLINE_S)
        self.service = Service(repository, breaker=Breaker(3, 0.25, 2.0), memory_deadline_s=MEMORY_DEADLINE_S)
        self.longest_haste_s: float | None = None  # callers give up at any moment before
        self._callers = callers
        self._is_over = asyncio.Event()
        self._value = 0

    async def run(self, seconds: float, begin: Callable[[], Any], end: Callable[[], Any]) -> Report:
        """Have callers ask before, during and after a fault; *begin* and *end* run in a thread."""
        with Redis.from_url(self.redis_url) as client:
            client.flushall()
        await self.store.create_table()
        with self.database.transaction() as session:  # of the fault before
            session.execute(text("DELETE FROM qapla_entity"))
        callers = [asyncio.create_task(self._call(f"c{number}")) for number in range(self._callers)]
        try:
            await asyncio.sleep(min(0.3, seconds))
            self.report.times_s.clear()
            await asyncio.to_thread(begin)
            await asyncio.sleep(seconds)
            await asyncio.to_thread(end)
            await self._wait_until_normal()
        finally:
            self._is_over.set()
            await asyncio.gather(*callers)
        if self.known.is_rewound or self.known.epoch:
            await asyncio.sleep(LIVES_S)
            self.known.is_rewound = False
        await self._look_at_all()
        await self.service.aclose()
        await self.database.aclose()
        self.database.dispose()
        return self.report

    async def _call(self, name: str) -> None:
        keys, chance = [f"{name}-{number}" for number in range(KEYS_EACH)], random.Random(name)
        while not self._is_over.is_set():
            key = chance.choice(keys)
            kind = chance.randrange(6)
            haste: dict[str, Any] = {}
            if self.longest_haste_s is not None:
                haste = {"deadline_s": chance.uniform(0.0005, self.longest_haste_s)}
            if kind < 2:
                self._value += 1
                await self._change(self.service.add(Thing(key, self._value), **haste), key, self._value)
            elif kind == 2:
                await self._change(self.service.delete(key, **haste), key, None)
            elif kind == 3:
                await self._look(self._values_of(keys, **haste))
            elif kind == 4:
                await self._look(self._value_of(key, **haste))
            else:
                await self._exists(key, **haste)
            await asyncio.sleep(0.002)

    async def _value_of(self, key: str, **options: Any) -> dict[str, int | None]:
        try:
            return {key: (await self.service.get_one(key, **options)).value}
        except EntityNotFound:
            return {key: None}

    async def _values_of(self, keys: list[str], **options: Any) -> dict[str, int | None]:
        return {**dict.fromkeys(keys), **{one.id: one.value for one in await self.service.get_many(*keys, **options)}}

    async def _timed(self, asked: Awaitable[Any]) -> tuple[bool, Any]:
        began = time.monotonic()
        try:
            return True, await asked
        except StoreUnavailable as error:
            self.report.failed["timed out" if isinstance(error, StoreTimedOut) else "unavailable"] += 1
            return False, None
        except Exception as error:
            self.report.wrong.append(f"{type(error).__name__}: {error}")
            return False, None
        finally:
            self.report.times_s.append(time.monotonic() - began)

    async def _change(self, asked: Awaitable[Any], key: str, value: int | None) -> None:
        epoch = self.known.epoch
        has_returned, _ = await self._timed(asked)
        if has_returned:
            self.known.became(key, value, epoch)
        else:
            self.known.may_become(key, value)

    async def _look(self, asked: Awaitable[dict[str, int | None]]) -> None:
        has_returned, found = await self._timed(asked)
        for key, value in found.items() if has_returned else ():
            if not self.known.allows(key, value):
                self.report.wrong.append(f"{key} was {value}, not {self.known.now.get(key)}")

    async def _exists(self, key: str, **options: Any) -> None:
        has_returned, found = await self._timed(self.service.exists(key, **options))
        values = self.known.ever if self.known.is_rewound else self.known.now
        if has_returned and found not in {value is not None for value in values.get(key, {None})}:
            self.report.wrong.append(f"{key} exists: {found}")

    async def _wait_until_normal(self) -> None:
        began = time.monotonic()
        while time.monotonic() - began < BACK_WITHIN_S:
            fine, _ = await self._timed(self.service.add(Thing("probe", 1)))
            if fine and self.service.breaker.state == "closed" and self.service.breaker.is_calm:
                fine, _ = await self._timed(self.service.get_one("probe", memory=False))
                if fine:
                    break
            await asyncio.sleep(0.02)
        self.report.normal_after_s = time.monotonic() - began

    async def _look_at_all(self) -> None:
        """Look for lost writes: the memory and the store behind it say the same, and it is what was written."""
        for key in list(self.known.now):
            for options in ({}, {"memory": False}):
                await self._look(self._value_of(key, **options))


class Servers:
    """Servers of one's own, started when they are needed."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._urls: dict[str, str] = {}

    def folder(self, name: str) -> Path:
        """Return the folder of a server."""
        return self._folder / name

    def url(self, name: str) -> str:
        """Return the URL of a server that may be killed."""
        if name not in self._urls:
            start: Any = getattr(processes, f"start_{name}")
            durable = {"postgresql": {"fsync": "on", "synchronous_commit": "on"}}.get(name)
            options = {} if durable is None else {"settings": durable}
            url = start(self.folder(name), os.getpid(), **options)
            if name == "mariadb":
                execute(url, "CREATE DATABASE shop")
                url += "shop"
            self._urls[name] = url
        return self._urls[name]

    def shared(self, name: str) -> str:
        """Return the URL of a database that others may use, too."""
        return self._stack.enter_context(make_database(name)).render_as_string(hide_password=False)


def execute(url: str, *statements: str) -> None:
    """Run statements in autocommit."""
    parsed = make_url(url)
    drivers = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}
    engine = create_engine(parsed.set(drivername=drivers[parsed.get_backend_name()]), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


Fault = Callable[[Servers, Stand], tuple[Callable[[], Any], Callable[[], Any]]]


def redis_pid(stand: Stand) -> int:
    """Return the process of the memory."""
    with Redis.from_url(stand.redis_url) as client:
        return int(client.info("server")["process_id"])


def told(stand: Stand, *commands: tuple[Any, ...]) -> Callable[[], Any]:
    """Return what tells Redis to do something."""

    def tell() -> None:
        with Redis.from_url(stand.redis_url) as client:
            for command in commands:
                client.execute_command(*command)

    return tell


def killed(name: str) -> Fault:
    """Kill a server with SIGKILL, and start it again."""

    def fault(servers: Servers, stand: Stand) -> tuple[Callable[[], Any], Callable[[], Any]]:
        folder = servers.folder(name)
        return lambda: processes.kill(folder), lambda: processes.start_again(folder)

    return fault


def hanging(servers: Servers, stand: Stand) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Stop Redis: its kernel goes on to take connections."""
    pid = redis_pid(stand)
    return lambda: os.kill(pid, signal.SIGSTOP), lambda: os.kill(pid, signal.SIGCONT)


def restored(servers: Servers, stand: Stand) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Keep what Redis has, go on, then kill it and start it with that."""
    folder = servers.folder("redis")

    def begin() -> None:
        told(stand, ("SAVE",))()
        time.sleep(0.3)
        processes.kill(folder)

    def end() -> None:
        stand.known.is_rewound = True
        processes.start_again(folder)

    return begin, end


def restarted(servers: Servers, stand: Stand) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Stop PostgreSQL in its own way, as for a failover, and start it again where it was."""
    folder = servers.folder("postgresql")
    return lambda: processes.stop(folder), lambda: processes.start_again(folder)


def read_only(servers: Servers, stand: Stand) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Have PostgreSQL take no writes."""
    url = servers.url("postgresql")

    def set_to(value: str) -> None:
        execute(url, f"ALTER SYSTEM SET default_transaction_read_only = {value}" if value == "on" else RESET, "SELECT pg_reload_conf()")

    return lambda: set_to("on"), lambda: set_to("off")


RESET = "ALTER SYSTEM RESET default_transaction_read_only"


def emptied(servers: Servers, stand: Stand) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Have the store behind the memory lose everything: a backup from before there was anything."""

    def begin() -> None:
        stand.known.lose()
        execute(servers.url("postgresql"), "TRUNCATE qapla_entity")
        stand.known.lose()  # what was written in between, too

    return begin, lambda: None


def both(servers: Servers, stand: Stand) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Kill both."""
    names = ("redis", "postgresql")

    def end() -> None:
        for name in reversed(names):
            processes.start_again(servers.folder(name))

    def begin() -> None:
        for name in names:
            processes.kill(servers.folder(name))

    return begin, end


def hasty(servers: Servers, stand: Stand) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Nothing is broken, but callers give up in the middle of whatever is done for them."""

    def set_to(longest_s: float | None) -> None:
        stand.longest_haste_s = longest_s

    return lambda: set_to(0.03), lambda: set_to(None)


MEMORY_FAULTS: dict[str, Fault] = {
    "callers in haste": hasty,
    "memory killed": killed("redis"),
    "memory hanging": hanging,
    "memory full": lambda _, stand: (told(stand, ("CONFIG", "SET", "maxmemory", 1)), told(stand, ("CONFIG", "SET", "maxmemory", 0))),
    "memory flushed": lambda _, stand: (told(stand, ("FLUSHALL",), ("SCRIPT", "FLUSH")), lambda: None),
    "memory demoted": lambda _, stand: (told(stand, ("REPLICAOF", "127.0.0.1", 1)), told(stand, ("REPLICAOF", "NO", "ONE"))),
    "memory with old data": restored,
}
STORE_FAULTS: dict[str, tuple[str, Fault]] = {
    "store killed": ("postgresql", killed("postgresql")),
    "store restarted": ("postgresql", restarted),
    "store read-only": ("postgresql", read_only),
    "store emptied": ("postgresql", emptied),
    "both killed": ("postgresql", both),
    "store killed (MariaDB)": ("mariadb", killed("mariadb")),
}
LINE_FAULTS: dict[str, tuple[str, bool]] = {  # engine, and whether connections of before are heard again
    "store hanging": ("postgresql", True),
    "store out of reach": ("postgresql", False),
    "store hanging (MariaDB)": ("mariadb", True),
    "store out of reach (MariaDB)": ("mariadb", False),
}
FAULTS = [*MEMORY_FAULTS, *STORE_FAULTS, *LINE_FAULTS]


def try_fault(name: str, servers: Servers, seconds: float, callers: int = 8) -> Report:
    """Try one fault."""

    async def run() -> Report:
        if name in LINE_FAULTS:
            engine, hears_again = LINE_FAULTS[name]
            url = make_url(servers.shared(engine))
            assert url.host is not None
            with Line(url.host, url.port or 0) as line:
                through = url.set(host="127.0.0.1", port=line.port).render_as_string(hide_password=False)
                stand = Stand(name, servers.url("redis"), through, callers)
                return await stand.run(seconds, line.silence, lambda: line.mend(old=hears_again))
        if name in STORE_FAULTS:
            engine, fault = STORE_FAULTS[name]
            stand = Stand(name, servers.url("redis"), servers.url(engine), callers)
        else:
            fault = MEMORY_FAULTS[name]
            stand = Stand(name, servers.url("redis"), servers.shared("postgresql"), callers)
        return await stand.run(seconds, *fault(servers, stand))

    return asyncio.run(run())


@contextmanager
def own_servers() -> Iterator[Servers]:
    """Lend servers; they are stopped at the end."""
    with processes.server_folder() as folder, ExitStack() as stack:
        yield Servers(folder, stack)


def main() -> None:
    """Read the arguments and run."""
    logging.disable()  # what is broken says so, a thousand times
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("fault", nargs="*", metavar="FAULT", help=", ".join(FAULTS))
    arguments = parser.parse_args()
    for name in arguments.fault:
        if name not in FAULTS:
            parser.error(f"there is no fault {name!r}: {', '.join(FAULTS)}")
    print(HEADER)
    with outside_pytest(), own_servers() as servers:
        is_well = True
        for name in arguments.fault or FAULTS:
            report = try_fault(name, servers, arguments.seconds, arguments.callers)
            print(report, flush=True)
            is_well = is_well and report.is_well
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
