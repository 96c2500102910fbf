"""What a connection wants to see in every answer: where the time went (``Server-Timing``), and the caller's own id of the request.

A connection that wants neither pays for two tests of its options. One that is timed is served through a stand-in of itself
(``TimedServed``), so that nothing on the way of a request knows of clocks.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, cast

from qapla.database.catalog import Served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyramid.request import Request
    from pyramid.response import Response

    from qapla.database.bulkhead import Bulkhead
    from qapla.database.catalog import Options

KEY = "qapla.rest.watch"
STAGES = ("jwt", "parse", "plan", "transaction", "response")


class Clock:
    """How many seconds each of the stages took; they come one after the other, and the last may come back to one before."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self.stage = STAGES[0]
        self._since = time.perf_counter()

    def enter(self, stage: str) -> None:
        """Begin *stage*; what passed since the last call belongs to the stage before."""
        now = time.perf_counter()
        self.seconds[self.stage] += now - self._since
        self.stage, self._since = stage, now

    @contextmanager
    def during(self, stage: str) -> Iterator[None]:
        """Count what happens in the block for *stage*, and what comes after it for the answer."""
        self.enter(stage)
        try:
            yield
        finally:
            self.enter("response")


class Watch:
    """What is added to the answer of one request."""

    def __init__(self, request: Request, options: Options) -> None:
        self.clock = Clock() if options.server_timing_enabled else None
        self._trace = _find_trace(request, options.server_trace_header)
        request.environ[KEY] = self

    def stand_in(self, served: Served) -> Served:
        """Return what is used instead of *served* from now on: the caller is known."""
        if self.clock is None:
            return served
        self.clock.enter("parse")
        values = {each.name: getattr(served, each.name) for each in fields(Served) if each.init}
        return TimedServed(**{**values, "bulkhead": cast("Any", TimedBulkhead(served.bulkhead, self.clock))}, clock=self.clock)

    def add_headers(self, response: Response) -> None:
        """Add the headers to an answer, also to one that tells of an error."""
        if self._trace is not None:
            response.headers[self._trace[0]] = self._trace[1]
        if self.clock is not None:
            self.clock.enter(self.clock.stage)
            stages = self.clock.seconds.items()
            response.headers["Server-Timing"] = ", ".join(f"{name};dur={seconds * 1000:.1f}" for name, seconds in stages)


def add_headers(request: Request, response: Response) -> None:
    """Add what the connection of *request* wants to see; most want nothing."""
    watch = request.environ.get(KEY)
    if watch is not None:
        watch.add_headers(response)


@dataclass(frozen=True)
class TimedServed(Served):
    """A database whose bulkhead is timed; who asks for its statements has read the request and makes one now."""

    clock: Clock = field(default_factory=Clock, compare=False, repr=False)

    def __getattribute__(self, name: str) -> Any:
        if name == "statements":
            clock: Clock = object.__getattribute__(self, "clock")
            if clock.stage == "parse":
                clock.enter("plan")
        return object.__getattribute__(self, name)


class TimedBulkhead:
    """A bulkhead that counts its own time as that of the transaction."""

    def __init__(self, bulkhead: Bulkhead, clock: Clock) -> None:
        self._bulkhead = bulkhead
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bulkhead, name)

    def fetch(self, *arguments: Any, **named: Any) -> Any:
        """Run one read."""
        with self._clock.during("transaction"):
            return self._bulkhead.fetch(*arguments, **named)

    def execute(self, *arguments: Any, **named: Any) -> Any:
        """Run one write that is a transaction by itself."""
        with self._clock.during("transaction"):
            return self._bulkhead.execute(*arguments, **named)

    @contextmanager
    def stream(self, *arguments: Any, **named: Any) -> Iterator[Any]:
        """Lend an iterator of rows; until its first rows are there it is the transaction."""
        with self._bulkhead.stream(*arguments, **named) as lists:
            yield _TimedLists(lists, self._clock.during)

    @contextmanager
    def transaction(self, *arguments: Any, **named: Any) -> Iterator[Any]:
        """Lend a transaction."""
        with self._clock.during("transaction"), self._bulkhead.transaction(*arguments, **named) as transaction:
            yield transaction


class _TimedLists:
    def __init__(self, lists: Iterator[Any], during: Callable[[str], Any]) -> None:
        self._lists = iter(lists)
        self._during = during

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        with self._during("transaction"):
            return next(self._lists)


def _find_trace(request: Request, name: str | None) -> tuple[str, str] | None:
    """Return the header that the connection traces by, as it came; nothing that a header must not have."""
    value = request.headers.get(name) if name is not None else None
    return (name, value) if name is not None and value and value.isprintable() else None
