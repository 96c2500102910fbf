"""A fallback source in this process, for tests and first steps: nothing of it is left when the process ends."""

from __future__ import annotations

from collections.abc import Sequence

from qapla.driver.repositories.entity import Document
from qapla.driver.repositories.keys import Key
from qapla.driver.repositories.source import FallbackDataSource


class DictFallbackDataSource(FallbackDataSource):
    """Keep documents in a dict, ``db``: by the text of their keys."""

    name = "dict"

    def __init__(self) -> None:
        self.db: dict[str, Document] = {}

    async def get_many(self, keys: Sequence[Key]) -> list[Document | None]:
        """Return copies of the documents."""
        found = [self.db.get(key.text) for key in keys]
        return [None if document is None else dict(document) for document in found]

    async def put_many(self, documents: Sequence[tuple[Key, Document]]) -> None:
        """Keep copies of *documents*."""
        self.db.update({key.text: dict(document) for key, document in documents})

    async def delete_many(self, keys: Sequence[Key]) -> None:
        """Forget the documents of *keys*."""
        for key in keys:
            self.db.pop(key.text, None)
