"""Fakes of drivers for unit tests: the same questions and changes on rows in memory.

::

    votes = fake_of(ChoiceReadDriver, [{"id": 1, "text": "yes", "votes": 3}])
    write = fake_of(ChoiceWriteDriver, votes)        # both see the same rows

    monkeypatch.setattr("rotarran.controllers.ChoiceReadDriver", lambda session: votes)

Whatever a driver's own methods do by the methods of ``ReadDriver`` and ``WriteDriver`` works; one that goes to ``self.session`` is refused,
and tested against a database. Conditions are evaluated by ``qapla.testing.evaluate``. The fakes pass the contracts that the real ones pass
(``qapla.testing.contracts``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from qapla.driver.base import Driver
from qapla.driver.read import ReadDriver
from qapla.driver.write import WriteDriver
from qapla.errors import ConfigurationError, NotOffered
from qapla.testing.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterable

Real = TypeVar("Real", bound=Driver[Any])


class Fake(Driver[Any]):
    """A driver without a database.

    Args:
        rows: mappings, or objects of the model; or another fake, whose rows are then shared.
    """

    store: MemoryStore

    def __init__(self, rows: Iterable[Any] | Fake = ()) -> None:
        self.store = rows.store if isinstance(rows, Fake) else MemoryStore(self.subject(), rows)
        if self.store.subject.selectable is not self.model:
            said = f"{type(self).__name__!r} cannot share the rows of {self.store.subject.name}"
            raise ConfigurationError(said, hint="both have to have the same model")

    @property
    def rows(self) -> list[Any]:
        """Return all rows, in the order in which they were made."""
        return self.store.rows

    @property
    def session(self) -> NoReturn:  # type: ignore[override]
        """Refuse: a fake has no session."""
        name = next(base.__name__ for base in type(self).__mro__ if not issubclass(base, Fake))
        raise NotOffered(f"a fake of {name} has no session", hint="test a method that uses self.session against a database")


class FakeReadDriver(Fake, ReadDriver[Any]):
    """``ReadDriver`` on rows in memory; set ``model``, or use ``fake_of``."""


class FakeWriteDriver(Fake, WriteDriver[Any]):
    """``WriteDriver`` on rows in memory; set ``model``, or use ``fake_of``."""


def fake_of(driver_class: type[Real], rows: Iterable[Any] | Fake = ()) -> Real:
    """Return a fake of *driver_class*, with its own methods and those rows.

    Raises:
        ConfigurationError: it is no driver, or has no model.
    """
    if not (isinstance(driver_class, type) and issubclass(driver_class, Driver)):
        shown = getattr(driver_class, "__name__", type(driver_class).__name__)
        raise ConfigurationError(f"{shown!r} is no driver", hint="a subclass of ReadDriver or WriteDriver")
    fakes = [fake for fake, real in ((FakeReadDriver, ReadDriver), (FakeWriteDriver, WriteDriver)) if issubclass(driver_class, real)]
    made = type(f"Fake{driver_class.__name__}", (*fakes, driver_class), {"__module__": driver_class.__module__})
    return cast("Real", made(rows))
