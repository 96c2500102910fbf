"""The sessions of one scope: one per declared database, opened when asked for, closed last first.

Two ways to commit, which exclude each other. ``manual``: you commit by yourself; what is not committed is rolled back. ``tm``: the scope's
transaction manager commits when the request went well (pyramid_tm with zope.sqlalchemy).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from qapla.errors import NotOffered, PluginError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from qapla.database.database import Database

CommitMode = Literal["manual", "tm"]


class Sessions:
    """Sessions by database name: ``scope["database"]["main"]``.

    Args:
        databases: the declared ones, by name.
        manager: the transaction manager that commits; None when whoever uses a session commits by himself.
    """

    def __init__(self, databases: Mapping[str, Database], manager: Any = None) -> None:
        self._databases = databases
        self._manager = manager
        self._open: dict[str, Session] = {}

    def __getitem__(self, name: str) -> Session:
        """Return the session of the database called *name*; it is the same one for the whole scope.

        Raises:
            PluginError: no database of that name is declared.
            NotOffered: the scope commits by a transaction manager and has a session on another database already.
        """
        if name not in self._open:
            self._open[name] = self._make(name)
        return self._open[name]

    def _make(self, name: str) -> Session:
        if name not in self._databases:
            raise PluginError(f"no database is declared as {name!r}", hint=nearest(name, self._databases))
        session = self._databases[name].make_session()
        if self._manager is not None:
            self._join(name, session)
        return session

    def _join(self, name: str, session: Session) -> None:
        if self._open:
            # Two commits one after the other can leave half of the work behind; that is refused and never pretended.
            other = next(iter(self._open))
            raise NotOffered(f"one transaction over the databases {other!r} and {name!r} is not offered", hint="commit by hand, or use one")
        from zope.sqlalchemy import register

        # "changed" from the beginning: Core writes do not pass the unit of work and would be rolled back silently.
        register(session, initial_state="changed", transaction_manager=self._manager)

    def close(self) -> None:
        """Close all sessions, last first; what is not committed is rolled back."""
        failed: BaseException | None = None
        while self._open:
            _, session = self._open.popitem()
            try:
                session.close()
            except Exception as error:
                failed = failed or error
        if failed is not None:
            raise failed
