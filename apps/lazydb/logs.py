"""Logs of the serving process: for people on a terminal, else one JSON object per line; each record knows its request.

``current_request`` is set by ``lazydb.front`` for the time of a request; the ids in the log, in the ``X-Request-Id`` of the answer and
in the body of an unexpected error are the same.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from contextvars import ContextVar
from datetime import UTC, datetime

current_request: ContextVar[str] = ContextVar("current_request", default="")

ACCESS = logging.getLogger("lazydb.access")


class JsonFormatter(logging.Formatter):
    """One line of JSON per record; a traceback is one string in it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        request = current_request.get()
        if request:
            entry["request_id"] = request
        entry.update(getattr(record, "fields", {}))
        traceback = find_traceback(record)
        if traceback:
            entry["traceback"] = traceback
        return json.dumps(entry, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """For a terminal: time, level and message, the request behind it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        time = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        line = f"{time} {record.levelname.lower():<7} {record.getMessage()}"
        request = current_request.get()
        if request and record.levelno >= logging.WARNING:
            line += f" [request {request}]"
        traceback = find_traceback(record)
        return f"{line}\n{traceback}" if traceback else line


def find_traceback(record: logging.LogRecord) -> str | None:
    """Return the traceback of *record* as text, or None. One with a secret in it has been written and masked already."""
    if record.exc_text:
        return record.exc_text
    return logging.Formatter().formatException(record.exc_info) if record.exc_info else None


def configure_logging(level: str, as_json: bool) -> None:
    """Send everything to standard error, from *level* up; what libraries say about their normal work is left out."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, least in (("_granian", logging.ERROR), ("alembic", logging.WARNING)):
        chatter = logging.getLogger(name)
        chatter.handlers.clear()
        chatter.propagate = True
        chatter.setLevel(max(least, root.level))
    # Pyramid and Cornice still ask setuptools for pkg_resources; nobody who reads this log can change that.
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
