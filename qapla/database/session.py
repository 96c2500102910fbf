"""The sessions of one scope: one per declared database, opened when asked for, closed last first.

Three ways to commit, which exclude each other:

``manual``
    You commit each session by yourself; what is not committed is rolled back.
``tm``
    The scope's transaction manager (pyramid_tm) commits all of them together when the request went well, Core writes included. It has
    done so before a streamed answer's body is made: the body has no session any more.
``app["database"].transaction("main", "music")``
    All sessions are committed together at the end of the block, and rolled back when an error leaves it.

What "together" means is said in ``work`` and ``order``.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import event

from qapla.database.engines import IMMEDIATE
from qapla.database.twophase import make_plan
from qapla.database.work import Work
from qapla.errors import ConfigurationError, PluginError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session, SessionTransaction

    from qapla.database.database import Database
    from qapla.database.twophase import Plan

    After = Callable[[], object]

log = logging.getLogger(__name__)

CommitMode = Literal["manual", "tm"]


class Sessions:
    """Sessions by database name: ``scope["database"]["main"]``.

    Args:
        databases: the declared ones, by name.
        manager: the transaction manager that commits; None when whoever uses a session commits by himself.
        plan: how they commit together; made from *databases* where none is given.
    """

    def __init__(self, databases: Mapping[str, Database], manager: Any = None, plan: Plan | None = None) -> None:
        self._databases = databases
        self._manager = manager
        self._plan = plan
        self._open: dict[str, Session] = {}
        self._work: Work | None = None
        self._after: list[tuple[str | None, After]] = []

    def __getitem__(self, name: str) -> Session:
        """Return the session of the database called *name*; it is the same one for the whole scope.

        Raises:
            PluginError: no database of that name is declared, or it is not part of this transaction.
        """
        if name not in self._open:
            self._open[name] = self._make(name)
        return self._open[name]

    def _make(self, name: str) -> Session:
        if name not in self._databases:
            raise self._unknown(name)
        session = self._open_session(self._databases[name])
        if self._manager is not None:
            self._join(name, session)
        elif self._after:
            self._listen(name, session)
        return session

    def _unknown(self, name: str) -> PluginError:
        declared = list(dict.fromkeys(one for database in self._databases.values() for one in database.siblings))
        if name in declared:
            hint = f"it is over {', '.join(map(repr, self._databases))}"
            return PluginError(f"database {name!r} is not part of this transaction", hint=hint)
        hint = nearest(name, declared) or f"declared are {', '.join(map(repr, declared)) or 'none'}"
        return PluginError(f"no database is declared as {name!r}", hint=hint)

    def _open_session(self, database: Database) -> Session:
        return database.make_session()

    @property
    def databases(self) -> Mapping[str, Database]:
        """Return the declared databases, by name."""
        return self._databases

    def is_open(self, name: str) -> bool:
        """Tell whether somebody has used the session of the database called *name*."""
        return name in self._open

    def after_commit(self, call: After, name: str | None = None) -> None:
        """Call *call* once the work that is under way is committed; never when it is rolled back.

        With ``tm`` that is after the whole commit. In manual mode it is after the next commit of the session called *name*, or of any
        session where no name is given; at once where no session is open, and at the end of the scope where everything was committed before.
        What *call* raises after a commit is logged: the work is committed, and stays so.
        """
        if self._manager is not None:
            self._find_work()
        elif not self._open:
            call()
            return
        for key, session in self._open.items() if self._manager is None else ():
            self._listen(key, session)
        self._after.append((name, call))

    def close(self, error: BaseException | None = None) -> None:
        """Close all sessions, last first; what is not committed is rolled back. *error* is what ended the scope, if it failed."""
        due = self._take_due(error)
        failed: BaseException | None = None
        while self._open:
            _, session = self._open.popitem()
            try:
                session.close()
            except Exception as problem:
                failed = failed or problem
        run(due)
        if failed is not None:
            raise failed

    def _take_due(self, error: BaseException | None) -> list[After]:
        """Return what still waits for a commit although there is nothing to be committed: it came after the last one."""
        waiting, self._after = self._after, []
        if error is not None or self._manager is not None:
            return []
        begun = {name for name, session in self._open.items() if session.in_transaction()}
        return [call for name, call in waiting if (name not in begun if name else not begun)]

    # -- committed together -----------------------------------------------------------

    def _join(self, name: str, session: Session) -> None:
        """Have *session* take part in the transaction of the manager, whenever it begins one of its own."""

        def join(session: Session, transaction: SessionTransaction) -> None:
            if transaction.parent is None:
                self._find_work().join(session)

        def begin(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
            if transaction.parent is None:
                self._find_work().begin(name, session, connection)

        event.listen(session, "after_transaction_create", join)
        event.listen(session, "after_begin", begin)
        event.listen(session, "before_commit", self._refuse_commit)

    def _find_work(self) -> Work:
        if self._work is None or self._work.is_over:
            self._plan = self._plan or make_plan(self._databases)
            work = Work(self._databases, self._plan, self._committed)
            self._enlist(work)
            self._after.clear()
            self._work = work
        return self._work

    def _enlist(self, work: Work) -> None:
        from transaction.interfaces import NoTransaction

        try:
            self._manager.get().join(work)
        except (NoTransaction, ValueError) as error:
            raise ConfigurationError(
                "a session is used outside of the transaction of its request",
                hint="it ends before the body of a streamed answer, and a subrequest without tweens has none",
            ) from error

    def _refuse_commit(self, session: Session) -> None:
        if session.in_nested_transaction() or (self._work is not None and self._work.is_committing):
            return
        raise ConfigurationError(
            "session.commit() is called where all sessions are committed together, at the end",
            hint='use session.flush(), or session.begin_nested() for a part; commit="manual" leaves it to you',
        )

    def _committed(self) -> None:
        calls, self._after = [call for _, call in self._after], []
        run(calls)

    # -- committed by hand --------------------------------------------------------------

    def _listen(self, name: str, session: Session) -> None:
        if session.info.get("qapla_after") is self:
            return
        session.info["qapla_after"] = self
        event.listen(session, "after_commit", lambda session: self._after_one(name, session))
        event.listen(session, "after_soft_rollback", lambda session, transaction: self._forget(name, transaction))

    def _after_one(self, name: str, session: Session) -> None:
        if session.in_nested_transaction():
            return
        due = [call for wanted, call in self._after if wanted in (None, name)]
        self._after = [entry for entry in self._after if entry[0] not in (None, name)]
        run(due)

    def _forget(self, name: str, transaction: SessionTransaction) -> None:
        if transaction.parent is None:
            self._after = [entry for entry in self._after if entry[0] not in (None, name)]


class Together:
    """The transaction of a block: what a transaction manager is to a request, for one ``Work`` at a time."""

    def __init__(self) -> None:
        self._work: Work | None = None
        self._is_over = False

    def get(self) -> Together:
        """Return the transaction."""
        return self

    def join(self, work: Work) -> None:
        """Take part in the transaction.

        Raises:
            ValueError: it is over.
        """
        if self._is_over:
            raise ValueError("the transaction is over")
        self._work = work

    def commit(self) -> None:
        """Commit what took part, or roll it back and raise."""
        self._is_over = True
        work = self._work
        if work is None:
            return
        try:
            work.tpc_begin()
            work.tpc_vote()
        except BaseException:
            work.abort()
            raise
        work.tpc_finish()

    def abort(self) -> None:
        """Roll back what took part."""
        self._is_over = True
        if self._work is not None:
            self._work.abort()


def lock_early(databases: Mapping[str, Database], sessions: Sessions, names: tuple[str, ...]) -> None:
    """Take SQLite's write lock at once, so that reading first and then writing cannot fail because somebody wrote in between."""
    for name in names:
        if databases[name].url.get_backend_name() == "sqlite":
            sessions[name].connection(execution_options={IMMEDIATE: True})


def run(calls: list[After]) -> None:
    """Do what was to be done after a commit; what goes wrong is logged."""
    for call in calls:
        try:
            call()
        except Exception:
            log.exception("what was to be done after a commit failed")
