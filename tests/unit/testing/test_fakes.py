"""qapla.testing.fakes: drivers without a database, held to the contracts of the real ones"""

from __future__ import annotations

import pytest
from sqlalchemy import ForeignKey, exists, func, select
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from qapla.driver import ReadDriver, WriteDriver
from qapla.errors import ConfigurationError, DatabaseError, NotFound, NotOffered
from qapla.testing import FakeReadDriver, contracts, fake_of
from qapla.testing.contracts import Vote


class Base(DeclarativeBase):
    """The base."""


class Poll(Base):
    """What is asked."""

    __tablename__ = "poll"
    id: Mapped[int] = mapped_column(primary_key=True)
    question: Mapped[str]


class Choice(Base):
    """One answer to a poll."""

    __tablename__ = "choice"
    id: Mapped[int] = mapped_column(primary_key=True)
    poll_id: Mapped[int] = mapped_column(ForeignKey("poll.id"))
    poll: Mapped[Poll] = relationship()
    votes: Mapped[int] = mapped_column(default=0)
    open: Mapped[bool] = mapped_column(default=True)

    @hybrid_property
    def is_popular(self):
        """Tell whether many want it."""
        return self.votes > 10


class ChoiceReadDriver(ReadDriver[Choice]):
    """Questions of its own."""

    def winners(self):
        """Return the popular ones."""
        return self.filter(Choice.votes > 10, order="-votes")

    def by_hand(self):
        """Ask the session."""
        return self.session.scalars(select(Choice)).all()


class ChoiceWriteDriver(WriteDriver[Choice]):
    """Changes that are kept at once."""

    commit = True

    def vote(self, choice):
        """Count one more."""
        return self.update(choice, votes=Choice.votes + 1)


class InMemory:
    """Fakes of drivers."""

    @pytest.fixture
    def drivers(self):
        """Return the function that a contract asks for."""

        def make(model, rows):
            read = fake_of(type("Reading", (ReadDriver,), {"model": model}), rows)
            return read, fake_of(type("Writing", (WriteDriver,), {"model": model}), read)

        return make


class OnTables(InMemory):
    """Fakes of drivers of Core tables."""

    vote = contracts.Vote.__table__
    voter = contracts.Voter.__table__


class TestReadModels(InMemory, contracts.ReadDriverContract):
    """The fake ReadDriver of a model"""


class TestReadTables(OnTables, contracts.ReadDriverContract):
    """The fake ReadDriver of a table"""


class TestWriteModels(InMemory, contracts.WriteDriverContract):
    """The fake WriteDriver of a model"""


class TestWriteTables(OnTables, contracts.WriteDriverContract):
    """The fake WriteDriver of a table"""


CHOICES = [{"poll_id": 1, "votes": 3}, {"poll_id": 1, "votes": 30}, {"poll_id": 2, "votes": 20, "open": False}]


def test_own_methods():
    """What a driver's own methods do by those of the framework works."""
    read = fake_of(ChoiceReadDriver, CHOICES)

    assert isinstance(read, ChoiceReadDriver)
    assert [choice.votes for choice in read.winners()] == [30, 20]


def test_own_sql():
    """What asks the session by itself is refused, with a hint."""
    with pytest.raises(NotOffered, match=r"a fake of ChoiceReadDriver has no session \(test a method that uses self.session against"):
        fake_of(ChoiceReadDriver).by_hand()


def test_shared_rows():
    """A fake of a writing driver changes what the fake of the reading one answers; commits are counted."""
    read = fake_of(ChoiceReadDriver, CHOICES)
    write = fake_of(ChoiceWriteDriver, read)

    write.vote(read.get_by_id(1))

    assert read.get_by_id(1).votes == 4
    assert write.store.commits == 1
    assert read.rows == list(read.list())


def test_shared_rows_are_of_one_model():
    """Rows of another model cannot be shared."""
    with pytest.raises(ConfigurationError, match="cannot share the rows of Choice"):
        fake_of(ReadDriver[Poll], fake_of(ChoiceReadDriver))


def test_objects():
    """Rows can be objects, which come back as they are; what is set by relation has its key, too."""
    poll = Poll(id=7, question="more?")
    choice = Choice(poll=poll, votes=1)
    read = fake_of(ChoiceReadDriver, [choice])

    assert read.get_by_id(1) is choice
    assert read.find_by(poll=poll) is choice
    assert (choice.poll_id, choice.open) == (7, True)


def test_conditions_of_models():
    """Booleans, hybrids and the functions of every engine are evaluated."""
    read = fake_of(ChoiceReadDriver, CHOICES)

    assert read.count(Choice.open) == 2
    assert read.count(~Choice.open) == 1
    assert read.count(Choice.is_popular) == 2
    assert read.count(func.coalesce(Choice.votes, 0) > func.abs(-10)) == 2
    assert read.count(Choice.poll_id.is_distinct_from(2), -Choice.votes < -3) == 1


@pytest.mark.parametrize(
    ("condition", "name"),
    [
        (exists().where(Poll.id == Choice.poll_id), "Select"),
        (Choice.poll.has(question="more?"), "Select"),
        (Poll.id == 1, "poll.id"),
        (func.random() > 1, r"random\(\)"),
        (Choice.votes.op("%%")(2) == 0, "custom_op"),
        (Choice.votes.in_(select(Poll.id)), "Select"),
    ],
)
def test_refused_conditions(condition, name):
    """What only a database can answer is refused by name."""
    with pytest.raises(NotOffered, match=rf"a fake of Choice cannot evaluate '{name}'"):
        fake_of(ChoiceReadDriver, CHOICES).count(condition)


def test_no_driver():
    """Only drivers have fakes."""
    with pytest.raises(ConfigurationError, match="'Poll' is no driver"):
        fake_of(Poll)


def test_class():
    """A fake can be a class with a model of its own."""

    class FakeVotes(FakeReadDriver):
        model = Vote

    assert FakeVotes([{"poll": 1, "choice": "no"}]).get_by_id((1, "no")).votes == 0


def test_changes_are_all_or_nothing():
    """A bulk change that breaks a rule in the middle changes nothing."""
    read = fake_of(ReadDriver[Vote], contracts.VOTES)
    write = fake_of(WriteDriver[Vote], read)

    with pytest.raises(DatabaseError):
        write.update_where({"poll": 1, "votes": 0}, choice="no")

    assert [vote.votes for vote in read.list()] == [10, 20, 20, 5, 30]


def test_gone_rows():
    """A row that somebody has deleted cannot be changed."""
    write = fake_of(WriteDriver[Vote], contracts.VOTES)
    vote = fake_of(ReadDriver[Vote], write).get_by_id((1, "no"))
    write.delete(vote)

    with pytest.raises(NotFound, match=r"Vote with the key \(1, no\) is gone"):
        write.update(vote, votes=1)
