"""Entities as sorted sets: members with scores, read page by page or by score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isnan
from typing import Any, ClassVar

from qapla.driver.repositories.checks import LARGEST, check_count, check_flags, check_number
from qapla.driver.repositories.collection import AT_ONCE, CollectionRepository, listed, plain, raw
from qapla.driver.repositories.entity import Document
from qapla.driver.repositories.keys import Key
from qapla.driver.repositories.query import Query
from qapla.driver.repositories.repository import Entity, KeyType
from qapla.driver.repositories.source import Command
from qapla.errors import QueryError


@dataclass(frozen=True, slots=True)
class SortedSetOptions:
    """Which members are wanted.

    Args:
        page: which page, from 1; needs ``page_size``.
        page_size: members per page.
        reverse: highest scores first.
        withscores: pairs of member and score in place of members.
        min_score: lowest score, included.
        max_score: highest score, included.
        withmaxsize: ``max_size`` is how many members there are in all, whatever is asked for.
    """

    page: int | None = None
    page_size: int | None = None
    reverse: bool = False
    withscores: bool = False
    min_score: float | None = None
    max_score: float | None = None
    withmaxsize: bool = False

    def __post_init__(self) -> None:
        check_page(self.page, self.page_size)
        check_flags(self, "reverse", "withscores", "withmaxsize")
        check_number(self.min_score, "'min_score'")
        check_number(self.max_score, "'max_score'")

    @property
    def by_score(self) -> bool:
        """Tell whether scores choose the members."""
        return self.min_score is not None or self.max_score is not None

    @property
    def first(self) -> int:
        """Return the position of the first member of the page."""
        return 0 if self.page_size is None else ((self.page or 1) - 1) * self.page_size


class SortedSetRepository(CollectionRepository[Entity, KeyType]):
    """Entities whose ``data`` is members with scores. Members of one score are in the order of their bytes."""

    options_cls: ClassVar[Any] = SortedSetOptions

    def plain_members(self, data: Any) -> list[Any]:
        """Return pairs; of a member that is there twice the last."""
        pairs: dict[bytes, list[Any]] = {}
        for pair in listed(data):
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise TypeError("each member comes with its score, ('m1', 1)")
            member, score = plain(pair[0]), float(pair[1])
            if isnan(score):
                raise ValueError("a score is not a number")
            pairs[raw(member)] = [member, score if abs(score) != inf else str(score)]
        return list(pairs.values())

    def write_commands(self, key: Key, document: Document) -> list[Command]:
        """Write all members."""
        flat = [part for member, score in self.members_of(key, document) for part in (repr(float(score)), raw(member))]
        return [("ZADD", key.text, *flat[at : at + 2 * AT_ONCE]) for at in range(0, len(flat), 2 * AT_ONCE)]

    def read_commands(self, key: Key, query: Query[Entity]) -> list[Command]:
        """Read the members that are wanted, and count all."""
        options = query.options
        more = (*(("REV",) if options.reverse else ()), *self._limit(options), *(("WITHSCORES",) if options.withscores else ()))
        if options.by_score:
            low = "-inf" if options.min_score is None else repr(float(options.min_score))
            high = "+inf" if options.max_score is None else repr(float(options.max_score))
            first, last = (high, low) if options.reverse else (low, high)
            return [("ZRANGE", key.text, first, last, "BYSCORE", *more), ("ZCARD", key.text)]
        last_index = -1 if options.page_size is None else options.first + options.page_size - 1
        return [("ZRANGE", key.text, options.first, last_index, *more), ("ZCARD", key.text)]

    def parse(self, query: Query[Entity], key: Key, replies: Sequence[Any], exists: bool) -> Any:
        """Return the entity with these members."""
        members, size = replies
        if not size and not exists:
            return None
        pairs = zip(members[::2], members[1::2], strict=True) if query.options.withscores else ()
        data = [(member, float(score)) for member, score in pairs]
        return self.entity_of(key, data if query.options.withscores else list(members), size if query.options.withmaxsize else None)

    def _limit(self, options: SortedSetOptions) -> tuple[Any, ...]:
        return ("LIMIT", options.first, options.page_size) if options.by_score and options.page_size is not None else ()


def check_page(page: int | None, page_size: int | None) -> None:
    """Raise a QueryError if these are no page."""
    check_count(page, "'page'")
    check_count(page_size, "'page_size'")
    if page is not None and page_size is None:
        raise QueryError(f"page {page} of what size is not said", hint="add 'page_size'")
    if page is not None and page_size is not None and page * page_size > LARGEST:
        raise QueryError(f"page {page} of {page_size} members each is further away than any member")
