"""The two contracts: what a repository asks of its memory, and of the store behind it.

``qapla.testing.contracts`` has a suite for each, for sources of one's own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

from qapla.driver.repositories.entity import Document
from qapla.driver.repositories.invalidations import Invalidations
from qapla.driver.repositories.keys import Key
from qapla.errors import ConfigurationError

Command = tuple[Any, ...]  # a command of Redis and its arguments: ("HSET", "person:john_doe", "age", b"33")
Batch = tuple[Sequence[str], Sequence[Command]]  # keys, and commands to run if none of them exists


class MemoryDataSource(ABC):
    """Fast, and may forget: runs commands of Redis. Replies are those of the protocol RESP2, not parsed: bytes, int, lists, None."""

    name: str = "memory"
    keeps_writes: ClassVar[bool] = False  # whether it is one server that runs scripts and can be made not to forget (``behind.py``)

    @abstractmethod
    async def run(self, commands: Sequence[Command], *, atomic: bool = False) -> list[Any]:
        """Run *commands* in one round trip and return their replies.

        Args:
            atomic: nobody sees only a part of them done.

        Raises:
            StoreUnavailable: there is no answer, or none can be written; StoreTimedOut: not in time.
            WrongKeyType: a key holds another type.
        """

    @abstractmethod
    async def run_if_absent(self, batches: Sequence[Batch]) -> list[bool]:
        """Run the commands of each batch atomically if none of its keys exists, all batches in one round trip, and tell which ran.

        The commands of a batch have the first of its keys as theirs.
        """

    @property
    def line(self) -> Hashable | None:
        """Return what is the same for sources whose ``invalidations`` tell the same; None: they are not told here."""
        return None

    def invalidations(self, prefixes: Sequence[str]) -> Invalidations:
        """Tell which keys that begin with one of *prefixes* anybody changes, or all keys at once, until it is closed or the line is lost.

        It tells at least what was changed after the moment that it confirms first, and confirms again every second or so.

        Raises:
            ConfigurationError: it cannot be told here.
            StoreUnavailable: the line is lost, and with it what is changed from now on. Ask again.
        """
        raise ConfigurationError(f"a memory of {self.name!r} does not tell of changes", hint="cache_invalidation=False")

    async def aclose(self) -> None:
        """Close what the running event loop has opened. The source can be used again."""
        return


class FallbackDataSource(ABC):
    """Slower, and does not forget: keeps a document per key."""

    name: str = "fallback"
    has_terms: ClassVar[bool] = False  # whether ``begin_term`` and ``settle`` are there, which writing behind a memory needs

    @abstractmethod
    async def get_many(self, keys: Sequence[Key]) -> list[Document | None]:
        """Return the document of each key, in order; None where there is none.

        Raises:
            StoreUnavailable: there is no answer.
        """

    @abstractmethod
    async def put_many(self, documents: Sequence[tuple[Key, Document]]) -> None:
        """Keep *documents*, all of them or none, in place of what was there. When this returns they are durable.

        Raises:
            StoreUnavailable: there is no answer.
            EntityRefused: a document cannot be kept here.
        """

    @abstractmethod
    async def delete_many(self, keys: Sequence[Key]) -> None:
        """Forget the documents of *keys*; those that are not there are none.

        Raises:
            StoreUnavailable: there is no answer.
        """

    async def begin_term(self, repository: str, term: str) -> None:
        """Let nobody but who knows *term*, a name that was never used before, ``settle`` for *repository* from now on.

        It waits until what others settle now has ended; whatever they settle after that is refused.

        Raises:
            StoreUnavailable: there is no answer.
        """
        raise NotImplementedError(f"{type(self).__name__} has no terms")

    async def settle(self, repository: str, term: str, documents: Sequence[tuple[Key, Document]], keys: Sequence[Key]) -> None:
        """Keep *documents* and forget those of *keys*, all of it or nothing, while *term* is the last one that was begun.

        Raises:
            Superseded: it is not: nothing was changed, and never will be by this call.
            StoreUnavailable: there is no answer.
            EntityRefused: a document cannot be kept here.
        """
        raise NotImplementedError(f"{type(self).__name__} has no terms")

    def check(self, repository: str, attrs: tuple[str, ...], fields: tuple[str, ...]) -> None:
        """Raise a ConfigurationError if entities with these key attributes and fields cannot be kept here."""
        return

    async def aclose(self) -> None:
        """Close what the running event loop has opened. The source can be used again."""
        return
