"""Keep live secrets out of the log, whoever writes it: a driver's error, a traceback, a library at debug level.

Every record is masked where it is made (a log record factory), before any handler or formatter sees it.
"""

from __future__ import annotations

import logging
import re
import threading
import traceback
from typing import Any
from urllib.parse import quote, quote_plus

from qapla.masking import MASK

MIN_LENGTH = 4  # masking every "a" would only tell that it is the password


class LiveSecrets:
    """The secrets that this process has seen in the clear, and a text without them."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()

    def add(self, secret: str) -> None:
        """Remember *secret*, also as a URL would write it."""
        if len(secret) < MIN_LENGTH or secret in self._secrets:
            return
        with self._lock:
            self._secrets |= {secret, quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1]}
            self._pattern = re.compile("|".join(re.escape(text) for text in sorted(self._secrets, key=len, reverse=True)))

    def mask(self, text: str) -> str:
        """Return *text* with every live secret in it replaced."""
        return self._pattern.sub(MASK, text) if self._pattern is not None else text

    def clean(self, record: logging.LogRecord) -> logging.LogRecord:
        """Mask the message and the traceback of *record*."""
        if self._pattern is None:
            return record
        try:
            message = record.getMessage()
        except Exception:  # wrong arguments: logging itself tells about it, and shows them
            given = f"{record.msg} {record.args!r}"
            if self._pattern.search(given):
                record.msg, record.args = f"{self.mask(given)} (wrong arguments for a line of the log)", ()
            return record
        if self._pattern.search(message):
            record.msg, record.args = self.mask(message), ()
        if record.exc_info:
            self._clean_traceback(record)
        return record

    def _clean_traceback(self, record: logging.LogRecord) -> None:
        text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")  # type: ignore[misc]
        if self._pattern is not None and self._pattern.search(text):
            record.exc_text, record.exc_info = self.mask(text), None


live_secrets = LiveSecrets()


def install() -> None:
    """Mask every log record of this process from now on; installing twice does nothing."""
    factory = logging.getLogRecordFactory()
    if getattr(factory, "masks", False):
        return

    def make_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        return live_secrets.clean(factory(*args, **kwargs))

    make_record.masks = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make_record)
