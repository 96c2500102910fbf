"""The order of a commit over several databases, which makes a log of it unnecessary.

Every database's part, its *branch*, has a name with the id of the work and a number. Number 1 is called the decision. Three rules:

1. Branches are prepared in the order of their numbers, committed in that order, and rolled back in the opposite one.
2. An operation that failed, or of which nobody knows whether it succeeded, is tried again for a few seconds. Then everything stops: no
   later branch is touched.
3. The decision cannot get lost once it is prepared, or there are only two branches. PostgreSQL keeps whatever was prepared; MariaDB and
   MySQL forget, when the server restarts, a branch that has changed nothing.

Then whoever finds branches that nobody is busy with can tell what to do with them:

**The decision is among them: roll all of them back.** It is the first to be committed; as it is not, none is.

**The decision is not among them: commit them.** Suppose that the work was not committed. Then what is left was left by the first phase, or
by a roll-back. The first phase prepares the decision before any other, so that it is there when another is; a roll-back takes it last, so
that it is there as long as another is. Thus it would be among them: a contradiction, unless it got lost. By rule 3 there are then only two
branches, the other one is prepared, and the one that got lost had changed nothing: committing the other one is committing all. So the
decision was committed, and it is committed only when every branch is prepared: those that are left are what is missing.

Whoever looks must look again for the decision after he has found the others, for it could have come in the meantime; must have looked on
every database where it could be; and must keep to the orders of rule 1 himself, for he can be interrupted, too. ``doubt`` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Step(Protocol):
    """What the order is about: a ``Branch``."""

    def prepare(self) -> None:
        """Make it last; a DBAPIError means that it is rolled back, any other error that nobody knows."""

    def commit(self) -> None:
        """Commit it; any error means that nobody knows."""

    def roll_back(self) -> None:
        """Undo it; any error means that nobody knows."""


class Left(Exception):
    """Some branches are left prepared.

    Attributes:
        numbers: which ones of the sequence, counted from 0.
    """

    def __init__(self, numbers: range) -> None:
        super().__init__(f"{len(numbers)} prepared transactions are left")
        self.numbers = numbers


def prepare(steps: Sequence[Step]) -> None:
    """Prepare all of *steps*, or none.

    Raises:
        Exception: what went wrong; nothing is prepared any more. Its ``__context__`` or cause is a ``Left`` where something may be.
    """
    for count, step in enumerate(steps):
        try:
            step.prepare()
        except DBAPIError as error:
            _undo(steps[:count], error)
            raise
        except BaseException as error:
            _undo(steps[: count + 1], error)
            raise


def commit(steps: Sequence[Step]) -> None:
    """Commit all of *steps*, which are prepared.

    Raises:
        Left: from the first that is not known to be committed on, everything may be left.
    """
    for count, step in enumerate(steps):
        try:
            step.commit()
        except BaseException as error:
            raise Left(range(count, len(steps))) from error


def roll_back(steps: Sequence[Step]) -> None:
    """Roll all of *steps* back.

    Raises:
        Left: those from the first up to one that is not known to be rolled back may be left.
    """
    for count in range(len(steps), 0, -1):
        try:
            steps[count - 1].roll_back()
        except BaseException as error:
            raise Left(range(count)) from error


def _undo(steps: Sequence[Step], error: BaseException) -> None:
    try:
        roll_back(steps)
    except Left as left:
        error.add_note(f"{left}; 'qapla database in-doubt' tells what to do")
