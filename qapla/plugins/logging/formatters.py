"""How a record is written: a line for people, or an object of JSON for programs."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from qapla.plugins.logging.masking import live_secrets
from qapla.ports import current_request, current_task

# What a terminal would obey: somebody else's text may be in any message. Lines may be broken.
CONTROLS = {number: f"\\x{number:02x}" for number in (*range(0x20), *range(0x7F, 0xA0)) if chr(number) not in "\t\n"}


class Ids(logging.Filter):
    """Give every record the ids of the request and of the task in which it was made; a filter of handlers, which lets everything pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Set ``request_id`` and ``task_id``, empty where there is none; what the record says of itself stays."""
        record.__dict__.setdefault("request_id", current_request.get())
        record.__dict__.setdefault("task_id", current_task.get())
        return True


def ids_of(record: logging.LogRecord) -> dict[str, str]:
    """Return the ids that *record* has, else those of now."""
    found = {
        "request_id": getattr(record, "request_id", None) or current_request.get(),
        "task_id": getattr(record, "task_id", None) or current_task.get(),
    }
    return {name: str(value) for name, value in found.items() if value}


class JsonFormatter(logging.Formatter):
    """One line of JSON per record; a traceback is one string in it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **ids_of(record),
            **{name: live_secrets.mask(one) if isinstance(one, str) else one for name, one in getattr(record, "fields", {}).items()},
        }
        traceback = find_traceback(record)
        if traceback:
            entry["traceback"] = traceback
        return writable(json.dumps(entry, ensure_ascii=False, default=str))


class TextFormatter(logging.Formatter):
    """For a terminal: time, level and message; where something is wrong, the request or the task behind it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        time = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        line = f"{time} {record.levelname.lower():<7} {record.getMessage().translate(CONTROLS)}"
        ids = ids_of(record)
        if ids and record.levelno >= logging.WARNING:
            behind = ", ".join(f"{name.removesuffix('_id')} {value}" for name, value in ids.items())
            line += f" [{behind}]"
        traceback = find_traceback(record)
        return writable(f"{line}\n{traceback.translate(CONTROLS)}" if traceback else line)


def writable(line: str) -> str:
    """Return *line* so that any stream can write it: half a character, as JSON may have one, would lose the whole line."""
    return line if line.isascii() else line.encode(errors="backslashreplace").decode()


def find_traceback(record: logging.LogRecord) -> str | None:
    """Return the traceback of *record* as text, or None. One with a secret in it has been written and masked already."""
    if record.exc_text:
        return record.exc_text
    return logging.Formatter().formatException(record.exc_info) if record.exc_info else None
