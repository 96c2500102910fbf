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

``EngineContract`` says what an engine does, every entry of ``qapla.database.dialects``. One that is new, with its entry, its catalog reader
and its renderer, or a server that only speaks the language of one that is there, is held to it by overriding the one fixture that makes
an empty database::

    class TestOurEngine(EngineContract):

        @pytest.fixture(scope="class")
        @classmethod
        def make_database(cls):
            server = sqlalchemy.create_engine("ours+driver://root@127.0.0.1:4000/", isolation_level="AUTOCOMMIT")

            @contextmanager
            def make():
                name = f"contract_{secrets.token_hex(4)}"
                with server.connect() as connection:
                    connection.exec_driver_sql(f"CREATE DATABASE {name}")
                    yield server.url.set(database=name)
                    connection.exec_driver_sql(f"DROP DATABASE {name}")

            yield make
            server.dispose()

Several of its databases exist at the same time, and the contract may drop them and create them again. The tables are made by SQLAlchemy, so
the engine's dialect has to be installed; see ``EngineContract`` for what else a class can say about its engine.

``MemorySourceContract`` and ``FallbackSourceContract`` say what a repository asks of its memory and of the store behind it; a source of
one's own is held to them by overriding the fixture ``source``; ``TermsContract``, in place of the second, what write-behind asks. They
are loaded when asked for: they need the extra ``repositories``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from qapla.testing.contracts.driver import DriverContract, Drivers, read_value
from qapla.testing.contracts.engine import EngineContract
from qapla.testing.contracts.read import ReadDriverContract
from qapla.testing.contracts.votes import VOTERS, VOTES, Base, Vote, Voter
from qapla.testing.contracts.write import WriteDriverContract

if TYPE_CHECKING:
    from qapla.testing.contracts.fallback import FallbackSourceContract
    from qapla.testing.contracts.memory import MemorySourceContract
    from qapla.testing.contracts.terms import TermsContract

_PLACES = {
    "FallbackSourceContract": "qapla.testing.contracts.fallback",
    "MemorySourceContract": "qapla.testing.contracts.memory",
    "TermsContract": "qapla.testing.contracts.terms",
}

__all__ = [
    "VOTERS",
    "VOTES",
    "Base",
    "DriverContract",
    "Drivers",
    "EngineContract",
    "FallbackSourceContract",
    "MemorySourceContract",
    "ReadDriverContract",
    "TermsContract",
    "Vote",
    "Voter",
    "WriteDriverContract",
    "read_value",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
