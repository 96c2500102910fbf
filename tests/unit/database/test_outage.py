"""qapla.database.outage"""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, TimeoutError

from qapla.database.outage import find_outage, name_errors
from qapla.errors import Unavailable


def error_of(engine, sql="SELECT 1"):
    """Return what SQLAlchemy raises."""
    with pytest.raises(DBAPIError) as caught, engine.connect() as connection:
        connection.execute(text(sql))
    return caught.value


def test_database_that_cannot_be_reached():
    """It is named, without password."""
    engine = create_engine("postgresql+psycopg://u:geheim@127.0.0.1:1/x")
    name_errors(engine, "main")

    found = find_outage(error_of(engine))

    assert isinstance(found, Unavailable)
    assert str(found) == "database 'main' cannot be used now: it cannot be reached"
    assert found.headers["Retry-After"]


def test_mistake_is_no_outage():
    """What a programmer did wrong stays what it is."""
    engine = create_engine("sqlite://")
    name_errors(engine, "main")

    assert find_outage(error_of(engine, "SELECT nothing")) is None
    assert find_outage(KeyError("x")) is None


def test_somebody_elses_engine():
    """Nothing is known of a database that nobody declared."""
    assert find_outage(error_of(create_engine("postgresql+psycopg://127.0.0.1:1/x"))) is None


def test_pool_is_exhausted():
    """The hint says what to do."""
    found = find_outage(TimeoutError("QueuePool limit of size 5 overflow 10 reached"))

    assert (found.status, found.hint) == (503, "raise pool_size, or ask less at once")


def test_connection_that_was_lost():
    """Also where the driver has no code for it."""
    error = DBAPIError("SELECT 1", {}, sqlite3.InterfaceError("gone"), connection_invalidated=True)
    error.qapla_database = ("sqlite", "main")

    assert str(find_outage(error)) == "database 'main' cannot be used now: the connection was lost"
