"""Redis as a memory source, by redis-py's asyncio client. The only module of repositories that imports redis.

Commands of one call are one round trip: a pipeline, or MULTI and EXEC where they have to be atomic. What has to look first and then write
(``run_if_absent``) is a script. Every event loop has a client of its own, closed when the loop ends.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from qapla.driver.repositories import line
from qapla.driver.repositories.checks import check_count
from qapla.driver.repositories.invalidations import Invalidations
from qapla.driver.repositories.source import Batch, Command, MemoryDataSource
from qapla.errors import ConfigurationError, StoreTimedOut, StoreUnavailable, WrongKeyType
from qapla.loops import PerLoop
from qapla.masking import mask_text

OPTIONS: dict[str, Any] = {"socket_connect_timeout": 2, "socket_timeout": 5, "health_check_interval": 30, "max_connections": 50}
REFUSALS = ("OOM", "LOADING", "READONLY", "MISCONF", "NOREPLICAS", "MASTERDOWN", "BUSY", "TRYAGAIN", "CLUSTERDOWN")
NUMBER = re.compile(r"Command # (\d+) ")  # which of a pipeline, as redis-py says it
DATABASE = re.compile(r"/?\d*/?")
NO_DATABASE = re.compile(r"DB index is out of range|invalid DB index", re.IGNORECASE)

# KEYS: those that must not exist. ARGV: of each command its name, how many arguments follow, and these; its key is KEYS[1].
IF_ABSENT = """
if redis.call('EXISTS', unpack(KEYS)) > 0 then return 0 end
local at = 1
while at <= #ARGV do
  local count = tonumber(ARGV[at + 1])
  redis.call(ARGV[at], KEYS[1], unpack(ARGV, at + 2, at + 1 + count))
  at = at + 2 + count
end
return 1
"""


class RedisMemoryDataSource(MemoryDataSource):
    """Keep values in one Redis.

    Args:
        url: ``redis://user:password@host:port/0``, ``rediss://…`` over TLS, ``unix:///path?db=0``.
        options: keywords of ``redis.asyncio.Redis``, which win over ours: two seconds to connect, five to answer, one more try, and at
            most 50 connections (``max_connections``) of an event loop, for which others wait.

    Raises:
        ConfigurationError: the URL is none, or an option is unknown. No connection is opened to find out.
    """

    name = "redis"
    keeps_writes = True
    _url: str | None = None

    def __init__(self, url: str, **options: Any) -> None:
        if not isinstance(url, str):
            raise ConfigurationError(f"the URL of a Redis is of type {type(url).__name__!r}", hint="redis://user:password@host:port/0")
        self._url = url
        self._begin(mask_text(url), options)
        try:
            has_number = not url.startswith(("redis:", "rediss:")) or DATABASE.fullmatch(urlsplit(url).path)
            client = self._open()
            client.connection_pool.connection_class(**client.connection_pool.connection_kwargs)  # an unknown option is told here
        except (ValueError, TypeError, AttributeError):
            hint = "redis://user:password@host:port/0, and options that redis.asyncio.Redis knows"
            raise ConfigurationError(f"no client of Redis can be made of {self.place!r}", hint=hint) from None
        if not has_number:  # redis-py would take number 0
            raise ConfigurationError(f"{self.place!r} has no number of a database at its end", hint="redis://user:password@host:port/0")

    def _begin(self, place: str, options: dict[str, Any]) -> None:
        retry = Retry(NoBackoff(), 1)
        self.place = place
        self._given = options
        self._options = {**OPTIONS, "retry": retry, "protocol": 2, **options, "decode_responses": False}
        check_count(self._options["max_connections"], f"'max_connections' of Redis at {place!r}", ConfigurationError)
        self._clients = PerLoop(self._open, self._close)
        self._gates = PerLoop(self._make_gate, _nothing)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.place!r})"

    async def run(self, commands: Sequence[Command], *, atomic: bool = False) -> list[Any]:
        """Run *commands* in one round trip."""
        async with self._gates.get(), self._translated(commands):
            if len(commands) == 1:
                return [await self._clients.get().execute_command(*commands[0])]
            async with self._clients.get().pipeline(transaction=atomic) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                replies: list[Any] = await pipeline.execute()
                return replies

    async def run_if_absent(self, batches: Sequence[Batch]) -> list[bool]:
        """Run each batch by a script, all in one round trip; one more when the server does not know the script yet."""
        async with self._gates.get(), self._translated(batches[0][1]):
            return await self._write_absent(batches)

    async def _write_absent(self, batches: Sequence[Batch]) -> list[bool]:
        for _ in range(2):
            client = self._clients.get()
            script = client.register_script(IF_ABSENT)
            async with client.pipeline(transaction=False) as pipeline:
                for keys, commands in batches:
                    arguments = [part for command in commands for part in (command[0], len(command) - 2, *command[2:])]
                    pipeline.evalsha(script.sha, len(keys), *keys, *arguments)
                replies = await pipeline.execute(raise_on_error=False)
            if any(isinstance(reply, exceptions.NoScriptError) for reply in replies):
                await client.script_load(IF_ABSENT)
                continue  # what ran already exists now, and is not run again
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
            return [bool(reply) for reply in replies]
        raise StoreUnavailable(f"Redis at {self.place!r} forgets its scripts", answered=True)

    @property
    def line(self) -> Hashable | None:
        """Return what is the same for sources of one URL and the same options; None for a kind that has no URL."""
        return None if self._url is None else self._hashable(self._url)

    async def invalidations(self, prefixes: Sequence[str]) -> Invalidations:
        """Tell which keys anybody changes, on a connection of its own (``line.py``)."""
        client = self._open()
        client.connection_pool.connection_kwargs.update(line.OPTIONS)  # also where the URL says something else
        try:
            listening = line.listen(client.connection_pool.get_connection, prefixes)
            async with self._translated([("CLIENT", "TRACKING")]), aclosing(listening) as events:
                async for event in events:
                    yield event
        finally:
            await self._close(client)

    async def ping(self) -> None:
        """Ask for a sign of life.

        Raises:
            StoreUnavailable: there is none.
        """
        await self.run([("PING",)])

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        await self._clients.aclose()
        await self._gates.aclose()

    def _make_gate(self) -> asyncio.Semaphore:
        """Return what callers wait at: redis-py's own pool refuses the one too many, which is no failure of the server."""
        return asyncio.Semaphore(int(self._options["max_connections"]))

    def _hashable(self, *address: Hashable) -> Hashable:
        try:
            key = (type(self), *address, frozenset(self._given.items()))
            hash(key)
        except TypeError:
            return self  # an option is a dict, say: nobody else is known to have the same
        return key

    def _open(self) -> Redis:
        return _unparsed(Redis.from_url(str(self._url), **self._options))

    async def _close(self, client: Redis) -> None:
        await client.aclose()

    @asynccontextmanager
    async def _translated(self, commands: Sequence[Command]) -> AsyncIterator[None]:
        try:
            yield
        except exceptions.TimeoutError as error:
            raise StoreTimedOut(f"Redis at {self.place!r} does not answer in time") from error
        except (exceptions.AuthenticationError, exceptions.NoPermissionError) as error:
            hint = "look at the user and the password of its URL"
            raise StoreUnavailable(f"Redis at {self.place!r} does not let us in", hint=hint, answered=True) from error
        except (exceptions.ConnectionError, OSError) as error:
            raise StoreUnavailable(f"Redis at {self.place!r} cannot be reached", answered=_is_refusal(error)) from error
        except exceptions.ResponseError as error:
            raise self._refused(error, commands) from None  # redis-py's own text may quote the command, values and all

    def _refused(self, error: exceptions.ResponseError, commands: Sequence[Command]) -> Exception:
        said = _said(error)
        if said.startswith("WRONGTYPE"):
            number = NUMBER.match(str(error))
            index = 0 if number is None else int(number[1]) - 1
            key = str(commands[index][1]) if len(commands) == 1 or (number is not None and index < len(commands)) else None
            which = "a key" if key is None else f"key {key!r}"
            return WrongKeyType(f"{which} of Redis at {self.place!r} holds another type (WRONGTYPE)", key=key)
        if NO_DATABASE.search(said):
            hint = "see 'databases' in its configuration"
            return ConfigurationError(f"Redis at {self.place!r} has no database of this number", hint=hint)
        if _is_refusal(error):
            why = getattr(error, "status_code", None) or said.partition(" ")[0]
            return StoreUnavailable(f"Redis at {self.place!r} takes no commands now: {why}", answered=True)
        hint = "Redis 6.2 or later is needed, or another server that speaks its language"
        return ConfigurationError(f"Redis at {self.place!r} refused a command: {said.partition(',')[0]}", hint=hint)


def _is_refusal(error: BaseException) -> bool:
    if isinstance(error, exceptions.BusyLoadingError | exceptions.ReadOnlyError | exceptions.OutOfMemoryError):
        return True
    if isinstance(error, exceptions.ClusterDownError | exceptions.TryAgainError | exceptions.AskError):  # of a cluster, while it changes
        return True
    return isinstance(error, exceptions.ResponseError) and _said(error).startswith(REFUSALS)


def _said(error: BaseException) -> str:
    """Return what the server said, without what redis-py puts before it: the command that it was said about."""
    return str(error).rpartition("caused error: ")[2].lstrip("('\"")


async def _nothing(gate: asyncio.Semaphore) -> None:
    """Close nothing."""


def _unparsed(client: Redis) -> Redis:
    """Have *client* answer with replies as they are: sources that are no Redis answer the same."""
    client.response_callbacks.clear()
    return client
