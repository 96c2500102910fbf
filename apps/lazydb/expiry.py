"""A thread that removes what has expired, also when nobody comes."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lazydb.exports import Exports

log = logging.getLogger(__name__)
EVERY_S = 3600.0


class Expiry:
    """Remove expired exports once at the start, then every hour."""

    def __init__(self, exports: Exports, every_s: float = EVERY_S) -> None:
        self._exports = exports
        self._every_s = every_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="expiry", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def _run(self) -> None:
        while True:
            try:
                self._exports.remove_old()
            except Exception:  # the registry is away, or a file cannot be removed: the next time is soon enough
                log.exception("expired exports could not be removed")
            if self._stopped.wait(self._every_s):
                return
