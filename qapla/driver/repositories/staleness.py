"""Which entries of a memory may be older than what the store behind it has.

A write goes to the store first. When the memory does not take it after that, the old entry stays there: its key is marked, and nobody of
this process reads it until it is removed. Other processes may read it until its time to live is over, never longer; so a mark ends then.

A write that was given up, by a deadline say, may yet arrive: a thread commits, a line that was silent brings what was sent. Its key is in
doubt for a minute: this process asks only the store behind the memory about it, and copies nothing of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from math import inf

REPAIRED_AT_ONCE = 100
DOUBT_S = 60.0  # sources give up by themselves long before


class Staleness:
    """The marked keys of one repository.

    Args:
        expire_time_s: the longest time to live of an entry; None when entries live for ever.
        clock: monotonic seconds.
    """

    def __init__(self, expire_time_s: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._lives_s = inf if expire_time_s is None else expire_time_s
        self._clock = clock
        self._ends: dict[str, float] = {}  # in the order of marking, which is that of ends
        self._doubts: dict[str, float] = {}  # likewise

    def __len__(self) -> int:
        return len(self._ends) + len(self._doubts)

    def __contains__(self, key: str) -> bool:
        end = self._ends.get(key)
        return (end is not None and end > self._clock()) or self.is_in_doubt(key)

    def is_in_doubt(self, key: str) -> bool:
        """Tell whether a write that was given up may yet arrive."""
        end = self._doubts.get(key)
        return end is not None and end > self._clock()

    def mark(self, keys: Iterable[str]) -> None:
        """Mark *keys*."""
        now = self._clock()
        _put(self._ends, keys, now + self._lives_s)
        while self._ends and next(iter(self._ends.values())) <= now:
            del self._ends[next(iter(self._ends))]

    def doubt(self, keys: Sequence[str]) -> None:
        """Mark *keys*, and let nothing but time end their doubts."""
        self.mark(keys)
        _put(self._doubts, keys, self._clock() + DOUBT_S)

    def clear(self, keys: Iterable[str]) -> None:
        """Take marks away."""
        if self._ends:
            for key in keys:
                self._ends.pop(key, None)

    def due(self, first: Sequence[str]) -> list[str]:
        """Return marked keys to be removed together: those of *first* that are marked, and some others."""
        self._end_doubts()
        others = [key for key, _ in zip(self._ends, range(REPAIRED_AT_ONCE), strict=False)]
        return list(dict.fromkeys([*(key for key in first if key in self._ends), *others]))

    def _end_doubts(self) -> None:
        """Mark what was in doubt until now: what others have copied meanwhile may be older than what arrived."""
        now = self._clock()
        while self._doubts and next(iter(self._doubts.values())) <= now:
            key = next(iter(self._doubts))
            del self._doubts[key]
            self.mark([key])


def _put(ends: dict[str, float], keys: Iterable[str], end: float) -> None:
    for key in keys:
        ends.pop(key, None)
        ends[key] = end
