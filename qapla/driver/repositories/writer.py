"""The worker of write-behind: takes what waits in Redis, writes it into the store in batches, and only then forgets it.

One worker of a repository writes at a time; the others stand by. Who it is stands in Redis for five seconds, and he says so again with
each batch. That alone would not keep an older value from overwriting a newer one: a worker may be stopped for a minute between reading and
writing. So the store knows him, too: he begins a *term* there before he reads, and whoever has begun one before writes nothing more
(``FallbackDataSource.settle``). After anything that failed he begins another one, which also ends what he himself has left under way.

What is written twice is the same: killed after the store has it and before Redis forgets it, the next worker writes it once more.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from qapla.driver.repositories.behind import Behind, Seen
from qapla.driver.repositories.entity import Document
from qapla.driver.repositories.keys import Key, read_key
from qapla.driver.repositories.pending import read_value
from qapla.errors import EntityRefused, OfRepository, QaplaError, StoreUnavailable, Superseded
from qapla.ports import NullMetrics

if TYPE_CHECKING:
    from qapla.driver.repositories.source import Command, FallbackDataSource, MemoryDataSource
    from qapla.ports import MetricsBackend

BATCH = 200
LEASE_S = 5.0
IDLE_S = 0.05, 1.0  # pauses while nothing waits, or another one writes: at first, at last
BACKOFF_S = 0.1, 4.0  # while a store does not answer: below ten seconds, with the time that it takes to find out
FLUSH_S = 3.0
SPOILT = ("22", "23", "44", "P0001", "PT4")  # beginnings of SQLSTATEs that say: these values, here, never

log = logging.getLogger("qapla.repositories")
Change = tuple[Key, Document | None]


class Writer:
    """Writes into the store what waits of one repository.

    Args:
        name: of the repository.
        attrs: its key attributes.
        behind: what waits.
        memory: where it does.
        fallback: the store.
    """

    def __init__(
        self, name: str, attrs: tuple[str, ...], behind: Behind, memory: MemoryDataSource, fallback: FallbackDataSource
    ) -> None:
        self.metrics: MetricsBackend = NullMetrics()
        self._name, self._attrs = name, attrs
        self._behind, self._memory, self._fallback = behind, memory, fallback
        self._worker = ""
        self._term: str | None = None
        self._is_troubled = False
        self._task: asyncio.Task[None] | None = None
        self._ending: asyncio.Event | None = None

    @property
    def is_running(self) -> bool:
        """Tell whether it works in the background, on an event loop of this process."""
        return self._task is not None and not self._task.done() and not self._task.get_loop().is_closed() and self._pid == os.getpid()

    async def start(self) -> None:
        """Write in the background, on the running event loop, until ``stop``."""
        if not self.is_running:
            self._ending, self._pid = asyncio.Event(), os.getpid()
            self._task = asyncio.get_running_loop().create_task(self._work(self._ending), name=f"qapla-writer-{self._name}")

    async def stop(self, within_s: float = FLUSH_S) -> None:
        """Write what waits, as far as the time goes, and end; the rest waits for the next one."""
        task, self._task = self._task, None
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop() or self._ending is None:
            return
        self._ending.set()
        _, late = await asyncio.wait([task], timeout=within_s)
        if late:
            task.cancel()
            await asyncio.wait([task])
        with suppress(StoreUnavailable):
            await self._leave()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write in the background while a block runs, and at its end what it has left."""
        await self.start()
        try:
            yield
        finally:
            await self.stop()

    async def write_pending(self) -> int:
        """Write until nothing waits, and return how many writes that were; those of other workers do not count.

        Raises:
            StoreUnavailable: one of the stores does not answer. What waits waits on.
        """
        count, pause_s = 0, IDLE_S[0]
        if self.is_running:
            return await self._others_write()
        try:
            while True:
                written = await self._write_some()
                count += written or 0
                if not written and not (await self.look()).waiting.size:
                    return count
                if written is None:
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, IDLE_S[1])
        finally:
            await self._leave()

    async def look(self) -> Seen:
        """Ask Redis how much waits.

        Raises:
            StoreUnavailable: it does not answer.
        """
        return self._note((await self._run([self._behind.pending.look()], ""))[0])

    async def retry_refused(self) -> int:
        """Let what the store has refused wait again, where nothing newer of its key does; return how many that are."""
        count: int = (await self._run([self._behind.pending.retry()], ""))[0]
        return count

    async def refused(self) -> dict[str, str]:
        """Return why the store refused what, by the texts of keys."""
        flat = (await self._run([self._behind.pending.refused()], ""))[0]
        return {key.decode(): value.partition(b"\n")[0].decode() for key, value in zip(flat[::2], flat[1::2], strict=True)}

    # -- inside ---------------------------------------------------------------

    async def _others_write(self) -> int:
        while (await self.look()).waiting.size:
            if self._is_troubled:
                raise StoreUnavailable(f"writes of repository {self._name!r} wait: a store does not answer", repository=self._name)
            await asyncio.sleep(IDLE_S[0])
        return 0

    async def _work(self, ending: asyncio.Event) -> None:
        pause_s, backoff_s = IDLE_S[0], BACKOFF_S[0]
        while True:
            try:
                written = await self._write_some()
            except Exception as error:
                self._tell(error)
                wait_s, backoff_s = backoff_s, min(2 * backoff_s, BACKOFF_S[1])
                if ending.is_set():
                    return
            else:
                self._tell(None)
                backoff_s = BACKOFF_S[0]
                pause_s = IDLE_S[0] if written else min(2 * pause_s, IDLE_S[1])
                wait_s = 0.0 if written else pause_s
                if ending.is_set() and not written:
                    return
            if wait_s:
                with suppress(TimeoutError):
                    await asyncio.wait_for(ending.wait(), wait_s)

    async def _write_some(self) -> int | None:
        """Write one batch; return of how many entries, and None while another one is the worker."""
        try:
            return await self._take_and_write()
        except Superseded:
            self._term = None
            log.warning("repository %r: another worker writes now", self._name)
            return None
        except BaseException:
            self._term = None  # what was under way is ended by the next term
            raise

    async def _take_and_write(self) -> int | None:
        is_new = self._term is None
        if is_new:
            self._worker = self._worker or secrets.token_hex(8)
            if not await self._lead():
                return None
            await self._behind.ensure_kept(self._run)
            term = secrets.token_hex(16)
            await self._fallback.begin_term(self._name, term)
            self._term = term
        is_worker, entries, waiting = (await self._run([self._behind.pending.take(self._worker, self._lease_ms, BATCH)], ""))[0]
        self._note(waiting)
        if not is_worker:
            self._term = None
            return None
        if not entries:
            return 0
        done = await self._settle_all(entries)
        kept, waiting = (await self._run([self._behind.pending.clear(done)], ""))[0]
        self._note(waiting)
        if kept:
            message = f"Redis has no room for {kept} writes of repository {self._name!r} that its store refuses"
            raise StoreUnavailable(message, answered=True, repository=self._name)
        return len(entries)

    async def _lead(self) -> bool:
        is_worker, _, waiting = (await self._run([self._behind.pending.take(self._worker, self._lease_ms, 1)], ""))[0]
        self._note(waiting)
        return bool(is_worker)

    async def _settle_all(self, entries: Sequence[Sequence[bytes | None]]) -> list[tuple[bytes, bytes, str, str]]:
        """Write what entries of the queue are about; return of each its id, key, the name of the write, and why the store refuses it."""
        done: list[tuple[bytes, bytes, str, str]] = []
        changes: list[Change] = []
        names: dict[str, tuple[bytes, bytes, str]] = {}
        for id, text, value in entries:
            assert id is not None
            assert text is not None
            if value is None:
                done.append((id, text, "", ""))
                continue
            try:
                key, write = read_key(text.decode(), self._name, self._attrs), read_value(value)
            except ValueError:
                done.append((id, text, value[:16].decode(errors="replace"), self._refuse(text.decode(), "it cannot be read")))
                continue
            changes.append((key, write.document))
            names[key.text] = id, text, write.name
        refused = await self._settle(changes) if changes else {}
        return [*done, *((*names[key.text], refused.get(key.text, "")) for key, _ in changes)]

    async def _settle(self, changes: Sequence[Change]) -> dict[str, str]:
        """Write changes together, or where the store refuses that in halves; return why it refuses single ones, by their keys."""
        assert self._term is not None
        documents = [(key, document) for key, document in changes if document is not None]
        keys = [key for key, document in changes if document is None]
        try:
            await self._fallback.settle(self._name, self._term, documents, keys)
        except Exception as error:
            if not _is_about_values(error):
                raise
            if len(changes) > 1:
                middle = len(changes) // 2
                return {**await self._settle(changes[:middle]), **await self._settle(changes[middle:])}
            text = changes[0][0].text
            return {text: self._refuse(text, error.message if isinstance(error, QaplaError) else type(error).__name__)}
        return {}

    def _refuse(self, text: str, why: str) -> str:
        log.error("repository %r: the store refuses what was written as %r, which is set aside: %s", self._name, text, why)
        self.metrics.increment("repository_writes_refused", repository=self._name)
        return " ".join(why.split()) or "refused"

    async def _leave(self) -> None:
        self._term = None
        if self._worker:
            worker, self._worker = self._worker, ""
            await self._run([self._behind.pending.leave(worker)], "")

    async def _run(self, commands: Sequence[Command], text: str) -> list[Any]:
        try:
            return await self._memory.run(commands)
        except OfRepository as error:
            error.repository = error.repository or self._name
            raise

    def _note(self, reply: Any) -> Seen:
        seen = self._behind.note(reply)
        self.metrics.set("repository_writes_waiting", seen.waiting.size, repository=self._name)
        self.metrics.set("repository_writes_waiting_s", seen.age_s(), repository=self._name)
        self.metrics.set("repository_writes_set_aside", seen.waiting.refused, repository=self._name)
        return seen

    def _tell(self, error: Exception | None) -> None:
        """Log the beginning and the end of trouble, once each."""
        if error is None:
            if self._is_troubled:
                log.info("repository %r: what waited is written again", self._name)
            self._is_troubled = False
            return
        if not self._is_troubled:
            self._is_troubled = True
            said = error.message if isinstance(error, QaplaError) else type(error).__name__
            log.warning("repository %r: writes wait: %s", self._name, said, exc_info=None if isinstance(error, QaplaError) else error)

    @property
    def _lease_ms(self) -> int:
        return round(LEASE_S * 1000)


def _is_about_values(error: Exception) -> bool:
    """Tell whether the store will refuse these values whenever they come."""
    if isinstance(error, QaplaError):
        return isinstance(error, EntityRefused) or error.code.startswith(SPOILT)
    return isinstance(error, ValueError | TypeError | ArithmeticError)  # of a driver: a number that is too large, say
