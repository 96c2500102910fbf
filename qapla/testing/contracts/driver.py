"""What the contracts of drivers have in common: fixtures and models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import pytest

from qapla.driver.read import ReadDriver
from qapla.driver.write import WriteDriver
from qapla.testing.contracts.votes import VOTERS, VOTES, Vote, Voter

Drivers = Callable[[Any, Sequence[Mapping[str, Any]]], tuple[ReadDriver[Any], WriteDriver[Any]]]


class DriverContract:
    """What both contracts need.

    Attributes:
        vote: the model of votes, or its table.
        voter: the model of voters, or its table.
    """

    vote: ClassVar[Any] = Vote
    voter: ClassVar[Any] = Voter

    @pytest.fixture
    def drivers(self) -> Drivers:
        """Return a function: model and rows in, a reading and a writing driver over these rows out. To be overridden."""
        raise NotImplementedError(f"{type(self).__name__} has no fixture 'drivers'")

    @pytest.fixture
    def votes(self, drivers: Drivers) -> tuple[ReadDriver[Any], WriteDriver[Any]]:
        """Give the test the drivers of five votes."""
        return drivers(self.vote, VOTES)

    @pytest.fixture
    def voters(self, drivers: Drivers) -> tuple[ReadDriver[Any], WriteDriver[Any]]:
        """Give the test the drivers of three voters."""
        return drivers(self.voter, VOTERS)

    def of(self, name: str) -> Any:
        """Return an attribute of votes, for conditions."""
        return self.vote.c[name] if hasattr(self.vote, "c") else getattr(self.vote, name)

    def keys(self, rows: Any) -> list[tuple[Any, Any]]:
        """Return the keys of votes."""
        return [(read_value(row, "poll"), read_value(row, "choice")) for row in rows]


def read_value(row: Any, name: str) -> Any:
    """Return one value of a row, a mapping or an object."""
    return row[name] if isinstance(row, Mapping) else getattr(row, name)
