"""A thread that does one thing again and again, also when nobody comes."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)


class Clockwork:
    """Call *act* at once, and then every *every_s* seconds, until it is stopped; what it raises is logged, and it goes on.

    Args:
        name: of the thread, and for the log.
    """

    def __init__(self, name: str, act: Callable[[], object], every_s: float) -> None:
        self._name = name
        self._act = act
        self._every_s = every_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._act()
            except Exception:  # the registry is away, say: the next time is soon enough
                log.exception("%s could not be done", self._name)
            self._stopped.wait(self._every_s)
