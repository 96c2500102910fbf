"""Contracts: suites that every implementation of a thing must pass, ours and yours.

``ReadDriverContract`` and ``WriteDriverContract`` say what a driver does, whatever is behind it. qapla's own drivers pass them on every
engine, over models and over Core tables, and so do the fakes. Whoever has a base class of drivers of his own, or another session, holds it
to them::

    class TestOurReading(ReadDriverContract):

        @pytest.fixture
        def drivers(self, dbsession):
            Base.metadata.create_all(dbsession.connection())

            def make(model, rows):
                write = OurWriteDriver[model](dbsession)
                write.create_all(rows)
                return OurReadDriver[model](dbsession), write

            return make

The rows are votes (a key of two columns) and voters (a key that is counted up, a unique name, a unique address that may be NULL). To run a
contract over Core tables set ``vote`` and ``voter`` to ``Vote.__table__`` and ``Voter.__table__``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import pytest
from sqlalchemy import String, true
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from qapla.driver.read import ReadDriver
from qapla.driver.write import WriteDriver
from qapla.errors import DatabaseError, NotFound, QueryError

Drivers = Callable[[Any, Sequence[Mapping[str, Any]]], tuple[ReadDriver[Any], WriteDriver[Any]]]


class Base(DeclarativeBase):
    """The base of the contracts' models."""


class Vote(Base):
    """A row with a key of two columns."""

    __tablename__ = "qapla_contract_vote"
    poll: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    choice: Mapped[str] = mapped_column(String(20), primary_key=True)
    votes: Mapped[int] = mapped_column(default=0)
    note: Mapped[str | None] = mapped_column(String(50))


class Voter(Base):
    """A row with a key that is counted up and two unique columns."""

    __tablename__ = "qapla_contract_voter"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)
    address: Mapped[str | None] = mapped_column(String(50), unique=True)
    visits: Mapped[int] = mapped_column(default=1, onupdate=7)


VOTES = (
    {"poll": 1, "choice": "no", "votes": 10, "note": "late"},
    {"poll": 1, "choice": "yes", "votes": 20, "note": None},
    {"poll": 2, "choice": "no", "votes": 20, "note": "early"},
    {"poll": 2, "choice": "yes", "votes": 5, "note": None},
    {"poll": 3, "choice": "maybe", "votes": 30, "note": "early"},
)
VOTERS = ({"name": "ada", "address": "a@example.org"}, {"name": "bob", "address": None}, {"name": "cleo", "address": None})


class DriverContract:
    """What both contracts need.

    Attributes:
        vote: the model of votes, or its table.
        voter: the model of voters, or its table.
    """

    vote: ClassVar[Any] = Vote
    voter: ClassVar[Any] = Voter

    @pytest.fixture
    def drivers(self) -> Drivers:
        """Return a function: model and rows in, a reading and a writing driver over these rows out. To be overridden."""
        raise NotImplementedError(f"{type(self).__name__} has no fixture 'drivers'")

    @pytest.fixture
    def votes(self, drivers: Drivers) -> tuple[ReadDriver[Any], WriteDriver[Any]]:
        """Give the test the drivers of five votes."""
        return drivers(self.vote, VOTES)

    @pytest.fixture
    def voters(self, drivers: Drivers) -> tuple[ReadDriver[Any], WriteDriver[Any]]:
        """Give the test the drivers of three voters."""
        return drivers(self.voter, VOTERS)

    def of(self, name: str) -> Any:
        """Return an attribute of votes, for conditions."""
        return self.vote.c[name] if hasattr(self.vote, "c") else getattr(self.vote, name)

    def keys(self, rows: Any) -> list[tuple[Any, Any]]:
        """Return the keys of votes."""
        return [(read_value(row, "poll"), read_value(row, "choice")) for row in rows]


def read_value(row: Any, name: str) -> Any:
    """Return one value of a row, a mapping or an object."""
    return row[name] if isinstance(row, Mapping) else getattr(row, name)


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


class WriteDriverContract(DriverContract):
    """What a ``WriteDriver`` changes."""

    def test_creates(self, voters: Any) -> None:
        """The row comes back with its key and its defaults."""
        read, write = voters

        made = write.create(name="dan")

        assert isinstance(read_value(made, "id"), int)
        assert (read_value(made, "name"), read_value(made, "address"), read_value(made, "visits")) == ("dan", None, 1)
        assert read_value(read.get_by_id(read_value(made, "id")), "name") == "dan"

    def test_updates(self, votes: Any) -> None:
        """The row comes back as it is then; others stay as they were."""
        read, write = votes

        changed = write.update(read.get_by_id((1, "no")), votes=11, note=None)

        assert (read_value(changed, "votes"), read_value(changed, "note")) == (11, None)
        assert [read_value(row, "votes") for row in read.list()] == [11, 20, 20, 5, 30]
        assert read.count(note=None) == 3

    def test_updates_by_expression(self, votes: Any) -> None:
        """A new value may be computed from the old one, in the database."""
        read, write = votes

        changed = write.update(read.get_by_id((1, "no")), votes=self.of("votes") + 1)

        assert read_value(changed, "votes") == 11

    def test_deletes(self, votes: Any) -> None:
        """The row is gone."""
        read, write = votes

        write.delete(read.get_by_id((1, "no")))

        assert self.keys(read.list()) == [(1, "yes"), (2, "no"), (2, "yes"), (3, "maybe")]

    def test_changes_by_key(self, votes: Any) -> None:
        """By key it is told whether there was such a row."""
        read, write = votes

        assert (write.update_by_id((1, "no"), votes=1), write.update_by_id((9, "no"), votes=1)) == (True, False)
        assert (write.delete_by_id({"poll": 2, "choice": "no"}), write.delete_by_id((2, "no"))) == (True, False)
        assert [read_value(row, "votes") for row in read.list()] == [1, 20, 5, 30]

    def test_many(self, votes: Any) -> None:
        """Many rows are made, changed and deleted by key; the number of those that were there comes back."""
        read, write = votes

        new = [{"poll": 4, "choice": "a"}, {"poll": 4, "choice": "b", "votes": 3}, {"poll": 4, "choice": "c", "note": "x"}]
        made = write.create_all(new)
        changed = write.update_all(
            [{"poll": 4, "choice": "a", "votes": 1}, {"poll": 4, "choice": "b", "note": "y"}, {"poll": 9, "choice": "z", "votes": 1}]
        )
        deleted = write.delete_all([(1, "no"), (1, "yes"), (9, "z")])

        assert (made, changed, deleted) == (3, 2, 2)
        rows = read.filter(self.of("poll") == 4)
        assert [(read_value(row, "votes"), read_value(row, "note")) for row in rows] == [(1, None), (3, "y"), (0, "x")]
        assert read.count() == 6

    def test_many_by_single_key(self, voters: Any) -> None:
        """Keys of one column, too; what was read before is read again."""
        read, write = voters
        ada, bob, _ = read.list(order="name")

        write.update_all([{"id": read_value(ada, "id"), "visits": 5}])
        deleted = write.delete_all([read_value(bob, "id"), -1])

        assert (read_value(read.get_by(name="ada"), "visits"), deleted, read.exists(name="bob")) == (5, 1, False)

    def test_none(self, votes: Any) -> None:
        """Nothing to do is no error."""
        write = votes[1]

        assert (write.create_all([]), write.update_all([]), write.delete_all([]), write.upsert_all([])) == (0, 0, 0, 0)

    def test_where(self, votes: Any) -> None:
        """Rows are changed and deleted by conditions; their number comes back. What was read before follows."""
        read, write = votes
        kept = read.get_by_id((1, "no"))

        changed = write.update_where({"votes": self.of("votes") + 1, "note": "new"}, self.of("votes") < 20, poll=1)
        deleted = write.delete_where(self.of("note").is_(None), choice="yes")

        assert (changed, deleted, read.count()) == (1, 2, 3)
        kept = kept if not isinstance(kept, Mapping) else read.get_by_id((1, "no"))
        assert (read_value(kept, "votes"), read_value(kept, "note")) == (11, "new")

    def test_all_only_when_said(self, votes: Any) -> None:
        """No condition does not mean every row; ``true()`` does."""
        read, write = votes

        with pytest.raises(QueryError, match="nothing says which rows"):
            write.delete_where()
        with pytest.raises(QueryError, match="nothing says which rows"):
            write.update_where({"votes": 1})
        assert write.delete_where(true()) == 5
        assert read.count() == 0

    def test_upserts_by_key(self, votes: Any) -> None:
        """A row that is there is changed, another is made; what is not named stays."""
        read, write = votes

        changed = write.upsert(poll=1, choice="no", votes=99)
        made = write.upsert(poll=7, choice="no", votes=1)

        assert (read_value(changed, "votes"), read_value(changed, "note"), read_value(made, "votes")) == (99, "late", 1)
        assert (read.count(), read_value(read.get_by_id((1, "no")), "votes")) == (6, 99)

    def test_upserts_by_unique_column(self, voters: Any) -> None:
        """Any unique set decides; the key stays, defaults are filled in, and what changes on every update does."""
        read, write = voters
        ada = read_value(read.get_by(name="ada"), "id")

        changed = write.upsert("name", name="ada", address="new@example.org")
        made = write.upsert(("name",), name="dan")
        same = write.upsert("name", name="bob")

        assert (read_value(changed, "id"), read_value(changed, "address"), read_value(changed, "visits")) == (ada, "new@example.org", 7)
        assert (read_value(made, "visits"), read_value(same, "visits"), read.count()) == (1, 1, 4)

    def test_upserts_many(self, voters: Any) -> None:
        """Rows may name different attributes."""
        read, write = voters

        done = write.upsert_all([{"name": "ada", "visits": 3}, {"name": "eve"}, {"name": "eve", "visits": 4}], by="name")

        assert done == 3
        assert [read_value(row, "visits") for row in read.list(order="name")] == [3, 1, 1, 4]

    def test_upsert_minds_other_keys(self, voters: Any) -> None:
        """Another unique set's clash is an error and never changes that other row."""
        with pytest.raises(DatabaseError) as caught:
            voters[1].upsert("name", name="dan", address="a@example.org")

        assert (caught.value.code, caught.value.status) == ("23505", 409)

    @pytest.mark.parametrize(
        ("by", "values", "message"),
        [
            ("visits", {"visits": 1}, r"is not unique by \(visits\) \(one of \(id\) or \((address|name)\) or \((address|name)\)\)"),
            ("nam", {"name": "x"}, r"has no (attribute|column) 'nam' \(did you mean 'name'\?\)"),
            ("name", {"visits": 1}, r"by \(name\) has no 'name'"),
            ("address", {"name": "x", "address": None}, r"by \(address\) has no 'address'"),
            (None, {"name": "x"}, r"by \(id\) has no 'id'"),
        ],
    )
    def test_refuses_impossible_upserts(self, voters: Any, by: Any, values: Any, message: str) -> None:
        """What decides must be unique, and have a value."""
        with pytest.raises(QueryError, match=message):
            voters[1].upsert(by, **values)

    def test_refuses_unknown_attributes(self, votes: Any) -> None:
        """An attribute that is not there is refused everywhere, naming the nearest, and nothing changes."""
        read, write = votes
        row, wrong = read.get_by_id((1, "no")), {"poll": 1, "choice": "no", "vote": 1}

        for change in (
            lambda: write.create(**wrong),
            lambda: write.update(row, vote=1),
            lambda: write.update_by_id((1, "no"), vote=1),
            lambda: write.create_all([wrong]),
            lambda: write.update_all([wrong]),
            lambda: write.upsert(**wrong),
            lambda: write.upsert_all([wrong]),
            lambda: write.update_where({"vote": 1}, poll=1),
            lambda: write.delete_where(vote=1),
        ):
            with pytest.raises(QueryError, match=r"has no (attribute|column) 'vote' \(did you mean 'votes'\?\)"):
                change()
        assert [read_value(found, "votes") for found in read.list()] == [10, 20, 20, 5, 30]

    @pytest.mark.parametrize("changes", [[{"poll": 1, "votes": 1}], [{"poll": 1, "choice": "no"}]])
    def test_refuses_half_changes(self, votes: Any, changes: Any) -> None:
        """Each mapping of a bulk update has the whole key, and something new."""
        with pytest.raises(QueryError):
            votes[1].update_all(changes)

    def test_refuses_other_things(self, votes: Any) -> None:
        """Only rows can be changed and deleted."""
        with pytest.raises(QueryError, match="'int' is no"):
            votes[1].update(1, votes=1)
        with pytest.raises(QueryError, match="'int' is no"):
            votes[1].delete(1)

    @pytest.mark.parametrize(
        ("values", "code"), [({"name": "ada"}, "23505"), ({"name": None}, "23502"), ({"name": "x", "address": "a@example.org"}, "23505")]
    )
    def test_constraints_hold(self, voters: Any, values: Any, code: str) -> None:
        """A broken constraint is the same error on every engine."""
        with pytest.raises(DatabaseError) as caught:
            voters[1].create(**values)

        assert caught.value.code == code

    def test_bulk_constraints_hold(self, votes: Any) -> None:
        """In bulk, too."""
        with pytest.raises(DatabaseError) as caught:
            votes[1].create_all([{"poll": 8, "choice": "a"}, {"poll": 1, "choice": "no"}])

        assert (caught.value.code, caught.value.status) == ("23505", 409)
