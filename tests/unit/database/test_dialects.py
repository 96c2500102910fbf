"""Each engine has one entry, and everything that an entry names is there."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from sqlalchemy import make_url

from qapla.database.dialects import ENGINES, Engine, get_engine
from qapla.database.schema.inspect import find_reader
from qapla.errors import InputError


@pytest.mark.parametrize("engine", ENGINES.values(), ids=list(ENGINES))
class TestEntry:
    """One entry of the table"""

    def test_driver_is_there(self, engine: Engine) -> None:
        """Its SQLAlchemy driver and the module behind it can be imported."""
        dialect = make_url(f"{engine.drivername}://").get_dialect()

        assert dialect.driver in engine.drivername
        assert find_spec(engine.module) is not None

    def test_catalog_reader_is_there(self, engine: Engine) -> None:
        """It can be inspected."""
        dialect = make_url(f"{engine.drivername}://").get_dialect()

        assert find_reader(dialect.name).engine in (engine.key, "mysql")

    def test_schemes_are_its_own(self, engine: Engine) -> None:
        """No two engines answer to one URL scheme."""
        others = {scheme for other in ENGINES.values() if other is not engine for scheme in other.schemes}

        assert others.isdisjoint(engine.schemes)

    def test_a_file_has_no_driver_to_install(self, engine: Engine) -> None:
        """What needs a server needs a driver from an extra."""
        assert engine.is_file == (engine.extra is None)


def test_unknown_engine_is_refused_by_name() -> None:
    """The nearest name is in the hint."""
    with pytest.raises(InputError, match=r"'postgres' is not known \(did you mean 'postgresql'"):
        get_engine("postgres")
