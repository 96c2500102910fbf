"""qapla.driver: the contracts of drivers, over models and over Core tables, on every engine"""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from qapla.database.database import open_engine
from qapla.driver import ReadDriver, WriteDriver
from qapla.testing import contracts
from qapla.testing.servers import ENGINE_NAMES, make_database


@pytest.fixture(scope="module", params=ENGINE_NAMES)
def engine(request):
    """Return an engine on a database with the tables of the contracts."""
    with make_database(request.param) as url:
        engine = open_engine(url, {})
        contracts.Base.metadata.create_all(engine)
        yield engine
        engine.dispose()


class OnModels:
    """Drivers of mapped classes, on a session whose work is gone after each test."""

    @pytest.fixture
    def drivers(self, engine):
        """Return the function that a contract asks for."""
        with engine.connect() as connection, connection.begin() as outer:
            session = Session(connection, join_transaction_mode="create_savepoint")

            def make(model, rows):
                class Reading(ReadDriver):
                    pass

                class Writing(WriteDriver):
                    pass

                Reading.model = Writing.model = model
                Writing(session).create_all(rows)
                return Reading(session), Writing(session)

            yield make
            session.close()
            outer.rollback()


class OnTables(OnModels):
    """Drivers of Core tables."""

    vote = contracts.Vote.__table__
    voter = contracts.Voter.__table__


class TestReadModels(OnModels, contracts.ReadDriverContract):
    """ReadDriver of a model"""


class TestReadTables(OnTables, contracts.ReadDriverContract):
    """ReadDriver of a table"""


class TestWriteModels(OnModels, contracts.WriteDriverContract):
    """WriteDriver of a model"""


class TestWriteTables(OnTables, contracts.WriteDriverContract):
    """WriteDriver of a table"""
