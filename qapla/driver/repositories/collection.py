"""What sorted sets, places, lists, sets and streams have in common: an entity is its key and ``data``, its members.

``class Playlist(SortedSetEntity): id: str`` is a dataclass of its own fields, ``data`` and ``max_size``. Any other class of entities with
the key's attributes and ``data`` will do, too. Members are bytes when they are read, whatever they were; in documents they are text where
they can be.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, dataclass_transform

import msgspec

from qapla.driver.repositories.entity import Document
from qapla.driver.repositories.keys import Key
from qapla.driver.repositories.repository import Entity, KeyType, Repository
from qapla.errors import EntityDamaged, EntityRefused, ModelError

AT_ONCE = 1000  # members in one command: scripts of Redis cannot have any number of arguments


@dataclass_transform(kw_only_default=False)
class CollectionEntity:
    """A base class of entities with members: its subclasses are dataclasses."""

    data: Sequence[Any]
    max_size: int | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if CollectionEntity in cls.__bases__:
            return  # the base class of one kind of members, below
        own = {name: kind for name, kind in vars(cls).get("__annotations__", {}).items() if name not in ("data", "max_size")}
        plain = {name: kind for name, kind in own.items() if name not in vars(cls)}
        rest = {name: kind for name, kind in own.items() if name in vars(cls)}
        cls.__annotations__ = {**plain, "data": Sequence[Any], **rest, "max_size": int | None}
        cls.max_size = None
        dataclasses.dataclass(cls)


class SortedSetEntity(CollectionEntity):
    """``data`` is a list of members with their scores to write; to read it is one of members, or with ``withscores`` again of both."""


class GeoSpatialEntity(CollectionEntity):
    """``data`` is a list of ``GeoMember``."""


class ListEntity(CollectionEntity):
    """``data`` is a list of members, in their order."""


class SetEntity(CollectionEntity):
    """``data`` is a set of members; read, it is a frozenset."""


class StreamEntity(CollectionEntity):
    """``data`` is a list of entries, ``("1-1", {"what": "begun"})``; read, of ``StreamEntry``."""


class CollectionRepository(Repository[Entity, KeyType]):
    """Entities with members."""

    kept_apart: ClassVar[tuple[str, ...]] = ("data", "max_size")

    @classmethod
    def _describe(cls) -> None:
        super()._describe()
        fields = cls.entity_type.fields
        if "data" not in fields:
            raise ModelError(f"entity {cls.entity_type.name!r} of {cls.__name__!r} has no field 'data', its members")
        for name in fields:
            if name not in (*cls.key_attrs, *cls.kept_apart):
                hint = "only its key and its members are kept; add it to 'key_attrs', or use a HashRepository"
                raise ModelError(f"field {name!r} of entity {cls.entity_type.name!r} cannot be kept by {cls.__name__!r}", hint=hint)

    @property
    def stored_fields(self) -> tuple[str, ...]:
        """Return what a document has: the key and the members."""
        return (*self.key_attrs, "data")

    @abstractmethod
    def plain_members(self, data: Any) -> list[Any]:
        """Return members as JSON can hold them.

        Raises:
            TypeError, ValueError: they are none.
        """

    def document_of(self, entity: Entity, key: Key) -> Document:
        """Return the JSON of key and members."""
        try:
            members = self.plain_members(self.entity_type.get(entity, "data"))
        except UnicodeEncodeError:
            message = f"'data' of entity {self.entity_type.name!r} cannot be kept: a member is no valid text"
            raise EntityRefused(message, repository=self.name, key=key.text) from None
        except (TypeError, ValueError, OverflowError) as error:
            message = f"'data' of entity {self.entity_type.name!r} cannot be kept: {_shown(error)}"
            raise EntityRefused(message, repository=self.name, key=key.text) from None
        return {**self.entity_type.write(entity, self.name, key.text), "data": msgspec.json.encode(members)}

    def members_of(self, key: Key, document: Document) -> list[Any]:
        """Return the members of a document, as ``plain_members`` made them."""
        try:
            found = json.loads(document["data"])
        except (KeyError, ValueError):
            found = None
        if not isinstance(found, list):
            raise EntityDamaged(f"what is kept as {key.text!r} is no {self.entity_type.name!r}", repository=self.name, key=key.text)
        return found

    def entity_of(self, key: Key, data: Any, max_size: int | None) -> Any:
        """Make the entity of *key* with these members."""
        values = {**self.key_values(key), "data": data}
        if "max_size" in self.entity_type.fields:
            values["max_size"] = max_size
        return self.entity_type.make(values)


def plain(member: Any) -> Any:
    """Return a member as text, or as a mapping when its bytes are no text.

    Raises:
        TypeError: it is neither text nor bytes.
    """
    if isinstance(member, str):
        member.encode()
        return member
    if not isinstance(member, bytes):
        raise TypeError(f"members are text or bytes, not {type(member).__name__!r}")
    try:
        return member.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(member).decode()}


def raw(member: Any) -> bytes:
    """Return the bytes of what ``plain`` made."""
    try:
        return base64.b64decode(member["base64"]) if isinstance(member, dict) else str(member).encode()
    except (KeyError, binascii.Error) as error:
        raise EntityDamaged("a member is not what was kept") from error


def listed(data: Any) -> list[Any]:
    """Return a collection as a list.

    Raises:
        TypeError: it is none.
    """
    if data is None or isinstance(data, str | bytes | Mapping) or not hasattr(data, "__iter__"):
        raise TypeError("a collection of members is needed")
    return list(data)


def _shown(error: Exception) -> str:
    """Return what was said by us; Python's own words, ``could not convert string to float: 'secret'``, may have a value in them."""
    if isinstance(error, OverflowError):
        return "a number is too large"
    return "a number is none" if str(error).startswith(("could not convert", "float()")) else str(error)
