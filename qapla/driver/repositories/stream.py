"""Entities as streams: entries with ids that grow, each with fields; read from an id, up to one, the newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from qapla.driver.repositories.checks import check_count, check_flags
from qapla.driver.repositories.collection import CollectionRepository, listed, plain, raw
from qapla.driver.repositories.entity import Document
from qapla.driver.repositories.keys import Key
from qapla.driver.repositories.query import Query
from qapla.driver.repositories.repository import Entity, KeyType
from qapla.driver.repositories.source import Command
from qapla.driver.repositories.streamid import read_id
from qapla.errors import QueryError


class StreamEntry(NamedTuple):
    """One entry of a stream.

    Attributes:
        id: ``"1526919030474-0"``; milliseconds alone, ``1526919030474``, are that with ``-0``.
        fields: text or bytes by name; read, both are bytes.
    """

    id: str | int
    fields: Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """Which entries are wanted.

    Args:
        min_id: the first one, included; ``"(1-1"`` for what comes after it.
        max_id: the last one, included; ``"(9-1"`` for what comes before it. Without its second half it is the last of its millisecond.
        count: how many at most.
        reverse: the newest first.
        withmaxsize: ``max_size`` is how many entries there are in all.
    """

    min_id: str | int | None = None
    max_id: str | int | None = None
    count: int | None = None
    reverse: bool = False
    withmaxsize: bool = False

    def __post_init__(self) -> None:
        for name in ("min_id", "max_id"):
            value = getattr(self, name)
            if value is not None:
                try:
                    read_id(value.removeprefix("(") if isinstance(value, str) else value)
                except (TypeError, ValueError):
                    hint = "'1526919030474-0', or milliseconds; '(1526919030474-0' leaves it out"
                    raise QueryError(f"{name!r} is {value!r}, which is no id of an entry", hint=hint) from None
        check_count(self.count, "'count'")
        check_flags(self, "reverse", "withmaxsize")


class StreamRepository(CollectionRepository[Entity, KeyType]):
    """Entities whose ``data`` is entries, ``[("1-1", {"what": "begun"})]``, in the order of their ids."""

    options_cls: ClassVar[Any] = StreamOptions

    def plain_members(self, data: Any) -> list[Any]:
        """Return entries as their ids and lists of pairs."""
        entries, last = [], (0, 0)
        for entry in listed(data):
            if isinstance(entry, str | bytes | Mapping) or len(entry) != 2:
                raise TypeError("each entry is its id and its fields, ('1-1', {'what': 'begun'})")
            id, fields = read_id(entry[0]), entry[1]
            if not isinstance(fields, Mapping) or not fields:
                raise TypeError("an entry has at least one field, by its name")
            if id <= last:
                raise ValueError("the ids of entries grow, and the first is larger than 0-0")
            last = id
            entries.append([f"{id[0]}-{id[1]}", [[plain(name), plain(value)] for name, value in fields.items()]])
        return entries

    def write_commands(self, key: Key, document: Document) -> list[Command]:
        """Write all entries."""
        return [
            ("XADD", key.text, id, *(raw(part) for pair in fields for part in pair)) for id, fields in self.members_of(key, document)
        ]

    def read_commands(self, key: Key, query: Query[Entity]) -> list[Command]:
        """Read the entries that are wanted, and count all."""
        options = query.options
        first, last = ("-" if options.min_id is None else options.min_id), ("+" if options.max_id is None else options.max_id)
        bounds = ("XREVRANGE", key.text, last, first) if options.reverse else ("XRANGE", key.text, first, last)
        return [(*bounds, *(() if options.count is None else ("COUNT", options.count))), ("XLEN", key.text)]

    def parse(self, query: Query[Entity], key: Key, replies: Sequence[Any], exists: bool) -> Any:
        """Return the entity with these entries."""
        entries, size = replies
        if not size and not exists:
            return None
        data = [StreamEntry(id.decode(), dict(zip(flat[::2], flat[1::2], strict=True))) for id, flat in entries]
        return self.entity_of(key, data, size if query.options.withmaxsize else None)
