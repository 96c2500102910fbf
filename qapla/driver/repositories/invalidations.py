"""What a memory tells of changes: the keys that anybody wrote or deleted, and up to when nothing is untold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from qapla.errors import StoreUnavailable


@dataclass(frozen=True, slots=True)
class Changed:
    """Somebody wrote or deleted keys, or they have expired.

    Attributes:
        keys: which; None: any may have been, as the memory was emptied.
    """

    keys: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Every change before a moment has been told.

    Attributes:
        at: that moment, in seconds of ``time.monotonic``.
    """

    at: float


Invalidations = AsyncGenerator[Changed | Confirmed, None]


async def merge(lines: Sequence[Invalidations]) -> Invalidations:
    """Tell what several lines tell. What is confirmed is what all of them confirm; when one is lost, all are.

    For a memory of several servers, each of which tells of its own keys only.
    """
    told: asyncio.Queue[tuple[int, Changed | Confirmed | Exception]] = asyncio.Queue()
    confirmed: dict[int, float] = {}
    tasks = [asyncio.create_task(_pass_on(index, line, told)) for index, line in enumerate(lines)]
    try:
        while True:
            index, event = await told.get()
            if isinstance(event, Exception):
                raise event
            if isinstance(event, Confirmed):
                confirmed[index] = event.at
                if len(confirmed) < len(tasks):
                    continue
                event = Confirmed(min(confirmed.values()))
            yield event
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def heed_cancellation() -> None:
    """Raise CancelledError in a task that was cancelled, and goes on: what it awaited has swallowed that."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _pass_on(index: int, line: Invalidations, told: asyncio.Queue[tuple[int, Changed | Confirmed | Exception]]) -> None:
    try:
        async with aclosing(line):
            async for event in line:
                heed_cancellation()
                told.put_nowait((index, event))
        told.put_nowait((index, StoreUnavailable("a line that tells of changes has ended")))
    except Exception as error:
        told.put_nowait((index, error))
