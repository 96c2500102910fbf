"""The Test of a connection: each step with its time and, when it fails, the cause in words.

``resolve`` the host, ``tcp``, ``tls``, ``login``, read the ``catalog``, ``privileges``; for a SQLite file ``file``, ``catalog``,
``privileges``. The first step that fails is the last one. The whole ends within ``BUDGET_S``, also when a server takes a connection
and then says nothing, or the catalog is too large: what hangs is left behind in its thread, where the driver's own deadlines end it.
"""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qapla.database import address, files, login, probe
from qapla.database.catalog import Options
from qapla.database.connect import make_engine
from qapla.database.dialects import ENGINES
from qapla.database.schema.inspect import inspect
from qapla.errors import QaplaError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qapla.database.schema.description import DatabaseSchema
    from qapla.database.spec import ConnectionSpec

BUDGET_S = 9.5  # of the ten seconds that are promised


@dataclass(frozen=True, slots=True)
class Step:
    """One step. ``message`` says what was found, or what is wrong; ``hint`` what to do then."""

    name: str
    ok: bool
    seconds: float
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """What a Test found; with everything right also the schema, so that nothing is read twice."""

    steps: tuple[Step, ...]
    schema: DatabaseSchema | None = None
    latency_s: float | None = None  # of the smallest statement

    @property
    def ok(self) -> bool:
        """Tell whether the database can be served."""
        return self.schema is not None

    @property
    def failure(self) -> Step | None:
        """Return the step that failed, or None."""
        return next((step for step in self.steps if not step.ok), None)


def check(spec: ConnectionSpec, options: Options | None = None, *, budget_s: float = BUDGET_S) -> Checked:
    """Try to use the database of *spec*. Nothing is written into it.

    Args:
        options: which schemas and tables are read; its deadlines.
        budget_s: after how many seconds the step under way counts as failed.
    """
    run = _Run(spec, options or Options(), time.monotonic() + budget_s)
    thread = threading.Thread(target=run.steps_until_failure, name="check", daemon=True)
    thread.start()
    thread.join(budget_s)
    return run.result()


def read_schema(spec: ConnectionSpec, options: Options) -> tuple[DatabaseSchema, float]:
    """Return what the database of *spec* looks like, and the seconds that its smallest statement takes; however long that takes.

    Raises:
        QaplaError: it cannot be reached or read; the cause in words.
    """
    try:
        return _read(spec, options, address.find_address)
    except QaplaError:
        raise
    except Exception as error:
        message, hint = login.explain(spec, error)
        raise Unavailable(message, hint=hint, code="PGRST000") from error


def _read(spec: ConnectionSpec, options: Options, find_address: Callable[[ConnectionSpec], str]) -> tuple[DatabaseSchema, float]:
    files.check_in_place(spec.path)
    engine = make_engine(spec, options, find_address=find_address)
    try:
        with engine.connect() as connection:
            started = time.perf_counter()
            connection.exec_driver_sql("SELECT 1 FROM DUAL" if spec.engine == "oracle" else "SELECT 1").close()
            latency_s = time.perf_counter() - started
            wanted = {"schemas": options.db_schemas, "include": options.include, "exclude": options.exclude}
            schema = inspect(connection, **wanted, as_roles=options.maps_roles)
    finally:
        engine.dispose()
    return schema, latency_s


class _Run:
    """One Test, in a thread of its own; ``result`` may be asked before it ends."""

    def __init__(self, spec: ConnectionSpec, options: Options, until: float) -> None:
        self._spec = spec
        self._options = options
        self._until = until
        self._addresses: list[str] = []
        self._schema: DatabaseSchema | None = None
        self._latency_s: float | None = None
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._done: list[Step] = []
        self._current: tuple[str, float] | None = None

    def steps_until_failure(self) -> None:
        """Do one step after the other; the body of the thread."""
        steps = self._file_steps() if self._spec.path is not None else self._server_steps()
        for name, work in steps:
            started = time.monotonic()
            with self._lock:
                self._current = (name, started)
            try:
                step = Step(name, True, 0.0, work())
            except QaplaError as error:
                step = Step(name, False, 0.0, error.message, error.hint)
            except Exception as error:
                step = Step(name, False, 0.0, *login.explain(self._spec, error))
            self._finish(step, started)
            if not step.ok:
                self._hang_up()
                return

    def result(self) -> Checked:
        """Return what is known by now; a step that is still under way has failed."""
        with self._lock:
            done = list(self._done)
            if self._current is not None:
                name, started = self._current
                done.append(Step(name, False, time.monotonic() - started, *_TOO_LATE.get(name, _NO_ANSWER)))
        return Checked(tuple(done), self._schema if all(step.ok for step in done) else None, self._latency_s)

    def _finish(self, step: Step, started: float) -> None:
        with self._lock:
            self._done.append(Step(step.name, step.ok, time.monotonic() - started, step.message, step.hint))
            self._current = None

    def _file_steps(self) -> Iterator[tuple[str, Callable[[], str]]]:
        yield "file", self._look_at_file
        yield "catalog", self._read_catalog
        yield "privileges", self._read_privileges

    def _server_steps(self) -> Iterator[tuple[str, Callable[[], str]]]:
        yield "resolve", self._resolve
        yield "tcp", self._connect
        if probe.has_probe(self._spec.engine):
            yield "tls", self._handshake
        self._hang_up()
        yield "login", self._log_in
        yield "catalog", self._read_catalog
        yield "privileges", self._read_privileges

    def _look_at_file(self) -> str:
        files.check_in_place(self._spec.path)
        files.find_sqlite(self._spec.path or "", folders=None)
        return "is a SQLite database"

    def _resolve(self) -> str:
        self._addresses = address.connectable(self._spec, self._rest_s())
        return ", ".join(self._addresses[:4])

    def _connect(self) -> str:
        self._socket = self._open()  # the handshake goes on with it: MariaDB locks out who often hangs up without a word
        self._addresses = [self._socket.getpeername()[0]]
        return f"port {self._spec.port} is open"

    def _handshake(self) -> str:
        assert self._socket is not None
        self._socket.settimeout(self._rest_s())
        return probe.probe_tls(self._spec, self._socket)

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def _open(self) -> socket.socket:
        """Connect to the first address that takes a connection."""
        failure: OSError | None = None
        for found in self._addresses:
            try:
                return socket.create_connection((found, self._spec.port or 0), self._rest_s())
            except OSError as error:
                failure = failure or error
        message, hint = login.explain_socket(self._spec, failure or TimeoutError())
        raise Unavailable(message, hint=hint)

    def _log_in(self) -> str:
        engine = make_engine(self._spec, self._options, find_address=self._known_address)
        try:
            with engine.connect():
                return f"as {self._spec.user!r}"
        finally:
            engine.dispose()

    def _read_catalog(self) -> str:
        self._schema, self._latency_s = _read(self._spec, self._options, self._known_address)
        return _counted(self._schema)

    def _read_privileges(self) -> str:
        assert self._schema is not None
        tables = self._schema.tables
        writable = sum(1 for table in tables if table.insertable or table.updatable or table.deletable)
        said = f"{len(tables)} can be read, {writable} could be written by this account"
        return said if self._options.writable or not writable else f"{said}; writing is switched off here"

    def _known_address(self, spec: ConnectionSpec) -> str:
        return self._addresses[0]

    def _rest_s(self) -> float:
        return max(0.1, min(float(self._spec.connect_timeout), self._until - time.monotonic()))


def _counted(schema: DatabaseSchema) -> str:
    tables = sum(1 for table in schema.tables if table.kind in ("table", "foreign"))
    views = len(schema.tables) - tables
    parts = [f"{ENGINES[schema.engine].label} {schema.version}", _plural(tables, "table"), _plural(views, "view")]
    if schema.report:
        parts.append(f"{_plural(len(schema.report), 'line')} in the report")
    return ", ".join(parts)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


_NO_ANSWER = ("no answer in time", "is the server overloaded, or something else listening on that port?")
_TOO_LATE = {
    "resolve": ("the name server does not answer", "check the name, or write the address"),
    "tcp": ("no answer in time", "a firewall may swallow the connection; check host and port"),
    "catalog": ("the catalog is too large or too slow to be read in time", "choose schemas or tables, or add it paused and refresh it"),
}
