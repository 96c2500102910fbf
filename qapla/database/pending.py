"""Whether a session has work that a commit would keep: rows that are to be written, and statements that may have written.

What a SELECT does by calling a function of the database is not seen.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from qapla.database.branch import READS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session, SessionTransaction

KEY = "qapla_pending"
MAKES_TABLE = re.compile(r"\bINTO\b", re.IGNORECASE)  # SELECT … INTO


def watch(session: Session) -> Session:
    """Have *session* know what it writes from now on, and return it. Watching twice is watching once."""
    if KEY in session.info:
        return session
    # Of a transaction that is under way nobody knows what it has done.
    session.info[KEY] = None if session.in_transaction() else False

    def begin(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
        if transaction.parent is None:
            event.listen(connection, "before_cursor_execute", note)

    def note(connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        if not session.info[KEY] and may_write(statement):
            session.info[KEY] = True

    def end(session: Session, transaction: SessionTransaction) -> None:
        if transaction.parent is None:
            session.info[KEY] = False

    event.listen(session, "after_begin", begin)
    event.listen(session, "after_transaction_end", end)
    return session


def may_write(statement: str) -> bool:
    """Tell whether a statement may change something; a lock changes nothing."""
    return not READS.match(statement) or MAKES_TABLE.search(statement) is not None


@contextmanager
def unnoticed(session: Session) -> Iterator[None]:
    """Let what runs inside not count: a statement that looks like a write and is none."""
    before = session.info.get(KEY)
    yield
    session.info[KEY] = before


def is_pending(session: Session) -> bool | None:
    """Tell whether *session* has work that is not committed; None where nobody knows."""
    if session.new or session.deleted or any(session.is_modified(row) for row in session.dirty):
        return True
    found: bool | None = session.info.get(KEY)
    return found
