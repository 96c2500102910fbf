"""One transaction in the place of a bulkhead, so that everything asked of a served database becomes part of it.

A ``Served`` with this in it works as ever: reads see the writes before them, and whatever opens a transaction joins the one that is under
way. What needs a connection of its own is refused.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn, cast

from qapla.database.faults import RETRY_AFTER
from qapla.database.local import UNSAY, Local
from qapla.errors import NotOffered, TimedOut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qapla.database.bulkhead import Bulkhead
    from qapla.database.catalog import Served
    from qapla.database.runners import Rows
    from qapla.database.statement import Result, Sheet, Statement
    from qapla.database.transaction import Transaction


class JointBulkhead:
    """What a bulkhead does, within *transaction*.

    Every ``transaction`` that is opened here is that one, and ``rollback_only`` of one is that of all. The role is the one with which
    it began; settings and calls are those of whoever asks.
    """

    is_joint = True
    writes_alone = False

    def __init__(self, bulkhead: Bulkhead, transaction: Transaction) -> None:
        self.name = bulkhead.name
        self.engine = bulkhead.engine
        self.options = bulkhead.options
        self._transaction = transaction
        self._local = transaction.local
        self._settings = dict(transaction.local.settings) if transaction.local is not None else {}

    def fetch(self, statement: Statement, local: Local | None = None) -> Rows:
        """Run a read and return its rows."""
        with self.transaction(local):
            return self.execute(statement).rows

    def execute(self, statement: Statement) -> Result:
        """Run any statement.

        Raises:
            TimedOut: the time of the whole transaction is over (57014).
        """
        self._check_time()
        return self._transaction.execute(statement)

    def call(self, statement: Statement) -> list[Sheet]:
        """Call a procedure and return everything that it gives.

        Raises:
            TimedOut: the time of the whole transaction is over (57014).
        """
        self._check_time()
        return self._transaction.call(statement)

    def _check_time(self) -> None:
        until = self._transaction.until
        if until is not None and time.monotonic() >= until:
            said = f"the requests on database {self.name!r} together took longer than the connection allows"
            raise TimedOut(said, code="57014", headers=RETRY_AFTER)

    def rollback_only(self) -> None:
        """Decide that nothing of the whole is kept."""
        self._transaction.rollback_only()

    @contextmanager
    def transaction(self, local: Local | None = None, *, read_only: bool = False) -> Iterator[Transaction]:
        """Give the transaction that is under way, with the settings of *local* from now on.

        Args:
            read_only: has no meaning here; the others may write.
        """
        if local is not self._local:
            self._change(local)
        yield cast("Transaction", self)
        if local is not None and local.said is not None:
            self._transaction.hear(local)
            self._transaction.execute(UNSAY)

    def _change(self, local: Local | None) -> None:
        """Set what *local* says, and what only the one before it said back."""
        self._local = local
        before, self._settings = self._settings, dict(local.settings) if local is not None else {}
        changed = {name: None for name in before if name not in self._settings} | self._settings
        for statement in Local(settings=tuple(changed.items()), calls=local.calls if local is not None else ()).statements:
            self.execute(statement)

    def stream(self, statement: Statement, size_rows: int = 1000, local: Local | None = None) -> NoReturn:
        """Refuse: a stream is sent while it is read, and a transaction is answered when it is over."""
        raise NotOffered("streams are not offered within a transaction", hint="ask for JSON, with a limit")

    def connection(self) -> NoReturn:
        """Refuse: there is one connection, and the transaction has it."""
        raise NotOffered("connections of their own are not offered within a transaction")


@contextmanager
def joined(served: Served, local: Local | None, *, writes: bool, until: float, keep: bool = True) -> Iterator[Served]:
    """Give *served* with everything asked of it being one transaction: kept as a whole, or not at all on an error.

    Args:
        local: as whom it runs; its calls are left to those who ask.
        writes: whether there may be any; without them the database has to change nothing.
        until: when all of it is cut off, in monotonic seconds.
        keep: False for a dry run.
    """
    begun = replace(local, calls=(), said=None) if local is not None else None
    with served.bulkhead.transaction(begun, read_only=not writes) as transaction:
        transaction.until = until
        if not keep:
            transaction.rollback_only()
        yield replace(served, bulkhead=cast("Bulkhead", JointBulkhead(served.bulkhead, transaction)))
