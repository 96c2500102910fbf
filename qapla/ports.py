"""Where parts meet that must not import each other: small Protocols, and the values that pass through them.

A plugin offers a value under its key (``app["metrics"]``); whoever uses it knows the Protocol here and not the plugin. Beside every
Protocol that may go unserved stands its Null.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from qapla.errors import NotOffered

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

current_request: ContextVar[str] = ContextVar("current_request", default="")
"""The id of the request that is being answered, as the log and ``X-Request-Id`` have it; empty outside of requests."""

current_task: ContextVar[str] = ContextVar("current_task", default="")
"""The id of the task that is being done; whoever runs a task sets it for that time, and every line of the log has it."""

PROVISIONAL = "qapla.provisional"
"""Name of a log handler that makes way for whoever sets up the log of the application."""

Operation = Literal["select", "insert", "update", "delete", "execute"]
WRITES: frozenset[Operation] = frozenset({"insert", "update", "delete"})


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking. ``id`` is that of the user or the token; the name is for people and logs.

    ``jwt`` is somebody with a token of a database's own issuer, known in that database only. ``role`` is the role of the database that
    is taken for the caller there, where its connection maps callers to roles.
    """

    kind: Literal["anonymous", "token", "user", "system", "jwt"]
    id: int | None = None
    name: str = "anonymous"
    role: str | None = None


ANONYMOUS = Identity("anonymous")
SYSTEM = Identity("system", name="system")


class Rights(Protocol):
    """What one caller may do in one database. Asked by ``query.resolve`` and nowhere else on the way to a row."""

    def allows(self, operation: Operation, schema: str | None, table: str, column: str | None = None) -> bool:
        """Tell whether *operation* is allowed on the table, or on one column of it."""
        ...

    @property
    def authenticated(self) -> bool:
        """Tell whether a refusal is 403 (somebody who may not) or 401 (nobody known)."""
        ...


@dataclass(frozen=True, slots=True)
class FixedRights:
    """The same operations on every table.

    ``by_role``: it is the role, taken in the transaction, whose grants decide; without it nothing may run for this caller.
    """

    operations: frozenset[Operation]
    authenticated: bool = True
    by_role: bool = False

    def allows(self, operation: Operation, schema: str | None, table: str, column: str | None = None) -> bool:
        """Tell whether *operation* is among the fixed ones."""
        return operation in self.operations


READ_RIGHTS = FixedRights(frozenset({"select", "execute"}))
ALL_RIGHTS = FixedRights(frozenset({"select", "insert", "update", "delete", "execute"}))
NO_RIGHTS = FixedRights(frozenset(), authenticated=False)
ROLE_RIGHTS = {known: FixedRights(ALL_RIGHTS.operations, authenticated=known, by_role=True) for known in (False, True)}
"""What a policy gives a caller with a role: by whether it is somebody known."""


class Policy(Protocol):
    """Who may do what in which database."""

    def rights(self, identity: Identity, database: str) -> Rights:
        """Return what *identity* may do in the database called *database*."""
        ...


class Identifier(Protocol):
    """Find out who sends a request, without asking the registry while its snapshot is fresh."""

    def identify(self, request: Any) -> Identity:
        """Return who is asking.

        Raises:
            NotAuthenticated: there are credentials, and they are not valid; never falls back to anonymous.
        """
        ...


class SecretBox(Protocol):
    """Keeps secrets that only this installation can read, each bound to the place where it is stored."""

    def seal(self, secret: str, bound_to: str) -> str:
        """Return *secret* encrypted, as text with the id of its key in front."""
        ...

    def open(self, sealed: str, bound_to: str) -> str:
        """Return the secret.

        Raises:
            SecretLost: the key is another one, or the text was moved from another place.
        """
        ...


class MetricsBackend(Protocol):
    """One place to count things and to time them. ``app["metrics"]``.

    A metric has the same tags each time; their values come from a small set (a route's pattern, never a path).
    """

    def increment(self, name: str, value: float = 1, **tags: str) -> None:
        """Add *value* to a counter."""
        ...

    def observe(self, name: str, seconds: float, **tags: str) -> None:
        """Record one duration, in seconds."""
        ...

    def set(self, name: str, value: float, **tags: str) -> None:
        """Say what something that goes up and down is now."""
        ...


class NullMetrics:
    """Counts nothing."""

    def increment(self, name: str, value: float = 1, **tags: str) -> None:
        """Do nothing."""

    def observe(self, name: str, seconds: float, **tags: str) -> None:
        """Do nothing."""

    def set(self, name: str, value: float, **tags: str) -> None:
        """Do nothing."""


Check = Callable[[], object]
"""Asks something that the application needs: returns when it is well (what it returns is not looked at), raises when it is not."""


class HealthChecks(Protocol):
    """Where plugins say what makes an application ready. ``app["health"]``."""

    def add(self, name: str, check: Check, *, required: bool = True) -> None:
        """Ask *check* under *name*, in place of another one of that name; without *required* a failure is told and changes nothing."""
        ...


class NullHealth:
    """Checks nothing."""

    def add(self, name: str, check: Check, *, required: bool = True) -> None:
        """Do nothing."""


class CsrfCheck(Protocol):
    """Refuses what another site's page made a browser send. ``app["csrf"]``."""

    by_cookie: Callable[[Any], bool]
    """Tells whether a request is authenticated by a cookie, so that it needs a token."""

    origins: Callable[[Any], Collection[str]]
    """Returns the other origins whose pages may send a request without credentials; ``*`` for all."""

    def check(self, request: Any) -> None:
        """Check the origin of an unsafe request and, where a cookie authenticates it, its token.

        Raises:
            AccessError: it comes from another web page, or its token is missing or another one.
        """
        ...

    def check_token(self, request: Any) -> None:
        """Check the token of *request*, whoever sends it.

        Raises:
            AccessError: it is missing or another one.
        """
        ...


class Work(Protocol):
    """What a running task gets as its first argument."""

    app: Any
    scope: Any
    id: str

    def progress(self, fraction: float, message: str = "") -> None:
        """Say how far it is, 0 to 1, and what it does now; cheap to call often."""
        ...


class TaskQueue(Protocol):
    """Work that outlives a request: a Celery broker, or a bounded pool in this process. ``app["tasks"]``."""

    def submit(self, task: Callable[..., Any], *arguments: Any, subject: int | None = None) -> str:
        """Queue *task* (made with ``@task``) and return the id under which its progress is kept.

        Args:
            arguments: JSON values: ids, never secrets. The task may run twice.
            subject: id of what it is about, kept with the job.

        Raises:
            Unavailable: the queue is full, or the broker does not answer.
        """
        ...

    def submit_after_commit(self, task: Callable[..., Any], *arguments: Any, subject: int | None = None) -> str:
        """Do as ``submit`` does when the work of the current scope is committed; never when it is rolled back.

        What ``submit`` raises then is only logged: the work is committed. Without a scope, or a session open in it, it is done at once.
        """
        ...


JobState = Literal["queued", "running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Job:
    """Work in the background and how far it is; ``progress`` from 0 to 1."""

    id: str
    kind: str
    subject: int | None
    state: JobState
    progress: float
    message: str


class JobStore(Protocol):
    """Where the progress of tasks is kept, for every process to see. ``app["jobs"]``; each call is a transaction of its own."""

    def add(self, job_id: str, kind: str, subject: int | None) -> None:
        """Keep a new job, queued."""
        ...

    def update(self, job_id: str, *, state: JobState | None = None, progress: float | None = None, message: str | None = None) -> None:
        """Change what is given; a job that is gone is no error."""
        ...

    def find(self, job_id: str) -> Job | None:
        """Return the job, or None."""
        ...

    def beat(self, job_ids: Collection[str]) -> None:
        """Say that this process, which alone will do these jobs, lives: said often, so that a job whose process is gone can be told."""
        ...


class NullJobs:
    """Keeps nothing."""

    def add(self, job_id: str, kind: str, subject: int | None) -> None:
        """Do nothing."""

    def update(self, job_id: str, *, state: JobState | None = None, progress: float | None = None, message: str | None = None) -> None:
        """Do nothing."""

    def find(self, job_id: str) -> Job | None:
        """Know of no job."""
        return None

    def beat(self, job_ids: Collection[str]) -> None:
        """Do nothing."""


class Exporter(Protocol):
    """Whoever makes a file of the rows of a list, in the background. ``app["exports"]``; the admin offers what is there."""

    formats: Mapping[str, str]
    """What can be made, and what people call it: ``{"csv": "CSV"}``; empty where nothing is offered."""

    def start(self, identity: Identity, database: str, schema: str | None, table: str, listing: str, format: str) -> str:
        """Begin, and return the path of the page, below that of the application, on which *identity* finds the file.

        Args:
            listing: which rows, in which order: the parameters of the list's address. Rights are asked when the rows are read.

        Raises:
            InputError: there is no such format.
            AccessError: *identity* is nobody who could come back for the file.
            Unavailable: too many are waiting.
        """
        ...

    def find_line(self, database: str, query: Any, url: str) -> str | None:
        """Return the line of Python that reads the rows of *query*, a ``Query``, as a data frame; None where there is none.

        Args:
            url: the address of the application, with scheme and host.
        """
        ...


class NullExporter:
    """Makes nothing."""

    formats: Mapping[str, str] = {}

    def start(self, identity: Identity, database: str, schema: str | None, table: str, listing: str, format: str) -> str:
        """Refuse."""
        raise NotOffered("exports in the background are not offered here", hint="take the CSV of the list")

    def find_line(self, database: str, query: Any, url: str) -> str | None:
        """Know none."""
        return None


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may log in. A session made under another ``epoch`` has ended; without a hash there is no login by password."""

    id: int
    name: str
    password_hash: str | None
    epoch: int

    def __repr__(self) -> str:
        return f"Account({self.id}, {self.name!r})"


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A key for programs. ``expires_at``: seconds since 1970, None for never."""

    id: int
    name: str
    expires_at: float | None


class AccountStore(Protocol):
    """Who may log in, and which tokens there are. ``app["accounts"]``.

    The ``find_…`` methods are asked on every request and answer from memory; the others write, each in a transaction of its own.
    """

    def find_user(self, user_id: int) -> Account | None:
        """Return the account, or None."""
        ...

    def find_user_by_name(self, name: str) -> Account | None:
        """Return the account of that name, or None."""
        ...

    def find_token(self, digest: str) -> AccessToken | None:
        """Return the token whose SHA-256 is *digest* (hex), expired or not, or None."""
        ...

    def use_login_link(self, digest: str) -> Account | None:
        """Use up the login link whose SHA-256 is *digest*; return its account, or None when it is used, expired or unknown.

        Of two that come at once, one gets the account.
        """
        ...

    def set_password(self, user_id: int, password_hash: str, *, end_sessions: bool = True) -> None:
        """Keep another hash; with *end_sessions* the epoch grows, so that every session of the account ends."""
        ...

    def note_login(self, user_id: int) -> None:
        """Remember that the account has just logged in."""
        ...


class DatabaseSource(Protocol):
    """Where the catalog learns which databases there are. lazydb's is its registry; a program's own can be a dict."""

    def revision(self) -> int:
        """Return a number that grows with every change. Costs at most one short statement."""
        ...

    def load(self, known: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return every ``catalog.Served`` by name; those of *known* that did not change are returned as they are."""
        ...
