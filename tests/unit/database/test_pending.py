"""Whether a session has work that a commit would keep."""

import pytest
from sqlalchemy import Column, Integer, MetaData, String, create_engine, text
from sqlalchemy.orm import DeclarativeBase, Session

from qapla.database.pending import is_pending, may_write, unnoticed, watch


class Base(DeclarativeBase):
    metadata = MetaData()


class Song(Base):
    __tablename__ = "song"
    id = Column(Integer, primary_key=True)
    name = Column(String(20))


@pytest.fixture
def session():
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Song(id=1, name="one"))
        session.commit()
        yield watch(session)
    engine.dispose()


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (lambda session: None, False),
        (lambda session: session.get(Song, 1), False),
        (lambda session: session.execute(text(" select 1")), False),
        (lambda session: session.add(Song(name="two")), True),
        (lambda session: session.get(Song, 1).__setattr__("name", "two"), True),
        (lambda session: session.get(Song, 1).__setattr__("name", "one"), False),
        (lambda session: session.delete(session.get(Song, 1)), True),
        (lambda session: (session.add(Song(name="two")), session.flush()), True),
        (lambda session: session.execute(text("UPDATE song SET name = 'x'")), True),
        (lambda session: (session.execute(text("DELETE FROM song")), session.commit()), False),
        (lambda session: (session.execute(text("DELETE FROM song")), session.rollback()), False),
    ],
)
def test_pending(session, work, expected):
    """Rows to be written and statements that write are work, until the commit or rollback; reading is none."""
    work(session)

    assert is_pending(session) is expected


def test_savepoint(session):
    """The end of a savepoint does not end the transaction's work."""
    session.execute(text("DELETE FROM song"))

    with session.begin_nested():
        pass

    assert is_pending(session) is True


def test_unknown():
    """Of a transaction that was under way before, nobody knows; of the next one it is known."""
    engine = create_engine("sqlite://")
    with Session(engine) as session:
        session.execute(text("SELECT 1"))

        watch(watch(session))

        assert is_pending(session) is None
        session.rollback()
        assert is_pending(session) is False
    engine.dispose()


def test_unnoticed(session):
    """A statement that only locks does not count."""
    with unnoticed(session):
        session.execute(text("UPDATE song SET name = name WHERE 1 = 0"))

    assert is_pending(session) is False


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("select 1", False),
        ("SELECT * INTO copy FROM song", True),
        ("INSERT …", True),
        ("WITH x AS (DELETE …) SELECT 1", True),
        ("SET x", False),
    ],
)
def test_may_write(statement, expected):
    """What begins like a read is one, but for SELECT … INTO."""
    assert may_write(statement) is expected
