"""qapla.driver.base: what a driver is about"""

from __future__ import annotations

import subprocess
import sys

import pytest
from sqlalchemy import Column, Index, Integer, MetaData, String, Table, UniqueConstraint
from sqlalchemy.orm import Session

from qapla.driver import ReadDriver, WriteDriver
from qapla.errors import ConfigurationError, QueryError
from qapla.testing.contracts import Vote

KEYLESS = Table("keyless", MetaData(), Column("a", Integer), Column("b", String(5)))


def test_model_as_attribute():
    """The class attribute is enough."""

    class VoteReadDriver(ReadDriver):
        model = Vote

    assert VoteReadDriver.subject().key_names == ("poll", "choice")


def test_model_as_argument():
    """The type argument is enough, also without a class of one's own, also for subclasses of subclasses."""

    class VoteReadDriver(ReadDriver[Vote]):
        pass

    class More(VoteReadDriver):
        pass

    assert More.model is VoteReadDriver.model is ReadDriver[Vote].model is Vote
    assert More.subject().name == "Vote"


@pytest.mark.parametrize("driver_class", [ReadDriver, WriteDriver])
def test_no_model(driver_class):
    """A driver of nothing is told so when it is made."""

    class Mine(driver_class):
        pass

    with pytest.raises(ConfigurationError, match=r"driver '.*Mine' has no model \(set the class attribute 'model'"):
        Mine(Session())


@pytest.mark.parametrize("model", [int, "Vote", object()])
def test_wrong_model(model):
    """A model is a mapped class or a table."""
    driver_class = type("Mine", (ReadDriver,), {"model": model})

    with pytest.raises(ConfigurationError, match=r"driver 'Mine' has the model '\w+', which is not mapped"):
        driver_class(Session())


def test_no_key():
    """What needs a primary key is refused where there is none."""
    read = type("Mine", (ReadDriver,), {"model": KEYLESS})(Session())

    with pytest.raises(QueryError, match="keyless has no primary key"):
        read.get_by_id(1)
    with pytest.raises(QueryError, match="keyless has no primary key and so no pages"):
        read.page()


def test_unique_sets():
    """Primary key, unique constraints, unique indexes; not those that hold for some rows only."""
    table = Table(
        "t",
        MetaData(),
        Column("a", Integer, primary_key=True),
        Column("b", Integer, unique=True),
        Column("c", Integer),
        Column("d", Integer),
        UniqueConstraint("c", "d", name="z"),
    )
    Index("some", table.c.d, unique=True, postgresql_where=table.c.c > 1)
    Index("lower", table.c.c + 1, unique=True)
    Index("many", table.c.c)

    assert type("Mine", (WriteDriver,), {"model": table}).subject().unique_sets == (("a",), ("b",), ("c", "d"))


def test_light():
    """Importing the package loads no SQLAlchemy."""
    code = "import qapla.driver, sys; sys.exit('sqlalchemy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
