"""Entities as one string each: the JSON of all their fields. It takes less memory than a hash, and fields are not read alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qapla.driver.repositories.entity import Document
from qapla.driver.repositories.keys import Key
from qapla.driver.repositories.objects import join, split
from qapla.driver.repositories.query import Query
from qapla.driver.repositories.repository import Entity, KeyType, Repository
from qapla.driver.repositories.source import Command
from qapla.errors import EntityDamaged


class DocumentRepository(Repository[Entity, KeyType]):
    """Entities of any class with fields, as JSON documents."""

    def document_of(self, entity: Entity, key: Key) -> Document:
        """Return the JSON of each field."""
        return self.entity_type.write(entity, self.name, key.text)

    def write_commands(self, key: Key, document: Document) -> list[Command]:
        """Write the document."""
        return [("SET", key.text, join(document))]

    def read_commands(self, key: Key, query: Query[Entity]) -> list[Command]:
        """Read the document."""
        return [("GET", key.text)]

    def parse(self, query: Query[Entity], key: Key, replies: Sequence[Any], exists: bool) -> Any:
        """Return the entity, or a dict of the wanted fields."""
        if replies[0] is None:
            return None
        try:
            document = split(replies[0].decode())
        except ValueError:
            raise EntityDamaged(f"what is kept as {key.text!r} is no document", repository=self.name, key=key.text) from None
        return self.from_document(query, key, document)

    def from_document(self, query: Query[Entity], key: Key, document: Document) -> Any:
        """Return the same from a document."""
        if query.fields is None:
            return self.entity_type.read(document, self.name, key.text)
        return self.entity_type.read_fields({name: document[name] for name in query.fields if name in document}, self.name, key.text)
