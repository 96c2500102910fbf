"""A breaker around the memory of a repository: while it does not answer, nobody waits for it.

Only failures of the memory count. "There is none", a wrong type under a key, or a refusal of a memory that answers are no failures. Nor
is a caller who gives up at once; one who has waited is, or else short deadlines would keep everybody waiting for a memory that hangs.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from qapla.driver.repositories.deadlines import patience_s
from qapla.driver.repositories.source import Batch, Command, MemoryDataSource
from qapla.errors import StoreTimedOut, StoreUnavailable
from qapla.ports import NullMetrics

if TYPE_CHECKING:
    from qapla.database.breaker import Breaker
    from qapla.ports import MetricsBackend

Answer = TypeVar("Answer")
log = logging.getLogger("qapla.repositories")
FAIR_S = 0.05  # who waits less says nothing about the memory


class MemoryUnavailable(StoreUnavailable):
    """It was the memory that failed: the store behind it may answer."""


class MemoryTimedOut(MemoryUnavailable, StoreTimedOut):
    """It was the memory that did not answer in time."""


class GuardedMemory(MemoryDataSource):
    """A memory source behind a breaker.

    Args:
        source: the memory itself.
        breaker: counts its failures.
        name: of the repository, for the log and metrics.
        deadline_s: seconds that a call may take.
        metrics: where ``repository_breaker_open`` is 1 while the memory is not asked.
    """

    def __init__(
        self, source: MemoryDataSource, breaker: Breaker, name: str, deadline_s: float, metrics: MetricsBackend | None = None
    ) -> None:
        self.source = source
        self.breaker = breaker
        self.name = name
        self._deadline_s = deadline_s
        self._metrics: MetricsBackend = metrics or NullMetrics()
        self._was_open = False

    async def run(self, commands: Sequence[Command], *, atomic: bool = False) -> list[Any]:
        """Run *commands* unless the breaker is open."""
        return await self._ask(lambda: self.source.run(commands, atomic=atomic))

    async def run_if_absent(self, batches: Sequence[Batch]) -> list[bool]:
        """Run batches unless the breaker is open."""
        return await self._ask(lambda: self.source.run_if_absent(batches))

    async def aclose(self) -> None:
        """Close what the running event loop has opened."""
        await self.source.aclose()

    async def _ask(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        if not self.breaker.allows():
            headers = {"Retry-After": str(self.breaker.retry_after_s)}
            raise MemoryUnavailable(f"the memory of repository {self.name!r} is not asked now: it did not answer", headers=headers)
        began, limit_s = time.monotonic(), patience_s(self._deadline_s)
        try:
            async with asyncio.timeout(limit_s):
                answer = await ask()
        except StoreUnavailable as error:
            if error.answered:
                self._succeeded()
            else:
                self._failed(error.message)
            kind = MemoryTimedOut if isinstance(error, StoreTimedOut) else MemoryUnavailable
            raise kind(error.message, hint=error.hint, answered=error.answered, repository=self.name, key=error.key) from error
        except TimeoutError as error:
            self._gave_up(began)
            message = f"the memory of repository {self.name!r} did not answer within {limit_s:.3g} s"
            raise MemoryTimedOut(message, repository=self.name) from error
        except asyncio.CancelledError:
            self._gave_up(began)
            raise
        except Exception:
            self._succeeded()  # it did answer: with an error about what was asked
            raise
        self._succeeded()
        return answer

    def _gave_up(self, began: float) -> None:
        waited_s = time.monotonic() - began
        if waited_s >= min(FAIR_S, self._deadline_s):
            self._failed(f"no answer within {waited_s:.3g} s")
        else:
            self.breaker.gave_up()

    def _failed(self, why: str) -> None:
        self.breaker.failed()
        if not self._was_open and self.breaker.state != "closed":
            self._was_open = True
            self._metrics.set("repository_breaker_open", 1, repository=self.name)
            log.warning("repository %r: its memory is not asked for a while: %s", self.name, why)

    def _succeeded(self) -> None:
        if not self.breaker.is_calm:
            self.breaker.succeeded()
        if self._was_open:
            self._was_open = False
            self._metrics.set("repository_breaker_open", 0, repository=self.name)
            log.info("repository %r: its memory answers again", self.name)
