"""What the parts of the contract of engines have in common: what is said about an engine, and its databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar

import pytest
from sqlalchemy import URL

from qapla.database.catalog import Served
from qapla.testing.contracts import goods
from qapla.testing.served import serve

MakeDatabase = Callable[[], AbstractContextManager[URL]]


class EngineFixtures:
    """The databases of a contract of engines.

    Attributes:
        no_kinds: kinds that the engine has no type for.
        recreates: whether ``qapla database recreate`` is offered for it; where not, it must be refused by name.
        analyze: a statement, with ``{}`` for a table, that has the engine count its rows anew; empty where it has none.
        cells: types of the engine, each with the SQL of values that make trouble: they must come back as they went out.
        fingerprint: SQL that tells two values apart, whatever their types: ``{}`` is the column.
        prepare: statements before those values are written.
    """

    no_kinds: ClassVar[frozenset[str]] = frozenset()
    recreates: ClassVar[bool] = True
    analyze: ClassVar[str] = ""
    cells: ClassVar[Sequence[tuple[str, Sequence[str]]]] = (
        ("integer", ("0", "-2147483648")),
        ("numeric(10,2)", ("1.10",)),
        ("varchar(40)", ("''", "'é \"q\"'")),
        ("date", ("'2024-02-29'",)),
    )
    fingerprint: ClassVar[str] = "{}"
    prepare: ClassVar[Sequence[str]] = ()

    @pytest.fixture(scope="class")
    @classmethod
    def make_database(cls) -> MakeDatabase:
        """Return a function that makes an empty database: a context manager of its URL, which drops it at the end. To be overridden."""
        raise NotImplementedError(f"{cls.__name__} has no fixture 'make_database'")

    @pytest.fixture
    def empty_database(self, make_database: MakeDatabase) -> Iterator[URL]:
        """Give the test the URL of an empty database of its own."""
        with make_database() as url:
            yield url

    @pytest.fixture(scope="class")
    @classmethod
    def shop(cls, make_database: MakeDatabase) -> Iterator[Served]:
        """Serve the tables that are read."""
        with make_database() as url:
            goods.make_shop(url)
            with serve(url) as served:
                yield served

    @pytest.fixture(scope="class")
    @classmethod
    def written_desk(cls, make_database: MakeDatabase) -> Iterator[Served]:
        """Serve the tables that are written."""
        with make_database() as url:
            goods.make_tables(url, goods.DESK)
            with serve(url, writable=True) as served:
                yield served
