"""Entities as lists and as sets of members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from qapla.driver.repositories.checks import check_flags
from qapla.driver.repositories.collection import AT_ONCE, CollectionRepository, listed, plain, raw
from qapla.driver.repositories.entity import Document
from qapla.driver.repositories.keys import Key
from qapla.driver.repositories.query import Query
from qapla.driver.repositories.repository import Entity, KeyType
from qapla.driver.repositories.sorted_set import check_page
from qapla.driver.repositories.source import Command


@dataclass(frozen=True, slots=True)
class ListOptions:
    """Which members are wanted.

    Args:
        page: which page, from 1; needs ``page_size``.
        page_size: members per page.
        withmaxsize: ``max_size`` is how many members there are in all.
    """

    page: int | None = None
    page_size: int | None = None
    withmaxsize: bool = False

    def __post_init__(self) -> None:
        check_page(self.page, self.page_size)
        check_flags(self, "withmaxsize")


class ListRepository(CollectionRepository[Entity, KeyType]):
    """Entities whose ``data`` is members in their order."""

    options_cls: ClassVar[Any] = ListOptions

    def plain_members(self, data: Any) -> list[Any]:
        """Return the members."""
        return [plain(member) for member in listed(data)]

    def write_commands(self, key: Key, document: Document) -> list[Command]:
        """Write all members."""
        members = [raw(member) for member in self.members_of(key, document)]
        return [("RPUSH", key.text, *members[at : at + AT_ONCE]) for at in range(0, len(members), AT_ONCE)]

    def read_commands(self, key: Key, query: Query[Entity]) -> list[Command]:
        """Read the page that is wanted, and count all."""
        size = query.options.page_size
        first = 0 if size is None else ((query.options.page or 1) - 1) * size
        return [("LRANGE", key.text, first, -1 if size is None else first + size - 1), ("LLEN", key.text)]

    def parse(self, query: Query[Entity], key: Key, replies: Sequence[Any], exists: bool) -> Any:
        """Return the entity with these members."""
        members, size = replies
        return None if not size and not exists else self.entity_of(key, list(members), size if query.options.withmaxsize else None)


@dataclass(frozen=True, slots=True)
class SetOptions:
    """What is wanted of a set.

    Args:
        withmaxsize: ``max_size`` is how many members there are.
    """

    withmaxsize: bool = False

    def __post_init__(self) -> None:
        check_flags(self, "withmaxsize")


class SetRepository(CollectionRepository[Entity, KeyType]):
    """Entities whose ``data`` is members without order, each of them once."""

    options_cls: ClassVar[Any] = SetOptions

    def plain_members(self, data: Any) -> list[Any]:
        """Return the members in the order of their bytes: the same set is the same document."""
        return [member for _, member in sorted({raw(plain(member)): plain(member) for member in listed(data)}.items())]

    def write_commands(self, key: Key, document: Document) -> list[Command]:
        """Write all members."""
        members = [raw(member) for member in self.members_of(key, document)]
        return [("SADD", key.text, *members[at : at + AT_ONCE]) for at in range(0, len(members), AT_ONCE)]

    def read_commands(self, key: Key, query: Query[Entity]) -> list[Command]:
        """Read all members."""
        return [("SMEMBERS", key.text)]

    def parse(self, query: Query[Entity], key: Key, replies: Sequence[Any], exists: bool) -> Any:
        """Return the entity with its members."""
        members = replies[0]
        if not members and not exists:
            return None
        return self.entity_of(key, frozenset(members), len(members) if query.options.withmaxsize else None)
