"""Every error that qapla raises on purpose, each with the HTTP status it becomes.

    QaplaError                     500
    ├── ConfigurationError         500  the application is put together wrongly
    │   ├── SettingsError               a setting is missing or wrong
    │   ├── PluginError                 a plugin is missing, declared twice, in the wrong order
    │   ├── ModelError                  a model is declared wrongly, or is not what it is used for
    │   └── NotBound                    a model is used where no database is open
    ├── InputError                 400  what came in cannot be understood
    │   ├── QueryError                  the question is malformed, or names what is not there
    │   ├── ValueRefused                a value cannot be read as its column's type
    │   ├── NotOffered                  right grammar, but this engine or release does not have it
    │   ├── TargetRefused               a connection that is wrong or not allowed
    │   ├── EntityRefused               an entity that a repository cannot keep
    │   └── TooLarge               413  over one of the limits
    ├── AccessError                403
    │   ├── NotAuthenticated       401
    │   └── ReadOnly               405  the connection or the table takes no writes
    ├── NotFound                   404  no such database, table, row, function
    │   ├── RowNotFound                 a question for one row has none
    │   ├── EntityNotFound              a repository has no entity of this key
    │   └── UnknownConnection           the pool has none of that name
    ├── Conflict                   409  a constraint, or somebody was faster
    │   ├── NameTaken
    │   ├── NothingPending              a commit that would keep nothing, while work waits elsewhere
    │   ├── SeveralRows                 a question for one row has more
    │   ├── Superseded                  somebody else writes behind a memory now
    │   ├── TableExists                 it is there already
    │   ├── WrongKeyType                a key of Redis holds another type than its repository keeps
    │   └── PreconditionFailed     412  If-Match did not hold
    ├── DatabaseError              500  what an engine answered, mapped to a SQLSTATE
    │   └── PartitionFailed             a part of a distributed frame could not be read or written
    ├── DatabasesFailed        500  some of several databases did not answer; the others' answers are in it
    ├── EntityDamaged              500  what a store has is not what its repository wrote
    ├── InDoubt                    503  a commit over several databases that was begun and is not finished
    └── Unavailable                503  down, paused, over capacity
        ├── SecretLost                  sealed with another key
        ├── StoreUnavailable            a store of a repository does not answer, or takes no writes
        └── TimedOut               504
            └── StoreTimedOut           a call to a repository took too long

Every error carries the four parts of a REST answer: ``code`` (a SQLSTATE, a PGRST or a QAPLA code), the message, ``details``
and ``hint``. A message names the thing, the value in quotes and what is wrong; the hint says what to do. Neither ever holds a
password, SQL text, or the contents of a row that was not asked for.
"""

from __future__ import annotations

import traceback
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class QaplaError(Exception):
    """Something qapla refuses or cannot do; the base class of all its errors.

    Args:
        message: one sentence: thing, value in quotes, what is wrong.
        code: what a program can rely on; the class has a default.
        details: more about this case; text, or a value that JSON can hold.
        hint: what to do about it.
        status: the HTTP status, where it differs from that of the class.
        headers: HTTP headers that belong to the answer, ``{"Retry-After": "5"}``.
    """

    status: int = 500
    code: str = "QAPLA500"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        details: Any = None,
        hint: str | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.hint = hint
        self.headers = dict(headers or {})
        if code is not None:
            self.code = code
        if status is not None:
            self.status = status

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def as_json(self) -> dict[str, Any]:
        """Return the body of a REST error: ``code``, ``message``, ``details``, ``hint``."""
        return {"code": self.code, "message": self.message, "details": self.details, "hint": self.hint}


class ConfigurationError(QaplaError):
    """The application is put together wrongly; a programmer has to change it."""


class SettingsError(ConfigurationError):
    """A setting is missing or wrong: key, file and what was expected."""


class PluginError(ConfigurationError):
    """A plugin is missing, declared twice or declared in the wrong order."""


class ModelError(ConfigurationError):
    """A model is declared wrongly, or is used for what it is not."""


class NotBound(ConfigurationError):
    """A model is used where no database is open, or not the one that it needs."""


class InputError(QaplaError):
    """What came in cannot be understood."""

    status = 400
    code = "PGRST100"


class QueryError(InputError):
    """The question is malformed, or names something that is not there."""


class ValueRefused(InputError):
    """A value cannot be read as the type of its column, or would lose digits there."""

    code = "22P02"


class NotOffered(InputError):
    """The request is understood, but this engine or this release has no such thing."""

    code = "QAPLA100"


class TargetRefused(InputError):
    """A connection cannot be made like this: a part of it is wrong, missing or not allowed. ``field`` says which one."""

    code = "QAPLA400"

    def __init__(self, message: str, *, field: str = "url", **parts: Any) -> None:
        super().__init__(message, **parts)
        self.field = field


class TooLarge(InputError):
    """Over a limit of the connection."""

    status = 413
    code = "QAPLA413"


class AccessError(QaplaError):
    """The caller may not do this."""

    status = 403
    code = "42501"


class NotAuthenticated(AccessError):
    """Nobody is logged in, or the credentials are not valid."""

    status = 401
    code = "42501"


class ReadOnly(AccessError):
    """The connection, or the table, takes no writes."""

    status = 405
    code = "25006"


class NotFound(QaplaError):
    """There is no such database, table, function or row."""

    status = 404
    code = "QAPLA404"


class RowNotFound(NotFound, IndexError):
    """There is no such row. It is an IndexError, too, since ``queryset[7]`` asks for one."""


class UnknownConnection(NotFound, KeyError):
    """The pool has no connection of this name. It is a KeyError, too, since connections are a mapping."""


class OfRepository(QaplaError):
    """What errors of repositories have in common: whose they are. Never the value of an entity.

    Attributes:
        repository: the name of the repository; None while only the store knows of it.
        key: the key as the store has it, ``person:john_doe``.
    """

    def __init__(self, message: str, *, repository: str | None = None, key: str | None = None, **parts: Any) -> None:
        super().__init__(message, **parts)
        self.repository = repository
        self.key = key


class EntityNotFound(OfRepository, NotFound):
    """A repository has no entity of this key: neither in its memory nor behind it."""


class EntityRefused(OfRepository, InputError):
    """An entity cannot be kept: another class, no key, or a value that would not come back as it was."""

    code = "22P02"


class EntityDamaged(OfRepository):
    """What a store has under a key cannot be read as an entity of the repository."""


class Conflict(QaplaError):
    """A constraint stands against it, or somebody else was faster."""

    status = 409
    code = "QAPLA409"


class NameTaken(Conflict):
    """Somebody else has this name already."""


class TableExists(Conflict):
    """A table, or something else, has this name in the database already."""

    code = "42P07"


class WrongKeyType(OfRepository, Conflict):
    """A key of Redis holds a value of another type than its repository keeps there (WRONGTYPE)."""

    code = "42809"  # wrong_object_type


class Superseded(OfRepository, Conflict):
    """Somebody else writes into the store behind a memory now: what this one still had in hand is refused, as it may be old."""


class NothingPending(Conflict):
    """The wrong connection is committed: nothing waits there, while something does on another one."""


class SeveralRows(Conflict):
    """One row was asked for, and there are more."""


class PreconditionFailed(Conflict):
    """The row is no longer the one that the caller has seen."""

    status = 412
    code = "QAPLA412"


class DatabaseError(QaplaError):
    """An engine's error, mapped to the SQLSTATE and the status it has on PostgreSQL.

    ``column``, ``constraint`` and ``table`` are named where the engine does: a form shows the message beside its field.
    """

    code = "XX000"

    def __init__(
        self, message: str, *, column: str | None = None, constraint: str | None = None, table: str | None = None, **parts: Any
    ) -> None:
        super().__init__(message, **parts)
        self.column = column
        self.constraint = constraint
        self.table = table


class PartitionFailed(DatabaseError):
    """One partition of a distributed frame could not be read or written: which database, which range of keys, and why."""


class DatabasesFailed(QaplaError):
    """Several databases were asked, and some of them did not answer. Code and status are those of the first error.

    Args:
        errors: what went wrong, by the name of the database.
        answers: what the other databases answered, by name.
    """

    def __init__(self, message: str, *, errors: Mapping[str, QaplaError], answers: Mapping[str, Any], **parts: Any) -> None:
        super().__init__(message, **parts)
        self.errors = dict(errors)
        self.answers = dict(answers)


class InDoubt(QaplaError):
    """A commit over several databases was begun and is not finished. It must not be repeated before it is.

    No ``Unavailable``: what retries those would do the work twice.
    """

    status = 503
    code = "40003"  # statement_completion_unknown


class Unavailable(QaplaError):
    """Not now: down, paused, or at capacity."""

    status = 503
    code = "QAPLA503"


class SecretLost(Unavailable):
    """A sealed secret cannot be opened: its key is another one, or it was moved from another place."""


class TimedOut(Unavailable):
    """No answer within the deadline."""

    status = 504
    code = "QAPLA504"


class StoreUnavailable(OfRepository, Unavailable):
    """A store of a repository does not answer, or does not take what is written.

    Attributes:
        answered: whether the store did answer, with a refusal: it is full, loading, or a replica.
    """

    def __init__(self, message: str, *, answered: bool = False, **parts: Any) -> None:
        super().__init__(message, **parts)
        self.answered = answered


class StoreTimedOut(StoreUnavailable, TimedOut):
    """A store of a repository took longer than the deadline. A write may have arrived."""


def tell(error: BaseException, file: str | None = None) -> str:
    """Return a mistake of a programmer in one line: where it is, the kind of error, and what Python says.

    Args:
        file: the line in this one is told; without it, the line that raised it.
    """
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}{_in(error.filename, file)}: {type(error).__name__}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if file is None or frame.filename == file]
    place = f"line {own[-1].lineno}{_in(own[-1].filename, file)}: " if own else ""
    return f"{place}{traceback.format_exception_only(error)[0].strip()}"


def _in(found: str | None, file: str | None) -> str:
    return "" if found == file else f" of {found!r}"


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the hint ``did you mean 'shop'?`` for the closest of *names*, or None when nothing is close."""
    found = closest(name, names)
    return f"did you mean {found!r}?" if found is not None else None


def closest(name: str, names: Iterable[str]) -> str | None:
    """Return the closest of *names*, or None when nothing is close."""
    found = get_close_matches(name, list(names), n=1, cutoff=0.6)
    return found[0] if found else None
