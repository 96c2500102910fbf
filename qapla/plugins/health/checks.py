"""Ask everything that an application needs, side by side, and wait no longer than a deadline."""

from __future__ import annotations

import logging
import os
import threading
import time
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from qapla.ports import Check

Word = Literal["ok", "failed", "late"]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one check went: ``ok``, ``failed`` (it raised) or ``late`` (no answer within the deadline)."""

    name: str
    word: Word
    required: bool = True

    @property
    def stands_against(self) -> bool:
        """Tell whether the application is not ready for this reason."""
        return self.required and self.word != "ok"


@dataclass(frozen=True, slots=True)
class Report:
    """How all checks went, in the order of their names."""

    outcomes: tuple[Outcome, ...]

    @property
    def is_ready(self) -> bool:
        """Tell whether everything that is required answers."""
        return not any(outcome.stands_against for outcome in self.outcomes)

    @property
    def word(self) -> str:
        """Return the whole in a word or two."""
        return "ok" if self.is_ready else "not ready"

    def as_json(self, *, details: bool = True) -> dict[str, Any]:
        """Return ``status``, and with *details* one word for each check."""
        found: dict[str, Any] = {"status": self.word}
        return {**found, "checks": {outcome.name: outcome.word for outcome in self.outcomes}} if details else found

    def as_text(self, *, details: bool = True) -> str:
        """Return the same as lines."""
        lines = [f"{outcome.name} {outcome.word}" for outcome in self.outcomes] if details else []
        return "\n".join([self.word, *lines]) + "\n"


class Health:
    """The checks of an application, by name.

    Args:
        deadline_s: how long ``run`` waits, for all of them together.
        find: returns checks that need not be added; asked at each run, and one of a name that is known already is left as it is.
    """

    def __init__(self, deadline_s: float = 2.0, find: Callable[[], Iterable[Probe]] = tuple) -> None:
        self._deadline_s = deadline_s
        self._find = find
        self._probes: dict[str, Probe] = {}

    def add(self, name: str, check: Check, *, required: bool = True) -> None:
        """Ask *check* under *name*, in place of another one of that name; without *required* a failure is told and changes nothing."""
        self._probes[name] = Probe(name, check, required)

    def run(self) -> Report:
        """Ask every check; who does not answer in time is late. None is asked a second time while it still thinks."""
        for probe in self._find():
            self._probes.setdefault(probe.name, probe)
        probes = [self._probes[name] for name in sorted(self._probes)]
        begun = time.monotonic()
        running = [probe.begin() for probe in probes]
        wait(running, timeout=max(0.0, begun + self._deadline_s - time.monotonic()))
        words: list[Word] = [answer.result() if answer.done() else "late" for answer in running]
        return Report(tuple(Outcome(probe.name, word, probe.required) for probe, word in zip(probes, words, strict=True)))


class Probe:
    """One check. Whoever asks while it runs gets the same answer: a database that hangs holds one thread, not one per question."""

    def __init__(self, name: str, check: Check, required: bool) -> None:
        self.name = name
        self.required = required
        self._check = check
        self._running: Future[Word] | None = None
        self._begin_anew()

    def begin(self) -> Future[Word]:
        """Return the answer to be."""
        if self._pid != os.getpid():
            self._begin_anew()  # the thread that was to answer lives in the parent
        with self._lock:
            if self._running is None or self._running.done():
                self._running = self._start()
            return self._running

    def _begin_anew(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._running = None

    def _start(self) -> Future[Word]:
        answer: Future[Word] = Future()
        try:
            # A daemon: what hangs must not keep the process from ending.
            threading.Thread(target=self._run, args=(answer,), name=f"health-{self.name}", daemon=True).start()
        except RuntimeError as error:  # no thread is left just now; the next question tries again
            log.warning("health check %s cannot be asked: %s", self.name, error)
            answer.set_result("failed")
        return answer

    def _run(self, answer: Future[Word]) -> None:
        try:
            self._check()
        except BaseException as error:  # the timeouts of gevent are none of Exception
            log.warning("health check %s failed: %s", self.name, type(error).__name__)
            answer.set_result("failed")
        else:
            answer.set_result("ok")
