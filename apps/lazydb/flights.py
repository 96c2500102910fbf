"""Work that several callers want at the same time, done once: the first does it, all get its result."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Value = TypeVar("Value")


class Flights(Generic[Value]):
    """Single flights by key; safe for threads."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[Value]] = {}
        self._lock = threading.Lock()

    def run(self, key: Hashable, work: Callable[[], Value]) -> Value:
        """Return the result of *work*, or of the same work that is under way under *key*; what it raises, all get."""
        with self._lock:
            flight = self._flights.get(key)
            is_first = flight is None
            if flight is None:
                flight = self._flights[key] = _Flight()
        if not is_first:
            return flight.wait()
        try:
            flight.result = work()
        except BaseException as error:
            flight.error = error
            raise
        finally:
            with self._lock:
                del self._flights[key]
            flight.done.set()
        return flight.wait()


class _Flight(Generic[Value]):
    """One piece of work under way."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.error: BaseException | None = None
        self.result: Value | None = None

    def wait(self) -> Value:
        self.done.wait()
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]  # None may be the result
