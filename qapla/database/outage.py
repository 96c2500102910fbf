"""Tell a database that is away from a mistake: the first is ``Unavailable`` and may go away by itself.

Whoever works with sessions meets SQLAlchemy's own errors, ``OperationalError`` above all. Where a request ends in one of them because its
database is down, starting, shutting down or has no connection left, the answer is a 503 that names the database; an exception view of the
application's own wins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from qapla.database import dialects
from qapla.database.faults import RETRY_AFTER, note_column, translate
from qapla.errors import Unavailable

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine.interfaces import ExceptionContext

WHOSE = "qapla_database"


def name_errors(engine: Engine, name: str) -> None:
    """Have the errors of *engine* know that they belong to the database called *name*."""
    backend = engine.url.get_backend_name()

    def note(context: ExceptionContext) -> None:
        if context.sqlalchemy_exception is not None:
            setattr(context.sqlalchemy_exception, WHOSE, (backend, name))
        note_column(context.original_exception, getattr(context.execution_context, "cursor", None))

    event.listen(engine, "handle_error", note)


def find_outage(error: BaseException) -> Unavailable | None:
    """Return what *error* means when it says that a declared database is away; None when it says something else."""
    if isinstance(error, PoolTimeout):
        return Unavailable(
            "all connections to a database are in use", hint="raise pool_size, or ask less at once", code="PGRST003", headers=RETRY_AFTER
        )
    if not isinstance(error, DBAPIError) or error.orig is None:
        return None
    backend, name = getattr(error, WHOSE, (None, ""))
    if backend is None or backend not in dialects.ENGINES:
        return None
    found = translate(backend, error.orig, name)
    if isinstance(found, Unavailable):
        return found
    if error.connection_invalidated:
        return Unavailable(f"database {name!r} cannot be used now: the connection was lost", code="PGRST000", headers=RETRY_AFTER)
    return None
