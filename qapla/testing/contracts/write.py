"""``WriteDriverContract``: what every ``WriteDriver`` changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import true

from qapla.errors import DatabaseError, QueryError
from qapla.testing.contracts.driver import DriverContract, read_value


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
