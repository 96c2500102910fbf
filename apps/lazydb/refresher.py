"""A database whose structure changed under way is read again by itself, in the background."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from qapla.errors import QaplaError

if TYPE_CHECKING:
    from qapla.application import Application

log = logging.getLogger(__name__)

NOT_AGAIN_WITHIN_S = 30.0  # a view that is broken for good must not keep us reading


class Refresher:
    """Queue refreshes, of each database no more than one in half a minute: a whole crowd may meet the same missing column."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._asked_at: dict[int, float] = {}
        self._lock = threading.Lock()

    def refresh_soon(self, connection_id: int) -> None:
        """Have the connection's structure read again. Never fails: who asks is busy with an error already."""
        with self._lock:
            now = time.monotonic()
            if now - self._asked_at.get(connection_id, float("-inf")) < NOT_AGAIN_WITHIN_S:
                return
            self._asked_at[connection_id] = now
        from lazydb.tasks import refresh_schema

        try:
            self._app["tasks"].submit(refresh_schema, connection_id, subject=connection_id)
        except QaplaError as error:
            log.warning("the structure of connection %s changed, and a refresh could not be queued: %s", connection_id, error)
