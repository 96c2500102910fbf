"""``ReadDriverContract``: what every ``ReadDriver`` answers."""

from __future__ import annotations

from typing import Any

import pytest

from qapla.driver.read import ReadDriver
from qapla.errors import NotFound, QueryError
from qapla.testing.contracts.driver import DriverContract, Drivers, read_value
from qapla.testing.contracts.votes import VOTES


class ReadDriverContract(DriverContract):
    """What a ``ReadDriver`` answers."""

    @pytest.mark.parametrize("key", [(2, "yes"), [2, "yes"], {"choice": "yes", "poll": 2}])
    def test_gets_by_key(self, votes: Any, key: Any) -> None:
        """A key of several columns is a tuple in their order, or a mapping by their names."""
        found = votes[0].get_by_id(key)

        assert (read_value(found, "poll"), read_value(found, "choice"), read_value(found, "votes")) == (2, "yes", 5)

    @pytest.mark.parametrize("key", [1, {"id": 1}, (1,)])
    def test_gets_by_single_key(self, voters: Any, key: Any) -> None:
        """A key of one column is its value."""
        ada = voters[0].get_by(name="ada")
        number = read_value(ada, "id")
        key = number if isinstance(key, int) else {"id": number} if isinstance(key, dict) else (number,)

        assert read_value(voters[0].get_by_id(key), "name") == "ada"

    def test_finds_nothing(self, votes: Any) -> None:
        """``find_…`` answers None where ``get_…`` raises."""
        read, _ = votes

        assert (read.find_by_id((9, "no")), read.find_by(votes=99)) == (None, None)
        with pytest.raises(NotFound, match="has the key"):
            read.get_by_id((9, "no"))
        with pytest.raises(NotFound, match="has votes like that"):
            read.get_by(votes=99)

    @pytest.mark.parametrize("key", [1, (1,), (1, "no", 2), {"poll": 1}, {"poll": 1, "choice": "no", "more": 2}])
    def test_refuses_other_keys(self, votes: Any, key: Any) -> None:
        """A key has the parts of the primary key and no others."""
        with pytest.raises(QueryError, match=r"the key of \w+ is \(poll, choice\) and not"):
            votes[0].get_by_id(key)

    def test_refuses_several(self, votes: Any) -> None:
        """``find_by`` is for one row."""
        with pytest.raises(QueryError, match="have poll like that"):
            votes[0].find_by(poll=1)

    @pytest.mark.parametrize("question", ["find_by", "get_by", "filter", "page", "exists", "count"])
    def test_refuses_unknown_attributes(self, votes: Any, question: str) -> None:
        """An attribute that is not there is refused, naming the nearest."""
        with pytest.raises(QueryError, match=r"has no (attribute|column) 'vote' \(did you mean 'votes'\?\)"):
            getattr(votes[0], question)(vote=1)

    def test_lists_by_key(self, votes: Any) -> None:
        """Without an order it is that of the primary key."""
        read, _ = votes

        assert self.keys(read.list()) == [(vote["poll"], vote["choice"]) for vote in VOTES]
        assert self.keys(read.list(limit=2)) == [(1, "no"), (1, "yes")]

    @pytest.mark.parametrize(
        ("order", "first"),
        [
            ("-votes", [(3, "maybe"), (1, "yes"), (2, "no"), (1, "no"), (2, "yes")]),
            (("votes", "-poll"), [(2, "yes"), (1, "no"), (2, "no"), (1, "yes"), (3, "maybe")]),
            ("note", [(2, "no"), (3, "maybe"), (1, "no"), (1, "yes"), (2, "yes")]),
            ("-note", [(1, "no"), (2, "no"), (3, "maybe"), (1, "yes"), (2, "yes")]),
        ],
    )
    def test_lists_in_order(self, votes: Any, order: Any, first: Any) -> None:
        """The key decides between equal rows; NULL comes last, both ways. Pages have the same order."""
        read, _ = votes

        assert self.keys(read.list(order=order)) == first
        assert self.keys(self._walk(read, 2, order)) == first

    def test_refuses_unknown_orders(self, votes: Any) -> None:
        """An order is of columns."""
        with pytest.raises(QueryError, match=r"has no \w+ 'vote'"):
            votes[0].list(order="-vote")

    @pytest.mark.parametrize("size", [1, 2, 3, 5, 50])
    def test_pages_meet(self, votes: Any, size: int) -> None:
        """Page after page is every row once, and the last page says so."""
        assert self.keys(self._walk(votes[0], size, ())) == self.keys(votes[0].list())

    def test_pages_begin_anywhere(self, votes: Any) -> None:
        """After a key, a row, or a row that is gone; conditions hold on pages, too."""
        read, _ = votes
        row = read.get_by_id((1, "yes"))

        assert self.keys(read.page(2, after=(1, "yes"))) == self.keys(read.page(2, after=row)) == [(2, "no"), (2, "yes")]
        assert self.keys(read.page(2, after={"poll": 1, "choice": "zzz"})) == [(2, "no"), (2, "yes")]
        assert self.keys(read.page(2, self.of("votes") > 5, after=(1, "no"), choice="yes")) == [(1, "yes")]

    @pytest.mark.parametrize("arguments", [{"size": 0}, {"size": "2"}, {"after": 1}, {"after": (1,), "order": "votes"}])
    def test_refuses_impossible_pages(self, votes: Any, arguments: Any) -> None:
        """A page has a size, and begins after a place in its order."""
        with pytest.raises(QueryError):
            votes[0].page(**arguments)

    def test_filters(self, votes: Any) -> None:
        """Values are equal, None is NULL, everything else is a condition; all must hold."""
        read, of = votes[0], self.of

        assert self.keys(read.filter(choice="no")) == [(1, "no"), (2, "no")]
        assert self.keys(read.filter(note=None)) == [(1, "yes"), (2, "yes")]
        assert self.keys(read.filter(of("votes") >= 20, poll=1)) == [(1, "yes")]
        assert self.keys(read.filter(of("votes") > 0, order="-votes", limit=1)) == [(3, "maybe")]

    def test_filters_by_conditions(self, votes: Any) -> None:
        """A comparison with NULL is neither true nor false."""
        read, of = votes[0], self.of

        assert read.count(of("note") != "late") == 2
        assert read.count(~(of("note") == "late")) == 2
        assert read.count((of("note") == "late") | (of("votes") == 5)) == 2
        assert read.count((of("note") != "late") & of("votes").between(10, 20)) == 1
        assert read.count(of("note").is_(None)) == 2
        assert read.count(of("note").is_not(None), of("choice").not_in(["no", "maybe"])) == 0
        assert read.count(of("choice").in_(["no", "maybe"])) == 3
        assert read.count(of("choice").like("%a%")) == read.count(of("choice").contains("a")) == 1
        assert read.count(of("choice").startswith("y") | of("choice").ilike("NO")) == 4
        assert read.count(of("votes") * 2 + 1 > 40, of("votes") - 1 < 29) == 2

    def test_counts_and_exists(self, votes: Any) -> None:
        """Both take conditions and values."""
        read, of = votes[0], self.of

        assert (read.count(), read.count(poll=1), read.count(of("votes") > 100)) == (5, 2, 0)
        assert (read.exists(), read.exists(poll=9), read.exists(of("votes") > 10, choice="no")) == (True, False, True)

    def test_empty(self, drivers: Drivers) -> None:
        """Nothing there is no error."""
        read, _ = drivers(self.vote, ())

        assert (list(read.list()), list(read.page()), read.page().next, read.count(), read.exists()) == ([], [], None, 0, False)

    def _walk(self, read: ReadDriver[Any], size: int, order: Any) -> list[Any]:
        found: list[Any] = []
        after = None
        while True:
            page = read.page(size, after=after, order=order)
            found += page
            after = page.next
            if after is None:
                return found
            assert len(page) == size
