"""qapla.driver.read and qapla.driver.write: CQRS over models"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import ForeignKey, String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from qapla.database.database import IMMEDIATE, open_engine
from qapla.driver.read import ReadDriver
from qapla.driver.write import WriteDriver
from qapla.errors import DatabaseError, NotFound, NotOffered, QueryError
from qapla.testing import at_most


class Model(DeclarativeBase):
    """The base."""


class Vote(Model):
    """A model with a key of two columns."""

    __tablename__ = "vote"
    poll: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    choice: Mapped[str] = mapped_column(String(20), primary_key=True)
    votes: Mapped[int] = mapped_column(default=0)


class VoteReadDriver(ReadDriver[Vote]):
    """Questions about votes."""

    model = Vote


class VoteWriteDriver(WriteDriver[Vote]):
    """Changes of votes."""

    model = Vote


class TableOfVotes(ReadDriver[dict]):
    """The same questions about the table."""

    model = Vote.__table__


@pytest.fixture
def session(fresh_database):
    """Give a session on a database with seven votes."""
    engine = create_engine(fresh_database)
    Model.metadata.create_all(engine)
    with Session(engine) as session:
        VoteWriteDriver(session).create_all(
            {"poll": poll, "choice": choice, "votes": poll * 10} for poll in (1, 2, 3) for choice in ("no", "yes")
        )
        VoteWriteDriver(session).create(poll=4, choice="maybe")
        session.commit()
        yield session
    engine.dispose()


def test_read(session):
    """Objects are found by key, by attribute, by condition, page by page."""
    read = VoteReadDriver(session)

    assert read.get_by_id((2, "yes")).votes == 20
    assert read.find_by_id((9, "no")) is None
    assert read.find_by(choice="maybe").poll == 4
    assert [vote.poll for vote in read.filter(Vote.votes > 10, choice="no")] == [2, 3]
    assert [(vote.poll, vote.choice) for vote in read.page(2, after=(1, "yes"))] == [(2, "no"), (2, "yes")]
    assert len(read.list()) == read.count() == 7
    assert (read.exists(poll=3), read.exists(poll=9), read.count(poll=1)) == (True, False, 2)


@pytest.mark.parametrize(
    "key",
    [
        (2**31, "no"), (2**70, "no"), (-(2**70), "no"), (10**100, "no"), (1, "\ud800"), (1, "no\0"),
        ("x", "no"), (b"1", 2), (None, None),
    ],
)
def test_key_that_nothing_can_have(session, key):
    """What an address says is not always of its column's type, nor in its range; nothing is there, and the session goes on."""
    read, write = VoteReadDriver(session), VoteWriteDriver(session)
    table = TableOfVotes(session)

    assert (read.find_by_id(key), table.find_by_id(key)) == (None, None)
    assert (write.update_by_id(key, votes=1), write.delete_by_id(key), write.delete_all([key])) == (False, False, 0)
    assert read.get_by_id((2, "yes")).votes == 20


def test_read_refusals(session):
    """What is not there, not clear, or not an attribute is told by name."""
    read = VoteReadDriver(session)

    with pytest.raises(NotFound, match=r"no Vote has the key"):
        read.get_by_id((9, "no"))
    with pytest.raises(QueryError, match="several Vote have poll like that"):
        read.find_by(poll=1)
    with pytest.raises(QueryError, match=r"Vote has no attribute 'vote' \(did you mean 'votes'\?\)"):
        read.exists(vote=1)


def test_a_number_is_a_text_where_the_key_is_one(session):
    """A key of text is found by what is written like it, on every engine."""
    VoteWriteDriver(session).create(poll=77, choice="5", votes=1)

    assert VoteReadDriver(session).get_by_id((77, 5)).votes == 1
    assert VoteWriteDriver(session).delete_by_id((77, 5))


def test_page_after_nothing(session):
    """A place that no row can have is refused, and the session goes on."""
    read = VoteReadDriver(session)

    with pytest.raises(QueryError, match=r"no page of Vote begins after \"\('x', 'no'\)\""):
        read.page(2, after=("x", "no"))
    assert read.count() == 7


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda read: read.find_by(), r"there are several Vote \(ask for a list\)"),
        (lambda read: read.list(-2), r"a list of Vote has the limit '-2' \(0 or more"),
        (lambda read: read.list("x"), r"a list of Vote has the limit 'x'"),
        (lambda read: read.filter("votes > 0"), r"a condition on Vote is none \(an expression: Vote\.poll"),
        (lambda read: read.count("votes > 0"), "a condition on Vote is none"),
        (lambda read: read.get_by_id({"poll": 1}), r"the key of Vote is \(poll, choice\) and not \(poll\)"),
    ],
)
def test_impossible_questions(session, ask, message):
    """They are refused before the database is asked."""
    with pytest.raises(QueryError, match=message):
        ask(VoteReadDriver(session))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda write: write.update_all([{"votes": 3}]), r"the key of Vote is \(poll, choice\) and not \(\)"),
        (lambda write: write.create_all(["abc"]), r"'str' is no row of Vote"),
        (lambda write: write.delete_where("votes > 0"), "a condition on Vote is none"),
    ],
)
def test_impossible_changes(session, change, message):
    """They are refused before the database is asked."""
    with pytest.raises(QueryError, match=message):
        change(VoteWriteDriver(session))


def test_page_costs_one_statement(session):
    """However far it is."""
    with at_most(1, session.get_bind()):
        VoteReadDriver(session).page(2, after=(3, "no"))


def test_write(session):
    """Changes are flushed, and kept when the session's owner commits."""
    write, read = VoteWriteDriver(session), VoteReadDriver(session)

    write.update(read.get_by_id((1, "no")), votes=99)
    write.delete(read.get_by_id((1, "yes")))
    assert write.delete_by_id((2, "no")) is True
    assert write.delete_by_id((2, "no")) is False
    session.commit()

    assert [(vote.poll, vote.choice, vote.votes) for vote in read.list(limit=2)] == [(1, "no", 99), (2, "yes", 20)]


def test_write_refusals(session):
    """An unknown attribute changes nothing; a broken constraint is known at once."""
    write = VoteWriteDriver(session)

    with pytest.raises(QueryError, match="has no attribute 'colour'"):
        write.create(poll=5, choice="no", colour="red")
    with pytest.raises(QueryError, match="has no attribute 'colour'"):
        write.create_all([{"poll": 5, "choice": "no", "colour": "red"}])
    with pytest.raises(DatabaseError, match="duplicate key"):
        write.create_all([{"poll": 1, "choice": "no", "votes": 1}])
    session.rollback()
    assert VoteReadDriver(session).count() == 7


def test_own_commit(session):
    """A driver with ``commit`` keeps each change by itself."""

    class Own(VoteWriteDriver):
        commit = True

    Own(session).create(poll=8, choice="no")
    session.rollback()

    assert VoteReadDriver(session).exists(poll=8)


def test_failed_own_commit(session):
    """What a driver with ``commit`` cannot keep is rolled back, so that the session goes on."""

    class Own(VoteWriteDriver):
        commit = True

    with pytest.raises(DatabaseError):
        Own(session).create(poll=1, choice="no")

    assert VoteReadDriver(session).count() == 7


def test_objects_of_the_session(session):
    """An object that was never saved is refused, one that has lost its session comes back."""
    write, read = VoteWriteDriver(session), VoteReadDriver(session)
    vote = read.get_by_id((1, "no"))
    session.expunge(vote)

    write.update(vote, votes=5)

    assert read.count(votes=5) == 1
    with pytest.raises(QueryError, match=r"this Vote was never saved \(use create\)"):
        write.delete(Vote(poll=1, choice="x"))


def test_upsert_reads_again(session):
    """An object that the session has shows what an upsert has changed."""
    vote = VoteReadDriver(session).get_by_id((1, "no"))

    assert VoteWriteDriver(session).upsert(poll=1, choice="no", votes=77) is vote
    assert vote.votes == 77


def test_upserts_at_once(fresh_database):
    """Of those who upsert the same new row at the same time, one makes it and the others change it."""
    engine = open_engine(fresh_database, {})
    Model.metadata.create_all(engine)
    begin = threading.Barrier(4)

    def count_up(number):
        with Session(engine) as session:
            session.connection(execution_options={IMMEDIATE: True})
            begin.wait() if engine.dialect.name != "sqlite" else None
            VoteWriteDriver(session).upsert(poll=1, choice="no", votes=number)
            session.commit()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count_up, range(1, 5)))

    with Session(engine) as session:
        assert [vote.votes in range(1, 5) for vote in VoteReadDriver(session).list()] == [True]
    engine.dispose()


class Animal(Model):
    """A model of two tables."""

    __tablename__ = "animal"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}


class Dog(Animal):
    """What is in the second one."""

    __tablename__ = "dog"
    id: Mapped[int] = mapped_column(ForeignKey("animal.id"), primary_key=True)
    tricks: Mapped[int] = mapped_column(default=0)
    __mapper_args__ = {"polymorphic_identity": "dog"}


class Puppy(Dog):
    """A part of the rows."""

    __mapper_args__ = {"polymorphic_identity": "puppy"}


def test_inheritance(session):
    """Objects of models that inherit are read, made and deleted; what one statement cannot do for two tables is refused."""
    read, write = ReadDriver[Dog](session), WriteDriver[Dog](session)

    write.create_all([{"tricks": 1}, {"tricks": 2}])
    WriteDriver[Puppy](session).create(tricks=3)

    assert ([dog.tricks for dog in read.page(2, order="-tricks")], read.count()) == ([3, 2], 3)
    assert (ReadDriver[Puppy](session).count(), ReadDriver[Puppy](session).exists(tricks=1)) == (1, False)
    write.delete(read.get_by(tricks=2))
    assert ReadDriver[Animal](session).count() == 2
    for change in (
        lambda: write.update_where({"tricks": 1}, tricks=3),
        lambda: write.delete_all([1]),
        lambda: write.upsert(id=1, tricks=3),
        lambda: write.update_all([{"id": 1, "tricks": 3}]),
    ):
        with pytest.raises(NotOffered, match="Dog lives in 2 tables"):
            change()
