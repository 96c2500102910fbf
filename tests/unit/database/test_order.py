"""qapla.database.order, doubt: whatever step a commit over several databases stops at, what is left tells what to do"""

from __future__ import annotations

import itertools
from contextlib import suppress
from types import SimpleNamespace

import pytest
from sqlalchemy.exc import DBAPIError

from qapla.database import doubt, order
from qapla.database.doubt import Seen
from qapla.database.twophase import PREPARE, BranchName, Prepared, find_name

WORK, MARK = "0123456789abcdef" * 2, "00c0ffee"


class World:
    """Databases that survive a program, and a program that can do ``budget`` things."""

    def __init__(self, count, refused=None):
        self.prepared, self.committed = set(), set()
        self.count, self.budget, self.refused = count, 10**6, refused

    def act(self):
        """Do one thing, if the program is still alive."""
        self.budget -= 1
        if self.budget < 0:
            raise SystemExit("dead")

    def steps(self):
        """Return the branches."""
        return [Step(self, number) for number in range(1, self.count + 1)]

    def program(self):
        """Commit everything, as a work does."""
        order.prepare(self.steps())
        order.commit(self.steps())

    def resolve(self):
        """Do what is advised about what is left."""
        if not self.prepared:
            return
        found = judge(self)
        for seen in found.in_order:
            step = Step(self, seen.name.number)
            if found.advice == "commit":
                step.commit()
            else:
                step.roll_back()


class Step:
    """A branch; before and after each operation the program can die."""

    def __init__(self, world, number):
        self.world, self.number = world, number

    def prepare(self):
        """Prepare it, or refuse."""
        self.world.act()
        if self.number == self.world.refused:
            raise DBAPIError("PREPARE", {}, Exception("refused"))
        self.world.prepared.add(self.number)
        self.world.act()

    def commit(self):
        """Commit what is prepared."""
        self.world.act()
        self.world.prepared.remove(self.number)
        self.world.committed.add(self.number)
        self.world.act()

    def roll_back(self):
        """Undo it, prepared or not."""
        self.world.act()
        self.world.prepared.discard(self.number)
        self.world.act()


def judge(world, numbers=None, unreachable=(), age_s=999.0, is_held=False, mark=MARK):
    """Return what is advised about what *world* has left, or about *numbers* alone."""
    seen = []
    for number in sorted(world.prepared if numbers is None else numbers):
        prepared = Prepared(BranchName(WORK, number, mark), age_s, is_held)
        seen.append(Seen(prepared, f"db{number}", PREPARE))
    plugin = SimpleNamespace(plan=SimpleNamespace(mark=MARK))
    return doubt._judge(plugin, WORK, seen, dict.fromkeys(unreachable, "away"))


@pytest.mark.parametrize(("count", "refused"), [(2, None), (2, 2), (2, 1), (3, None), (3, 3), (4, None), (4, 3)])
def test_no_half_work(count, refused):
    """Died at any step, then whoever follows the advice dying at any step, too: in the end there is all or nothing."""
    for budget, second in itertools.product(range(6 * count), range(2 * count + 1)):
        world = World(count, refused)
        for left, do in ((budget, world.program), (second, world.resolve), (10**6, world.resolve)):
            world.budget = left
            with suppress(SystemExit, order.Left, DBAPIError):
                do()

        assert world.prepared == set()
        assert world.committed in (set(), set(range(1, count + 1)))


class TestAdvice:
    """What is said about what is left"""

    def test_decision_is_there(self):
        """Nothing was committed, and that is certain whatever else is away; it is rolled back last."""
        found = judge(World(3), [1, 2], unreachable=["db3"])

        assert found.advice == "roll back"
        assert [seen.name.number for seen in found.in_order] == [2, 1]
        assert found.in_order[0].statement(found.advice) == f"ROLLBACK PREPARED 'qapla-{WORK}-2-{MARK}'"

    def test_decision_is_not_there(self):
        """It was committed, and the rest has to be."""
        found = judge(World(3), [2, 3])

        assert found.advice == "commit"
        assert [seen.name.number for seen in found.in_order] == [2, 3]

    def test_decision_could_be_elsewhere(self):
        """Nothing is advised before every database has answered."""
        assert (judge(World(3), [2, 3], unreachable=["main"]).advice, judge(World(3), [3], unreachable=["main"]).why) == (
            "wait",
            "until 'main' can be asked whether the decision is there",
        )

    @pytest.mark.parametrize(("age_s", "is_held"), [(1.0, False), (59.0, False), (999.0, True), (None, True)])
    def test_somebody_is_busy(self, age_s, is_held):
        """A commit may be under way."""
        found = judge(World(2), [1, 2], age_s=age_s, is_held=is_held)

        assert (found.advice, found.is_under_way, found.is_settled) == ("wait", True, False)

    def test_other_databases(self):
        """What another application has made, whose databases are not known here, is left alone."""
        found = judge(World(2), [2], mark="deadbeef")

        assert (found.advice, found.is_under_way) == ("leave", False)
        assert found.why.startswith("made by another application")

    def test_decision_stays_while_a_database_is_away(self, monkeypatch):
        """Something could be left there, which would look committed."""
        ended = []
        monkeypatch.setattr(doubt, "_end", lambda database, seen, advice: ended.append(seen.name.number))
        plugin = {"db1": None, "db2": None}

        with pytest.raises(doubt.QaplaError, match="has to stay until every database answers"):
            list(doubt.resolve(plugin, judge(World(3), [1, 2], unreachable=["db3"])))

        assert ended == [2]


class TestName:
    """qapla-<work>-<number>-<mark>"""

    def test_there_and_back(self):
        """A name is read as it was written, and fits in."""
        name = BranchName(WORK, 12, MARK)

        assert find_name(str(name)) == name
        assert len(str(BranchName(WORK, 9999, MARK))) <= 64

    @pytest.mark.parametrize("text", ["", "qapla", f"qapla-{WORK}-0-{MARK}", f"qapla-{WORK}-1-{MARK}'", f"x-{WORK}-1-{MARK}"])
    def test_none_of_ours(self, text):
        """What somebody else has prepared is nothing to us."""
        assert find_name(text) is None
