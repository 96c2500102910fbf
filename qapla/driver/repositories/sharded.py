"""Several memory sources as one: each key has its own, chosen by consistent (rendezvous) hashing.

When a source is added or taken away only the keys of that one move. What moved is read behind the memory once more; what it was before
stays where it was until its time to live is over, and would be read again if the source came back before that: give entities one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from hashlib import blake2b
from typing import Any

from qapla.driver.repositories.invalidations import Invalidations, merge
from qapla.driver.repositories.keys import subject_of
from qapla.driver.repositories.redis import RedisMemoryDataSource
from qapla.driver.repositories.source import Batch, Command, MemoryDataSource
from qapla.errors import ConfigurationError

SUMMED = ("DEL", "EXISTS")  # commands with many keys that answer with a number


class ShardedMemoryDataSource(MemoryDataSource):
    """Spread keys over several sources. Commands are atomic for each source.

    Args:
        sources: by names that say which keys are theirs: the same names in every process.

    Raises:
        ConfigurationError: there are none.
    """

    name = "sharded"

    def __init__(self, **sources: MemoryDataSource) -> None:
        if not sources:
            raise ConfigurationError("a memory of no sources is none")
        self.sources = sources
        self._seeds = {name: name.encode() for name in sources}

    @classmethod
    def from_urls(cls, *urls: str, **options: Any) -> ShardedMemoryDataSource:
        """Spread keys over the Redis at each URL; passwords do not decide which keys are whose. *options* are those of each client.

        Raises:
            ConfigurationError: a URL is none, or is there twice.
        """
        sources = {source.place: source for source in (RedisMemoryDataSource(url, **options) for url in urls)}
        if len(sources) != len(urls):
            raise ConfigurationError("a memory has the same Redis twice")
        return cls(**sources)

    def source_of(self, key: str) -> str:
        """Return the name of the source of *key*; a marker is where what it is about is."""
        text = subject_of(key).encode()
        return max(self._seeds, key=lambda name: blake2b(text, digest_size=8, key=_fit(self._seeds[name])).digest())

    async def run(self, commands: Sequence[Command], *, atomic: bool = False) -> list[Any]:
        """Run *commands*, those of one source in one round trip, all sources at once."""
        shares: dict[str, list[tuple[int, Command, list[int]]]] = {}
        for index, command in enumerate(commands):
            for name, positions in self._split(command).items():
                keys = tuple(command[position + 1] for position in positions)
                part = (command[0], *keys) if positions else command
                shares.setdefault(name, []).append((index, part, positions))
        asked = [self.sources[name].run([part for _, part, _ in share], atomic=atomic) for name, share in shares.items()]
        replies: list[Any] = [None] * len(commands)
        for share, answers in zip(shares.values(), await _all(asked), strict=True):
            for (index, _, positions), answer in zip(share, answers, strict=True):
                replies[index] = _joined(commands[index], replies[index], positions, answer)
        return replies

    async def run_if_absent(self, batches: Sequence[Batch]) -> list[bool]:
        """Run each batch at the source of its first key."""
        shares: dict[str, list[int]] = {}
        for index, (keys, _) in enumerate(batches):
            shares.setdefault(self.source_of(keys[0]), []).append(index)
        asked = [self.sources[name].run_if_absent([batches[index] for index in share]) for name, share in shares.items()]
        done = [False] * len(batches)
        for share, answers in zip(shares.values(), await _all(asked), strict=True):
            for index, answer in zip(share, answers, strict=True):
                done[index] = answer
        return done

    @property
    def line(self) -> Hashable | None:
        """Return what is the same for sources of the same sources; None where one of them does not tell of changes."""
        lines = frozenset((name, source.line) for name, source in self.sources.items())
        return None if any(line is None for _, line in lines) else (type(self), lines)

    def invalidations(self, prefixes: Sequence[str]) -> Invalidations:
        """Tell what all sources tell; when the line to one is lost, it is to all."""
        return merge([source.invalidations(prefixes) for source in self.sources.values()])

    async def aclose(self) -> None:
        """Close what the running event loop has opened at each source."""
        for source in self.sources.values():
            await source.aclose()

    def _split(self, command: Command) -> dict[str, list[int]]:
        """Return which keys of a command are at which source, by their positions; no positions: the whole command is there."""
        if command[0] not in (*SUMMED, "MGET"):
            return {self.source_of(command[1]): []}
        parts: dict[str, list[int]] = {}
        for position, key in enumerate(command[1:]):
            parts.setdefault(self.source_of(key), []).append(position)
        return parts


async def _all(asked: list[Any]) -> list[Any]:
    """Await all, also when one fails: nothing goes on behind the caller's back."""
    answers = await asyncio.gather(*asked, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers


def _joined(command: Command, before: Any, positions: list[int], answer: Any) -> Any:
    if command[0] in SUMMED:
        return (before or 0) + answer
    if command[0] != "MGET":
        return answer
    values = before or [None] * (len(command) - 1)
    for position, value in zip(positions, answer, strict=True):
        values[position] = value
    return values


def _fit(seed: bytes) -> bytes:
    return seed if len(seed) <= 64 else blake2b(seed, digest_size=32).digest()
