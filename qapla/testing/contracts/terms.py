"""What a fallback source does that a repository can be written behind to: ``TermsContract``."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from qapla.driver.repositories.source import FallbackDataSource
from qapla.errors import Superseded
from qapla.testing.contracts.fallback import FallbackSourceContract


class TermsContract(FallbackSourceContract):
    """All of ``FallbackSourceContract``; and who has begun the last term is the only one who settles."""

    def test_it_has_terms(self, source: FallbackDataSource) -> None:
        """It says that it can be written behind to."""
        assert source.has_terms

    def test_settled_together(self, source: FallbackDataSource) -> None:
        """Documents are kept and forgotten in one call, also only one of both, or nothing; twice is as once."""
        self.wait(source.begin_term("thing", "settled"))
        self.wait(source.put_many([(self.key(id), self.document(id)) for id in (1, 2)]))
        new = self.document(2, note='"new"')

        for _ in range(2):
            self.wait(source.settle("thing", "settled", [(self.key(2), new), (self.key(3), self.document(3))], [self.key(1)]))
        self.wait(source.settle("thing", "settled", [], [self.key(3), self.key(4)]))
        self.wait(source.settle("thing", "settled", [], []))

        assert self.wait(source.get_many([self.key(id) for id in (1, 2, 3)])) == [None, new, None]

    def test_an_old_term_is_over(self, source: FallbackDataSource) -> None:
        """Who has begun a term before somebody else, or never, is refused, and changes nothing; each repository has its own."""
        self.wait(source.begin_term("thing", "old"))
        self.wait(source.settle("thing", "old", [(self.key(1), self.document(1))], []))
        self.wait(source.begin_term("thing", "new"))
        self.wait(source.begin_term("other", "old"))

        for term in ("old", "never"):
            with pytest.raises(Superseded):
                self.wait(source.settle("thing", term, [(self.key(2), self.document(2))], [self.key(1)]))

        assert self.wait(source.get_many([self.key(1), self.key(2)])) == [self.document(1), None]

    def test_nothing_old_comes_after_a_new_term(self, source: FallbackDataSource) -> None:
        """When a new term has begun, what others settle has been done before, all of it, or never is."""
        ids = list(range(20))

        async def settle(term: str, amount: str) -> None:
            await source.settle("thing", term, [(self.key(id), self.document(id, amount=amount)) for id in ids], [])

        async def take_over(term: str) -> set[bytes]:
            await source.begin_term("thing", term)
            found = await source.get_many([self.key(id) for id in ids])
            return {document["amount"] for document in found if document is not None}

        async def race(old: str) -> tuple[set[bytes], BaseException | None, set[bytes]]:
            new = secrets.token_hex(8)
            await source.begin_term("thing", old)
            await settle(old, "1.5")
            late, seen = await asyncio.gather(settle(old, "2.5"), take_over(new), return_exceptions=True)
            assert isinstance(seen, set), seen
            after = await source.get_many([self.key(id) for id in ids])
            return seen, late, {document["amount"] for document in after if document is not None}

        for _ in range(2):
            seen, late, after = self.wait(race(secrets.token_hex(8)))
            assert (seen, after) == (({b"2.5"}, {b"2.5"}) if late is None else ({b"1.5"}, {b"1.5"}))
            assert late is None or isinstance(late, Superseded)
