"""``EngineContract``: what every engine of ``qapla.database.dialects`` does."""

from __future__ import annotations

from qapla.testing.contracts.cells import CellContract
from qapla.testing.contracts.changes import ChangeContract
from qapla.testing.contracts.declared import DeclaredContract
from qapla.testing.contracts.inspection import InspectionContract
from qapla.testing.contracts.pages import PageContract
from qapla.testing.contracts.questions import QuestionContract


class EngineContract(DeclaredContract, InspectionContract, QuestionContract, PageContract, ChangeContract, CellContract):
    """What every engine does, from a session to the last page of a list.

    Override the fixture ``make_database``. ``no_kinds``, ``recreates``, ``analyze``, ``cells``, ``fingerprint`` and ``prepare`` say what is
    special about the engine (see ``qapla.testing.contracts.base``). The parts can be inherited one by one while an engine is not finished:
    a declared ``Database``, inspection, reads, pages and streams, writes, values.
    """
