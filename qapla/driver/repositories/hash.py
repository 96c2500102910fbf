"""Entities as hashes: a field of Redis for each of theirs, as JSON, so that any of them can be read alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qapla.driver.repositories.entity import Document
from qapla.driver.repositories.keys import Key
from qapla.driver.repositories.query import Query
from qapla.driver.repositories.repository import Entity, KeyType, Repository
from qapla.driver.repositories.source import Command


class HashRepository(Repository[Entity, KeyType]):
    """Entities of any class with fields. ``query(…, fields=("name",))`` reads these fields only, as a dict."""

    def document_of(self, entity: Entity, key: Key) -> Document:
        """Return the JSON of each field."""
        return self.entity_type.write(entity, self.name, key.text)

    def write_commands(self, key: Key, document: Document) -> list[Command]:
        """Write all fields."""
        return [("HSET", key.text, *(part for pair in document.items() for part in pair))]

    def read_commands(self, key: Key, query: Query[Entity]) -> list[Command]:
        """Read all fields, or those that are wanted."""
        return [("HGETALL", key.text) if query.fields is None else ("HMGET", key.text, *query.fields)]

    def parse(self, query: Query[Entity], key: Key, replies: Sequence[Any], exists: bool) -> Any:
        """Return the entity, or a dict of the wanted fields."""
        reply = replies[0]
        if query.fields is not None:
            found = {name: text for name, text in zip(query.fields, reply, strict=True) if text is not None}
            return self.entity_type.read_fields(found, self.name, key.text) if found else None
        if not reply:
            return None
        return self.entity_type.read({name.decode(): text for name, text in zip(reply[::2], reply[1::2], strict=True)}, self.name, key.text)

    def from_document(self, query: Query[Entity], key: Key, document: Document) -> Any:
        """Return the same from a document, which has the same fields."""
        if query.fields is None:
            return self.entity_type.read(document, self.name, key.text)
        return self.entity_type.read_fields({name: document[name] for name in query.fields if name in document}, self.name, key.text)
