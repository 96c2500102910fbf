"""The work of one unit on all databases that it uses: committed together, or not at all.

One ``Work`` is the data manager of all sessions of a scope in the transaction package (``request.tm``), and what stands behind
``app["database"].transaction(…)``. Where no more than one database was written, it is a plain commit without a further statement. Several
written ones are prepared and then committed, in the order that ``order`` explains; where one of them cannot be prepared (SQLite, a
PostgreSQL with ``max_prepared_transactions = 0``), the commit is refused before anything is committed.

MariaDB and MySQL have to be told at the beginning that a transaction may be one of several, by XA. They are where an application declares
two databases or more that can commit in two phases; such a transaction takes no statement that commits by itself, like CREATE TABLE.
"""

from __future__ import annotations

import logging
import secrets
import time
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from qapla.database import order
from qapla.database.branch import Branch, UnknownOutcome
from qapla.database.twophase import BranchName
from qapla.errors import DatabaseError, InDoubt, NotOffered, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from qapla.database.database import Database
    from qapla.database.twophase import Plan

log = logging.getLogger(__name__)

DECIDE_WITHIN_S = 30.0  # half of what must pass before anybody else touches a branch, see ``doubt``
NOT_PREPARED = {"55000": NotOffered, "0A000": NotOffered, "53200": Unavailable, "53400": Unavailable}


class Work:
    """What several sessions have done since the last commit.

    Args:
        databases: those that may be used, by name.
        plan: how they commit together.
        on_commit: called once everything is committed.
    """

    def __init__(self, databases: Mapping[str, Database], plan: Plan, on_commit: Callable[[], None]) -> None:
        self._databases = databases
        self._mark = plan.mark
        self._on_commit = on_commit
        self._id = secrets.token_hex(16)
        self._styles = plan.styles
        self._may_be_several = len(plan.able) > 1
        # Where there is a database that can be named at the end, one of those is the decision: number 1 is kept for it.
        self._lowest = 2 if any(not style.is_named_at_begin for style in plan.able) else 1
        self._sessions: list[Session] = []
        self._branches: list[Branch] = []  # those of transactions that are open
        self._all: list[Branch] = []
        self._prepared: list[Branch] = []
        self._prepared_at = (0.0, 0.0)
        self._lost: str | None = None
        self.is_committing = False
        self.is_over = False

    def join(self, session: Session) -> None:
        """Commit what *session* does, too."""
        if session not in self._sessions:
            self._sessions.append(session)

    def begin(self, name: str, session: Session, connection: Connection) -> None:
        """Take part in the transaction that *session* has begun on *connection*."""
        taken = {one.name.number for one in self._branches}
        number = next(number for number in count(self._lowest) if number not in taken)
        called = BranchName(self._id, number, self._mark)
        branch = Branch(
            name, session, connection, self._styles[name], called, may_be_several=self._may_be_several, on_rollback=self._on_rollback
        )
        self._branches.append(branch)
        self._all.append(branch)

    def _on_rollback(self, branch: Branch) -> None:
        if branch in self._branches:
            self._branches.remove(branch)
        if branch.was_written_to and not self.is_over:
            self._lost = branch.database

    # -- the life of a data manager, see transaction.interfaces.IDataManager ----------

    def tpc_begin(self, transaction: Any = None) -> None:
        """Write what the sessions have not written yet."""
        for session in list(self._sessions):
            session.flush()

    def commit(self, transaction: Any = None) -> None:
        """Do nothing: what there is to write is written."""

    def tpc_vote(self, transaction: Any = None) -> None:
        """Commit one database, or prepare several.

        Raises:
            NotOffered: several were written, and one of them cannot be prepared.
        """
        if self._lost is not None:
            raise DatabaseError(
                f"the work on {self._lost!r} was rolled back before its end",
                code="40000",
                hint="put what may fail into session.begin_nested(), or let the error end the unit of work",
            )
        for branch in self._branches:
            branch.check()
        written = self._find_written()
        if len(written) > 1:
            self._prepare(written)
        else:
            self._commit_alone(written)

    def tpc_finish(self, transaction: Any = None) -> None:
        """Commit what is prepared, and close all sessions.

        Raises:
            InDoubt: it is not known what is committed, or not everything is.
        """
        if self._prepared:
            self._commit_prepared()
        self._end()
        self._on_commit()

    def tpc_abort(self, transaction: Any = None) -> None:
        """Undo what is prepared."""
        self.abort(transaction)

    def abort(self, transaction: Any = None) -> None:
        """Roll everything back."""
        if self.is_over:
            return
        self.is_over = True
        prepared, self._prepared = self._prepared, []
        try:
            order.roll_back(prepared)
        except order.Left as left:
            self._report(prepared[: len(left.numbers)], "nothing is committed; these are to be rolled back", left)
        finally:
            self._end()

    def sortKey(self) -> str:
        """Come last: a plain commit cannot be taken back when somebody else votes against it."""
        return "~qapla"

    @property
    def savepoint(self) -> Callable[[], Any]:
        """Return what makes savepoints in all sessions, for ``request.tm.savepoint()``."""
        return lambda: Savepoints([session.begin_nested() for session in self._sessions])

    def should_retry(self, error: Exception) -> bool:
        """Tell whether the work, done again, could succeed: a deadlock, a transaction that could not be serialized."""
        from zope.sqlalchemy.datamanager import SessionDataManager  # it knows the drivers' errors

        return bool(SessionDataManager.should_retry(self, error))

    # -- one phase -------------------------------------------------------------------------

    def _commit_alone(self, written: list[Branch]) -> None:
        """Commit the one that was written, after those that were not: they could have called a function that writes."""
        last = written[0].session if written else None
        self.is_committing = True
        for session in [*(one for one in self._sessions if one is not last), *([last] if last is not None else [])]:
            session.commit()

    # -- two phases ----------------------------------------------------------------------

    def _find_written(self) -> list[Branch]:
        """Return the branches that were written. The server is asked only where it makes a difference."""
        maybe = [one for one in self._branches if one.was_written_to or (one.style is not None and not one.style.is_named_at_begin)]
        maybe.sort(key=lambda one: one.was_written_to)
        for branch in list(maybe):
            if len(maybe) > 1 and branch.style is not None and not branch.style.is_named_at_begin and not branch.has_written():
                maybe.remove(branch)
        return [one for one in self._branches if one in maybe]

    def _prepare(self, written: list[Branch]) -> None:
        unable = [one for one in written if not one.can_prepare]
        if unable:
            names = ", ".join(repr(one.database) for one in written)
            raise NotOffered(
                f"one commit over {names} is not offered: {unable[0].database!r} cannot commit in two phases",
                hint=f"write {unable[0].database!r} in a unit of work of its own",
            )
        branches = self._in_order(written)
        for session in dict.fromkeys(one.session for one in branches):
            self._complete(session)
        self._prepared_at = (time.monotonic(), time.time())
        try:
            order.prepare(branches)
        except Exception as error:
            raise self._explain(branches, error) from error
        self._prepared = branches
        rest = [one for one in self._sessions if all(one is not branch.session for branch in branches)]
        for session in rest:
            session.commit()  # nothing was written there, unless by a function that a SELECT has called

    def _complete(self, session: Session) -> None:
        """Do what SQLAlchemy's commit does before the database is told."""
        while (nested := session.get_nested_transaction()) is not None:
            nested.commit()
        self.is_committing = True
        session.dispatch.before_commit(session)
        session.flush()
        session.connection()  # raises if a flush has failed before

    def _in_order(self, written: list[Branch]) -> list[Branch]:
        """Return *written* with the branch that decides in front."""
        late = [one for one in written if one.style is not None and not one.style.is_named_at_begin]
        first = late[0] if late else next((one for one in written if one.name.number == 1), None)
        if first is None:
            first = self._find_notary()
        elif not late and len(written) > 2:
            self._prove(first)
        first.name = BranchName(self._id, 1, self._mark)
        rest = sorted((one for one in written if one is not first), key=lambda one: one.name)
        return [first, *rest]

    def _find_notary(self) -> Branch:
        """Return a branch on a database that was not written, to be the decision.

        Raises:
            NotOffered: none of the databases could keep an empty one.
        """
        for name, style in self._styles.items():
            if style is not None and not style.is_named_at_begin:
                known = [one for one in self._branches if one.database == name]
                return known[0] if known else self._begin_on(name)
        raise NotOffered(
            "one commit over these databases is not offered: the one that was used first was not written",
            details=[one.database for one in self._branches],
            hint='write together in app["database"].transaction(…), the one first that is always written',
        )

    def _begin_on(self, name: str) -> Branch:
        session = self._databases[name].make_session()
        self._sessions.append(session)
        self.begin(name, session, session.connection())
        return self._branches[-1]

    def _prove(self, first: Branch) -> None:
        """Refuse a decision that the server could forget, because nothing was changed there.

        Raises:
            NotOffered: it is one, or the server does not say.
        """
        changed = False
        with suppress(DBAPIError):
            changed = first.has_written()
        if not changed:
            raise NotOffered(
                f"one commit over more than two databases is not offered: it is not certain that {first.database!r} was changed",
                hint="grant the right PROCESS to its account, and write there first",
            )

    def _explain(self, branches: list[Branch], error: Exception) -> Exception:
        """Return the error of ours for what a server says to PREPARE, or does not say; a broken constraint stays what it is."""
        for note in getattr(error, "__notes__", ()):
            log.critical("%s", note)
        names = ", ".join(repr(one.database) for one in branches)
        if isinstance(error, UnknownOutcome):
            return Unavailable(f"nothing was committed on {names}: one of them does not answer", details=_first_line(error))
        state = getattr(getattr(error, "orig", None), "sqlstate", None) or ""
        kind = NOT_PREPARED.get(state)
        if kind is None:
            return error
        failed = [one.database for one in branches if one.is_over][-1]  # those after it were not asked
        hint = "see max_prepared_transactions of PostgreSQL" if state == "55000" else None
        return kind(f"one commit over {names} cannot be prepared on {failed!r}: {_first_line(error)}", hint=hint)

    def _commit_prepared(self) -> None:
        prepared, self._prepared = self._prepared, []
        self.is_over = True
        # The monotonic clock stands still while a machine sleeps, the other one can be set.
        if max(now - then for now, then in zip((time.monotonic(), time.time()), self._prepared_at, strict=True)) > DECIDE_WITHIN_S:
            self._give_up(prepared)
        try:
            order.commit(prepared)
        except order.Left as left:
            raise self._in_doubt(prepared, left) from left.__cause__
        finally:
            self._end()
        for session in dict.fromkeys(one.session for one in prepared):
            session.dispatch.after_commit(session)

    def _give_up(self, prepared: list[Branch]) -> None:
        """Roll back, for whoever looks for what is in doubt could be about to do so."""
        self._prepared, self.is_over = prepared, False
        self.abort()
        raise Unavailable("the commit was rolled back: this process stood still between its two phases", hint="try again")

    def _in_doubt(self, prepared: list[Branch], left: order.Left) -> InDoubt:
        doubtful = [prepared[number].database for number in left.numbers]
        names = ", ".join(repr(name) for name in doubtful)
        is_decided = left.numbers.start > 0
        what = "the rest is committed, and these are to be" if is_decided else "nobody knows whether they are committed"
        self._report(prepared[left.numbers.start :], what, left)
        return InDoubt(
            f"the work is committed, except on {names}" if is_decided else f"it is not known whether the work on {names} was committed",
            details={"databases": doubtful, "work": self._id},
            hint="do not repeat it: 'qapla database in-doubt' tells what to do",
        )

    def _report(self, branches: list[Branch], what: str, left: order.Left) -> None:
        names = ", ".join(f"{one.name} on {one.database!r}" for one in branches)
        log.critical("prepared transactions are left: %s; %s: %s; see 'qapla database in-doubt'", names, what, left.__cause__)

    def _end(self) -> None:
        self.is_over = True
        for branch in self._all:
            if branch.is_left:
                branch.let_go()  # the server frees it for whoever resolves it, and the pool never lends this connection again
        for session in reversed(self._sessions):
            try:
                session.close()
            except Exception:
                log.warning("a session could not be closed", exc_info=True)


class Savepoints:
    """Savepoints in several sessions, which are rolled back together."""

    def __init__(self, nested: list[Any]) -> None:
        self._nested = nested

    def rollback(self) -> None:
        """Undo what was done since."""
        for one in reversed(self._nested):
            one.rollback()


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", error)).strip().split("\n")[0]
