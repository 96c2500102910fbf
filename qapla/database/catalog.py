"""The databases that are served right now, by name: what REST and admin look a database up in.

A ``Served`` is immutable and swapped in whole: whoever holds one keeps working with it while a refresh puts a new one in its place.
The catalog asks its source for the revision at most once a second, so that a look-up costs nothing in between; a change made in
another process is seen within that second.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from qapla.errors import NotFound, Unavailable
from qapla.ports import FixedRights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from qapla.database.bulkhead import Bulkhead
    from qapla.database.schema.description import DatabaseSchema, TableName
    from qapla.ports import DatabaseSource, Operation, Rights

TABLE_OPERATIONS: tuple[Operation, ...] = ("select", "insert", "update", "delete")
HOISTED_TX_SETTINGS = ("statement_timeout", "plan_filter.statement_cost_limit", "default_transaction_isolation")


@dataclass(frozen=True, slots=True)
class Options:
    """What a connection allows and where its limits are. Times in seconds, sizes in bytes; None means no limit.

    Names that PostgREST has carry PostgREST's names and meaning. Secrets among them are ``qapla.masking.Secret``.
    """

    anonymous: Literal["none", "read", "write"] = "none"
    writable: bool = False
    require_filter: bool = True  # PATCH and DELETE on a whole collection are refused
    db_schemas: tuple[str, ...] = ()  # empty: all that the account may read
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    db_max_rows: int | None = None
    db_aggregates_enabled: bool = True
    db_tx_end: Literal["commit", "commit-allow-override", "rollback", "rollback-allow-override"] = "commit-allow-override"
    db_plan_enabled: bool = False
    db_anon_role: str | None = None
    db_extra_search_path: tuple[str, ...] = ()
    db_pre_request: str | None = None
    db_hoisted_tx_settings: tuple[str, ...] = HOISTED_TX_SETTINGS
    jwt_secret: str | None = None  # text, base64, JWK or JWK set
    jwt_secret_is_base64: bool = False
    jwt_aud: str | None = None
    jwt_role_claim_key: str = ".role"
    jwt_right: Literal["none", "read", "write"] = "read"  # of callers with a valid token, where the engine has no roles
    server_cors_allowed_origins: tuple[str, ...] = ()
    server_timing_enabled: bool = False
    server_trace_header: str | None = None
    openapi_mode: Literal["follow-privileges", "ignore-privileges", "disabled"] = "follow-privileges"
    openapi_security_active: bool = True
    openapi_server_proxy_uri: str | None = None
    app_settings: tuple[tuple[str, str], ...] = ()  # name, without app.settings., and value; by name
    as_postgrest: bool = False  # PostgREST's answers where ours differ on purpose: PGRST300, the session's time zone
    requests_per_minute: int | None = None  # of one caller
    max_body_bytes: int = 10 * 1024 * 1024
    max_rows_per_request: int = 100_000
    max_json_depth: int = 64
    max_filter_depth: int = 32
    max_embed_depth: int = 8
    statement_timeout_s: float = 8.0
    pool_size: int = 5
    pool_timeout_s: float = 3.0
    environment: Literal["", "development", "staging", "production"] = ""

    @property
    def maps_roles(self) -> bool:
        """Tell whether callers may become roles of the database, where it has any."""
        return self.db_anon_role is not None or self.jwt_secret is not None


@dataclass(frozen=True)
class Served:
    """One database, ready to be asked: its schema, its options and the bulkhead that runs statements on it.

    ``statements`` caches compiled statements by shape, ``plans`` whole reads by what was asked (``driver.plans``); they live and die
    with this schema, so that a refresh leaks nothing.
    ``problem`` says why a database that is registered cannot be asked now (paused, never introspected, key lost).
    ``withheld`` has, by table, the methods of HTTP that its API is served without.
    """

    name: str
    schema: DatabaseSchema
    options: Options
    bulkhead: Bulkhead
    revision: int = 0
    problem: str | None = None
    withheld: Mapping[TableName, frozenset[str]] = field(default_factory=dict)
    statements: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)
    plans: dict[Any, Any] = field(default_factory=dict, init=False, compare=False, repr=False)  # of these options, too

    @cached_property
    def is_plain(self) -> bool:
        """Tell whether callers are asked only who they are: the connection has no tokens, roles, settings or limits for them."""
        options = self.options
        own = (options.jwt_secret, options.db_anon_role, options.db_pre_request, options.db_extra_search_path, options.app_settings)
        return not (any(own) or options.requests_per_minute or options.as_postgrest)

    def is_visible_to(self, rights: Rights) -> bool:
        """Tell whether whoever has *rights* may do anything at all here; others do not learn what its tables are called."""
        tables = self.schema.tables
        if type(rights) is FixedRights and tables:
            return not rights.operations.isdisjoint(TABLE_OPERATIONS)
        return any(is_open(rights, table.name) for table in tables) if tables else rights.allows("select", None, "")


def is_open(rights: Rights, name: TableName) -> bool:
    """Tell whether *rights* allow anything with the table called *name*."""
    return any(rights.allows(operation, *name) for operation in TABLE_OPERATIONS)


class Catalog:
    """All served databases; safe for threads.

    Args:
        source: where they come from.
        check_every_s: how old an answer may be before the source is asked for its revision again.
        clock: monotonic seconds.
    """

    def __init__(self, source: DatabaseSource, check_every_s: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._check_every_s = check_every_s
        self._clock = clock
        self._entries: Mapping[str, Served] = {}
        self._revision: int | None = None
        self._checked_at = float("-inf")
        self._is_looking = False
        self._closings = 0
        self._lock = threading.RLock()  # a signal, or garbage, may stop an application while this thread holds it

    def __iter__(self) -> Iterator[Served]:
        """Yield every served database, by name."""
        entries = self._fresh()
        return iter([entries[name] for name in sorted(entries)])

    def find(self, name: str) -> Served | None:
        """Return the database called *name*, paused or not, or None."""
        return self._fresh().get(name)

    def get(self, name: str) -> Served:
        """Return the database called *name*, ready to be asked.

        Raises:
            NotFound: there is none (QAPLA404).
            Unavailable: it is there, but paused or never read (QAPLA503, with ``Retry-After``).
        """
        served = self.find(name)
        if served is None:
            raise NotFound(f"no database is called {name[:100]!r}")
        if served.problem:
            raise Unavailable(f"database {name!r} cannot be used now: {served.problem}", headers={"Retry-After": "5"})
        return served

    def refresh(self) -> None:
        """Look at the source now, whatever the time: after a change made by this process."""
        with self._lock:
            self._check()

    def close(self) -> None:
        """Close every bulkhead; the catalog is empty afterwards."""
        with self._lock:
            closing, self._entries, self._revision = self._entries, {}, None
            self._closings += 1
        for served in closing.values():
            served.bulkhead.close()

    def _fresh(self) -> Mapping[str, Served]:
        if self._clock() - self._checked_at >= self._check_every_s and self._lock.acquire(blocking=self._revision is None):
            # One thread looks; the others go on with what is there, unless there is nothing yet.
            try:
                if self._clock() - self._checked_at >= self._check_every_s:
                    self._check()
            finally:
                self._lock.release()
        return self._entries

    def _check(self) -> None:
        if self._is_looking:  # this very thread: the lock is held
            return
        self._is_looking = True
        try:
            self._look()
        finally:
            self._is_looking = False

    def _look(self) -> None:
        closings = self._closings
        revision: int | None = self._source.revision()
        if revision != self._revision:
            before, entries = self._entries, self._source.load(self._entries)
            if closings != self._closings:  # meanwhile
                before, entries, revision = entries, {}, None
            self._entries, self._revision = entries, revision
            kept = {id(served.bulkhead) for served in entries.values()}
            for served in before.values():
                if id(served.bulkhead) not in kept:
                    served.bulkhead.close()
        self._checked_at = self._clock()
