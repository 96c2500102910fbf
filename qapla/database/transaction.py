"""One transaction on a served database: statements, then commit or rollback, on one connection of its bulkhead."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qapla.errors import QaplaError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.pool import PoolProxiedConnection

    from qapla.database.bulkhead import Bulkhead
    from qapla.database.local import Local
    from qapla.database.statement import Result, Sheet, Statement


class Transaction:
    """A transaction under way. Made by ``Bulkhead.transaction``."""

    def __init__(
        self,
        bulkhead: Bulkhead,
        lease: PoolProxiedConnection,
        until: float,
        local: Local | None = None,
        read_only: bool = False,
        *,
        last: bool = False,
    ) -> None:
        self.lease = lease
        self.local = local
        self.until: float | None = None  # the moment at which all of it is cut off, whatever each statement may take
        self._bulkhead = bulkhead
        self._runner = bulkhead.runner
        self._is_rollback_only = False
        if local is not None:
            bulkhead.guard(lease, until, partial(self._runner.begin_under, read_only=read_only), local, last=last)
        elif self._runner.begin is None:
            lease.driver_connection.autocommit = False  # type: ignore[union-attr]
        else:
            begin = self._runner.begin_reading if read_only else self._runner.begin
            bulkhead.guard(lease, until, self._runner.run, begin, last=last)

    def execute(self, statement: Statement) -> Result:
        """Run one statement and return its rows and how many rows it touched."""
        found: Result = self._run(self._runner.execute, statement)
        return found

    def call(self, statement: Statement) -> list[Sheet]:
        """Call a procedure and return everything that it gives."""
        found: list[Sheet] = self._run(self._runner.call, statement)
        return found

    def _run(self, run: Callable[..., Any], statement: Statement) -> Any:
        self._bulkhead.tell(statement)
        until = self._bulkhead.deadline_from_now()
        if self.until is None or self.until > until:
            return self._bulkhead.guard(self.lease, until, run, statement, last=True)
        return self._bulkhead.guard(self.lease, self.until, run, statement, last=True, is_shortened=True)

    def rollback_only(self) -> None:
        """Decide that nothing of this is kept, though everything is executed and checked."""
        self._is_rollback_only = True

    def end(self, *, keep: bool, is_failing: bool = False) -> None:
        """Commit or roll back.

        Raises:
            Unavailable: the line broke during the commit, and whether it was kept is not known (08007).
            DatabaseError: a constraint that is checked last does not hold; nothing was kept.
        """
        if not self.lease.is_valid:
            return
        keep = keep and not self._is_rollback_only
        if self.local is not None and self.local.said is not None and not is_failing:
            self.hear(self.local)
        if self._is_rollback_only and not is_failing and self._runner.check_constraints:
            try:
                self._say(self._runner.check_constraints)
            except QaplaError:
                self._roll_back()
                raise
        if keep:
            self._commit()
        else:
            self._roll_back()

    def hear(self, local: Local) -> None:
        """Keep what functions have said about the HTTP answer until now."""
        try:
            self._bulkhead.guard(self.lease, self._bulkhead.deadline_from_now(), self._runner.hear, local, last=True)
        except QaplaError:
            self._roll_back()
            raise

    def _commit(self) -> None:
        try:
            self._say(self._runner.commit)
        except QaplaError as error:
            if self.lease.is_valid:
                self._roll_back()
                raise
            raise lost_in_commit(self._bulkhead.name) from error

    def _roll_back(self) -> None:
        try:
            self._say(self._runner.rollback)
        except QaplaError as error:
            # SQLite has rolled back by itself after some errors; elsewhere a connection in an unknown state is of no use.
            if self._bulkhead.engine != "sqlite" and self.lease.is_valid:
                self.lease.invalidate(error)

    def _say(self, word: str) -> None:
        self._bulkhead.guard(self.lease, self._bulkhead.deadline_from_now(), self._runner.run, word, last=True)
        if self._runner.begin is None and self.lease.is_valid:
            self.lease.driver_connection.autocommit = True  # type: ignore[union-attr]


def lost_in_commit(name: str) -> Unavailable:
    """Return the error for a line that broke when a change may have been kept, or not."""
    message = f"database {name!r} was lost while it committed: whether the change was kept is not known"
    return Unavailable(message, code="08007", hint="look before you send it again")
