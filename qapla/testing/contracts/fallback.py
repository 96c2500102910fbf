"""What every fallback source does: ``FallbackSourceContract``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import pytest

from qapla.driver.repositories.entity import Document
from qapla.driver.repositories.keys import Key, make_key
from qapla.driver.repositories.source import FallbackDataSource

ATTRS, FIELDS = ("id", "place"), ("id", "place", "amount", "note")

NOTES = ['""', '"null"', "null", '"\'\\" \\\\ % :x {y}"', '"Grüße ☃ \U0001f600"', '" a "', '"\\t\\n\\u2028"']
AMOUNTS = ["0.1", "-2.5e-7", "123456789.125", "1.7976931348623157e308", "5e-300", "null"]
PLACES = ["a", "a:b", "a%3Ab", "A", "a ", "ä", "'"]


class FallbackSourceContract:
    """A fallback source keeps documents by their keys, exactly, all of a call or none.

    The documents have the fields ``id`` (a whole number) and ``place`` (text), which are the key, ``amount`` (a double or null) and
    ``note`` (text or null).
    """

    @pytest.fixture
    def source(self) -> FallbackDataSource:
        """Return an empty source. To be overridden."""
        raise NotImplementedError(f"{type(self).__name__} has no fixture 'source'")

    @pytest.fixture(autouse=True)
    def checked(self, source: FallbackDataSource) -> None:
        """Tell the source what the repository keeps, as a repository does."""
        source.check("thing", ATTRS, FIELDS)

    def wait(self, asked: Coroutine[Any, Any, Any]) -> Any:
        """Await what is asked of a source, in an event loop of its own."""
        return asyncio.run(asked)

    def key(self, id: int, place: str = "here") -> Key:
        """Return a key."""
        return make_key("thing", ATTRS, (id, place))

    def document(self, id: int, place: str = "here", amount: str = "1.5", note: str = '"x"') -> Document:
        """Return a document."""
        return {"id": b"%d" % id, "place": f'"{place}"'.encode(), "amount": amount.encode(), "note": note.encode()}

    def test_documents_come_in_the_order_of_their_keys(self, source: FallbackDataSource) -> None:
        """Each key has its document, in order, also twice; None where there is none."""
        one, two = self.document(1), self.document(2, note="null")
        self.wait(source.put_many([(self.key(2), two), (self.key(1), one)]))

        found = self.wait(source.get_many([self.key(1), self.key(3), self.key(2), self.key(1)]))

        assert found == [one, None, two, one]

    def test_text_is_exact(self, source: FallbackDataSource) -> None:
        """Text comes back as it was, whatever is in it."""
        documents = [(self.key(id), self.document(id, note=note)) for id, note in enumerate(NOTES)]

        self.wait(source.put_many(documents))

        found = self.wait(source.get_many([key for key, _ in documents]))
        assert [json.loads(document["note"]) for document in found] == [json.loads(note) for note in NOTES]

    def test_numbers_are_exact(self, source: FallbackDataSource) -> None:
        """A double comes back as the same double."""
        documents = [(self.key(id), self.document(id, amount=amount)) for id, amount in enumerate(AMOUNTS)]

        self.wait(source.put_many(documents))

        found = self.wait(source.get_many([key for key, _ in documents]))
        assert [json.loads(document["amount"]) for document in found] == [json.loads(amount) for amount in AMOUNTS]

    def test_a_document_takes_the_place_of_another(self, source: FallbackDataSource) -> None:
        """What is put under a key is all that is there; others stay as they are."""
        self.wait(source.put_many([(self.key(1), self.document(1)), (self.key(2), self.document(2))]))

        self.wait(source.put_many([(self.key(1), self.document(1, amount="null", note='"new"')), (self.key(3), self.document(3))]))

        found = self.wait(source.get_many([self.key(1), self.key(2), self.key(3)]))
        assert found == [self.document(1, amount="null", note='"new"'), self.document(2), self.document(3)]

    def test_the_same_again_changes_nothing(self, source: FallbackDataSource) -> None:
        """A document can be put twice."""
        for _ in range(2):
            self.wait(source.put_many([(self.key(1), self.document(1))]))

        assert self.wait(source.get_many([self.key(1)])) == [self.document(1)]

    def test_deleted_documents_are_gone(self, source: FallbackDataSource) -> None:
        """What is deleted is gone, the rest is not; what is not there can be deleted."""
        self.wait(source.put_many([(self.key(id), self.document(id)) for id in (1, 2, 3)]))

        for _ in range(2):
            self.wait(source.delete_many([self.key(1), self.key(3), self.key(9)]))

        assert self.wait(source.get_many([self.key(1), self.key(2), self.key(3)])) == [None, self.document(2), None]

    def test_keys_are_exact(self, source: FallbackDataSource) -> None:
        """A key is not another one that only looks like it."""
        keys = [self.key(1, place) for place in PLACES]

        for count, key in enumerate(keys):
            assert self.wait(source.get_many(keys[count:])) == [None] * (len(keys) - count)
            self.wait(source.put_many([(key, self.document(1, key.values[1]))]))

        assert self.wait(source.get_many(keys)) == [self.document(1, place) for place in PLACES]

    def test_documents_of_many_keys(self, source: FallbackDataSource) -> None:
        """Five hundred are put and read together."""
        keys = [self.key(id) for id in range(500)]
        self.wait(source.put_many([(key, self.document(id)) for id, key in enumerate(keys)]))

        found = self.wait(source.get_many(keys))

        assert found == [self.document(id) for id in range(500)]

    def test_side_by_side(self, source: FallbackDataSource) -> None:
        """Calls of one event loop run side by side, also on the same keys in another order."""

        async def write(round: int) -> None:
            ids = [1, 2, 3] if round % 2 else [3, 2, 1]
            await source.put_many([(self.key(id), self.document(id, amount=f"{round}.5")) for id in ids])

        async def use() -> list[Document | None]:
            await asyncio.gather(*(write(round) for round in range(6)))
            return await source.get_many([self.key(1), self.key(2), self.key(3)])

        found = self.wait(use())

        assert len({document["amount"] for document in found}) == 1

    def test_documents_are_copies(self, source: FallbackDataSource) -> None:
        """Whoever changes a document that he has put or read changes nothing else."""
        document = self.document(1)
        self.wait(source.put_many([(self.key(1), document)]))

        document["note"] = b"null"
        self.wait(source.get_many([self.key(1)]))[0]["note"] = b"null"

        assert self.wait(source.get_many([self.key(1)])) == [self.document(1)]

    def test_closed_source_opens_again(self, source: FallbackDataSource) -> None:
        """Closing is for the connections of a loop; the source can be used after that."""

        async def use() -> list[Document | None]:
            await source.put_many([(self.key(1), self.document(1))])
            await source.aclose()
            return await source.get_many([self.key(1)])

        assert self.wait(use()) == [self.document(1)]
