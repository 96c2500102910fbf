"""A fallback source in this process, for tests and first steps: nothing of it is left when the process ends."""

from __future__ import annotations

from collections.abc import Sequence

from qapla.driver.repositories.entity import Document
from qapla.driver.repositories.keys import Key
from qapla.driver.repositories.source import FallbackDataSource
from qapla.errors import Superseded


class DictFallbackDataSource(FallbackDataSource):
    """Keep documents in a dict, ``db``: by the text of their keys."""

    name = "dict"
    has_terms = True

    def __init__(self) -> None:
        self.db: dict[str, Document] = {}
        self._terms: dict[str, str] = {}

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

    async def begin_term(self, repository: str, term: str) -> None:
        """Note who settles for *repository*."""
        self._terms[repository] = term

    async def settle(self, repository: str, term: str, documents: Sequence[tuple[Key, Document]], keys: Sequence[Key]) -> None:
        """Keep and forget documents, while *term* is the last one."""
        if term != self._terms.get(repository):
            raise Superseded(f"somebody else writes behind repository {repository!r} now", repository=repository)
        await self.put_many(documents)
        await self.delete_many(keys)
