"""The models of the contracts of drivers: votes, with a key of two columns, and voters, with a key that is counted up."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


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
