"""Ask several databases at once: each in a thread of its own, in its own session, which no other thread uses meanwhile.

What one of them fails with is told with its name; what the others answered is kept.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from qapla.database import deadline
from qapla.database.models.difference import explain
from qapla.database.pending import is_pending
from qapla.database.runners import RUNNERS
from qapla.errors import DatabaseError, DatabasesFailed, InputError, NotBound, QaplaError, TimedOut, ValueRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.orm import Mapper

    from qapla.database.models.bound import Bound

Answer = TypeVar("Answer")
OnError = Literal["raise", "report"]

_asked: ContextVar[tuple[Bound, ...] | None] = ContextVar("qapla_asked", default=None)  # together, while one of them is
MAX_AT_ONCE = 32  # threads; they wait for servers, so there may be more than cores
log = logging.getLogger("qapla.database.models")


def asked_now() -> tuple[Bound, ...] | None:
    """Return the databases that are asked together, within the thread that asks one of them; else None."""
    return _asked.get()


@dataclass(slots=True)
class Asking:
    """How databases are asked; ``errors`` are those of the last time, by the name of the database.

    Args:
        on_error: ``"raise"``, or ``"report"``: go on with the answers that are there.
        timeout_s: how long each database may take; None leaves it to the limits of its connection.
    """

    on_error: OnError = "raise"
    timeout_s: float | None = None
    errors: dict[str, QaplaError] = field(default_factory=dict)

    def again(self) -> Asking:
        """Return the same, for another queryset, which has errors of its own."""
        return Asking(self.on_error, self.timeout_s)

    def ask(self, bounds: Sequence[Bound], read: Callable[[Bound], Answer], mapper: Mapper[Any]) -> list[tuple[Bound, Answer]]:
        """Return what *read* gives for each of *bounds*, in their order.

        Raises:
            QaplaError: the only database failed. DatabasesFailed: some of several did, or all of them.
        """
        self.errors = {}
        if len(bounds) == 1:
            return [(bounds[0], self._read(bounds, bounds[0], read, mapper))]
        found = self.gather(bounds, read, mapper)
        self.judge(len(bounds), {bound.name: answer for bound, answer in found})
        return found

    def gather(self, bounds: Sequence[Bound], read: Callable[[Bound], Answer], mapper: Mapper[Any]) -> list[tuple[Bound, Answer]]:
        """Return the answers that came, and note the errors."""

        def keep(bound: Bound) -> tuple[Bound, Answer] | None:
            try:
                return bound, self._read(bounds, bound, read, mapper)
            except QaplaError as error:
                self.errors[bound.name] = error
                return None

        if len(bounds) <= 1:
            return [found for found in map(keep, bounds) if found is not None]
        with ThreadPoolExecutor(min(len(bounds), MAX_AT_ONCE), thread_name_prefix="qapla-ask") as pool:
            try:
                found = [each for each in pool.map(keep, bounds) if each is not None]
            except BaseException:  # somebody has pressed Ctrl-C, who would wait here for the slowest
                pool.shutdown(wait=False, cancel_futures=True)
                for bound in bounds:
                    bound.stop()
                raise
        self.errors = {bound.name: self.errors[bound.name] for bound in bounds if bound.name in self.errors}
        return found

    def ask_again(self, bound: Bound, read: Callable[[], Answer], mapper: Mapper[Any]) -> Answer:
        """Return more of one database that has answered before.

        Raises:
            QaplaError: it fails now.
        """
        return self._read((bound,), bound, lambda _: read(), mapper)

    def note(self, bound: Bound, error: QaplaError) -> None:
        """Report that a database failed in the middle of its answer."""
        self.errors[bound.name] = error
        log.warning("database %r did not answer to the end: %s", bound.name, error)

    def judge(self, count: int, answers: dict[str, Any]) -> None:
        """Raise what has to be raised, and log what is only reported.

        Raises:
            DatabasesFailed: somebody failed and that is an error, or all failed.
        """
        if not self.errors:
            return
        first = next(iter(self.errors.values()))
        if isinstance(first, InputError) and len(self.errors) == count:
            raise first  # nothing is wrong with any database
        if self.on_error == "raise" or len(self.errors) == count:
            raise _fail(count, self.errors, answers)
        for name, error in self.errors.items():
            log.warning("database %r did not answer: %s", name, error)

    def _read(self, bounds: Sequence[Bound], bound: Bound, read: Callable[[Bound], Answer], mapper: Mapper[Any]) -> Answer:
        """Ask one database, with its errors made ours."""
        if not bound.is_open:
            raise NotBound(f"database {bound.name!r} is closed", hint="ask inside of the with-block that opens it")
        token = _asked.set(tuple(bounds))
        try:
            with bound.errors():
                if bound.dialect.errors_spoil and is_pending(bound.session):  # what was written before stays, whatever this does
                    with bound.session.begin_nested():
                        return self._read_in_time(bound, read)
                return self._read_in_time(bound, read)
        except QaplaError as error:
            clear(bound)
            raise explain(bound, mapper, error) from error.__cause__
        except (SQLAlchemyError, OverflowError) as error:
            clear(bound)
            raise _as_ours(error, bound) from error
        finally:
            _asked.reset(token)

    def _read_in_time(self, bound: Bound, read: Callable[[Bound], Answer]) -> Answer:
        timeout_s = self.timeout_s
        if timeout_s is None:
            return read(bound)
        started = time.monotonic()
        connection = bound.session.connection()
        raw = connection.connection.driver_connection
        number = deadline.watch(started + timeout_s, lambda: RUNNERS[bound.dialect.key].cancel(raw))
        is_late = False
        try:
            return read(bound)
        except (DBAPIError, OSError):
            is_late = time.monotonic() - started >= timeout_s
            if not is_late:
                raise
        finally:
            if (deadline.unwatch(number) or is_late) and not bound.dialect.is_file:
                connection.invalidate()
        raise TimedOut(f"database {bound.name!r} took longer than {timeout_s:g} s", hint="allow more: timeout(seconds)")


def _fail(count: int, errors: dict[str, QaplaError], answers: dict[str, Any]) -> DatabasesFailed:
    first = next(iter(errors.values()))
    told = "; ".join(f"{name!r}: {error.message}" for name, error in list(errors.items())[:3])
    more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
    return DatabasesFailed(
        f"{len(errors)} of {count} databases did not answer: {told}{more}",
        errors=errors,
        answers=answers,
        code=first.code,
        status=first.status,
        hint=first.hint or "on_error('report') goes on with the others",
    )


def _as_ours(error: Exception, bound: Bound) -> QaplaError:
    """Return an error of SQLAlchemy's own: a value that a type or driver does not take, no connection left, a session to be rolled back."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, QaplaError):
        return cause
    if isinstance(cause, LookupError | ValueError | TypeError | OverflowError):
        return ValueRefused(f"database {bound.name!r} cannot take a value: {str(cause)[:200]}")
    text = str(error).partition("\n")[0].partition(" (Background")[0][:300]
    return DatabaseError(f"database {bound.name!r}: {text}", hint="see the error that this one comes from")


def clear(bound: Bound) -> None:
    """End a transaction that an error may have spoiled, so that the next question can be asked; not when it would lose something."""
    if bound.is_open and is_pending(bound.session) is False:
        bound.rollback()
