"""Wait for a call no longer than it may take. What runs in C or Rust cannot be interrupted: it is left behind, and ends by itself."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")


def call_within(seconds: float | None, call: Callable[[], Answer], *, name: str) -> Answer:
    """Return what *call* gives; without *seconds* whenever that is.

    Args:
        name: of the thread that it runs in.

    Raises:
        TimeoutError: it takes longer.
        BaseException: what *call* raises.
    """
    if seconds is None:
        return call()
    found: list[Any] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(call())
        except BaseException as error:  # a panic of Rust is no Exception
            failed.append(error)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError
    answer: Answer = found[0]
    return answer
