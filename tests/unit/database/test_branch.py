"""qapla.database.branch: a branch whose connection was lost in the middle of its commit"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest

from qapla.database import branch as module
from qapla.database.branch import Branch, UnknownOutcome
from qapla.database.twophase import PREPARE, BranchName


class Server:
    """Answers on new connections; ``prepared`` is what it still has."""

    def __init__(self):
        self.prepared, self.said = set(), []

    @contextmanager
    def connect(self):
        """Lend a connection."""
        yield self

    def execution_options(self, **options):
        """Go on with other options."""
        return self

    def exec_driver_sql(self, statement):
        """Remember what was said."""
        self.said.append(statement)


@pytest.fixture
def server():
    """Give the server."""
    return Server()


@pytest.fixture
def make_branch(server, monkeypatch):
    """Give a function that makes a branch, prepared some time ago, whose connection is lost."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.1)

    def make(number, age_s):
        branch = Branch.__new__(Branch)
        branch.style = replace(PREPARE, find=lambda connection: server.prepared)
        branch.name, branch.engine = BranchName("0" * 32, number, "0" * 8), server
        branch.connection = SimpleNamespace(invalidated=True)
        branch._pid, branch.is_left = None, True
        branch._prepared_at = (time.monotonic() - age_s, time.time() - age_s)
        return branch

    return make


@pytest.mark.parametrize(("number", "age_s"), [(1, 1), (2, 1), (2, 100)])
def test_asked_again(make_branch, server, number, age_s):
    """It is committed on another connection; one that only follows the decision, however late."""
    branch = make_branch(number, age_s)
    server.prepared.add(branch.name)

    branch.commit()

    assert server.said == [f"COMMIT PREPARED '{branch.name}'"]
    assert not branch.is_left


@pytest.mark.parametrize("is_there", [True, False])
def test_decision_that_comes_too_late(make_branch, server, is_there):
    """Somebody else may be rolling back: it is not committed any more, and that it is gone does not mean that it is."""
    branch = make_branch(1, 100)
    server.prepared |= {branch.name} if is_there else set()

    with pytest.raises(UnknownOutcome, match="somebody else may have decided"):
        branch.commit()

    assert server.said == []
    assert branch.is_left


def test_roll_back_is_never_too_late(make_branch, server):
    """Whoever else decided could only have rolled back."""
    branch = make_branch(1, 100)
    server.prepared.add(branch.name)

    branch.roll_back()

    assert server.said == [f"ROLLBACK PREPARED '{branch.name}'"]
