"""Entities that are nothing but their key: there, or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from qapla.driver.repositories.encoding import Decoder
from qapla.driver.repositories.entity import Document, EntityType
from qapla.driver.repositories.keys import Key
from qapla.driver.repositories.query import Query
from qapla.driver.repositories.repository import Entity, KeyType, Repository
from qapla.driver.repositories.source import Command
from qapla.errors import EntityRefused, ModelError

BARE = (str, int, UUID)


class BareType(EntityType):
    """Entities that are a value by themselves: ``BooleanRepository[str]``."""

    def __init__(self, cls: Any, attr: str) -> None:
        self.cls = cls
        self.name = cls.__name__
        self._is_dict = False
        self._annotations = {attr: cls}
        self._attr = attr
        self._decoders = {attr: Decoder(cls)}
        self._make = lambda values: values[attr]

    def holds(self, entity: Any) -> bool:
        """Tell whether *entity* is of the class itself: True is no whole number here."""
        return isinstance(entity, self.cls) and not isinstance(entity, bool)

    def get(self, entity: Any, name: str) -> Any:
        """Return the entity: it is its own key."""
        return entity

    def write(self, entity: Any, repository: str, key: str) -> Document:
        """Return a document of the key."""
        try:
            return {self._attr: self._decoders[self._attr].check(entity)}
        except (TypeError, ValueError):
            raise EntityRefused(f"{key!r} cannot be kept", repository=repository, key=key) from None


class BooleanRepository(Repository[Entity, KeyType]):
    """Entities whose class has no other fields than the key, or that are text, a whole number or a UUID; these need a ``name``."""

    @classmethod
    def _describe(cls) -> None:
        if cls.entity_cls in BARE:
            if len(cls.key_attrs) != 1 or not hasattr(cls, "name"):
                hint = "name = 'seen', and one key attribute"
                raise ModelError(f"{cls.__name__!r} keeps values by themselves, and has no name", hint=hint)
            cls.entity_type = BareType(cls.entity_cls, cls.key_attrs[0])
            return
        super()._describe()
        for name in cls.entity_type.fields:
            if name not in cls.key_attrs:
                hint = "use a HashRepository, or add it to 'key_attrs'"
                raise ModelError(f"field {name!r} of entity {cls.entity_type.name!r} cannot be kept by {cls.__name__!r}", hint=hint)

    def document_of(self, entity: Entity, key: Key) -> Document:
        """Return the key's values."""
        return self.entity_type.write(entity, self.name, key.text)

    def write_commands(self, key: Key, document: Document) -> list[Command]:
        """Write that it is there."""
        return [("SET", key.text, "1")]

    def read_commands(self, key: Key, query: Query[Entity]) -> list[Command]:
        """Read whether it is there."""
        return [("GET", key.text)]

    def parse(self, query: Query[Entity], key: Key, replies: Sequence[Any], exists: bool) -> Any:
        """Return the entity, made of its key."""
        return None if replies[0] is None and not exists else self.entity_type.make(self.key_values(key))
