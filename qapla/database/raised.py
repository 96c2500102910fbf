"""Errors that a function of the database raises to answer a request its own way, as PostgREST has them.

``RAISE SQLSTATE 'PT402'`` chooses the status. ``RAISE SQLSTATE 'PGRST'`` chooses everything: its message is a JSON object with ``code``,
``message``, ``details`` and ``hint``, its detail one with ``status``, ``headers`` and ``status_text``.
"""

from __future__ import annotations

import json
import re
from typing import Any

from qapla.errors import DatabaseError

STATUSES = range(200, 600)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")  # RFC 9110: a token
_VALUE = re.compile(r"[\t\x20-\x7e]*")  # nothing that would end a header
_TRANSPORT = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer"})
_MESSAGE_HINT = "MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys: 'details', 'hint'."
_DETAIL_HINT = "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'."


class RaisedError(DatabaseError):
    """An error with a status line of its own."""

    def __init__(self, message: str, *, reason: str | None = None, **parts: Any) -> None:
        super().__init__(message, **parts)
        self.reason = reason


def read_status(code: str) -> int | None:
    """Return the status in ``PT402``; 500 where there is none in it, None for other codes."""
    if not code.startswith("PT"):
        return None
    return int(code[2:]) if code[2:].isascii() and code[2:].isdigit() and int(code[2:]) in STATUSES else 500


def read_raised(message: str | None, detail: str | None) -> DatabaseError:
    """Return the error that ``RAISE SQLSTATE 'PGRST'`` means; one that cannot be read is PGRST121 (500)."""
    said = _read_object(message, ("code", "message"))
    if said is None or not all(isinstance(said.get(key), str | None) for key in ("code", "message", "details", "hint")):
        return _unreadable(f"Invalid JSON value for MESSAGE: '{(message or '')[:200]}'", _MESSAGE_HINT)
    if detail is None:
        return _unreadable("DETAIL is missing in the RAISE statement", _DETAIL_HINT)
    answer = _read_object(detail, ("status", "headers"))
    if answer is None or not _is_answer(answer):
        return _unreadable(f"Invalid JSON value for DETAIL: '{detail[:200]}'", _DETAIL_HINT)
    return RaisedError(
        said["message"] or "",
        code=said["code"] or "",
        details=said.get("details"),
        hint=said.get("hint"),
        status=answer["status"],
        headers=answer["headers"],
        reason=answer.get("status_text"),
    )


def _read_object(text: str | None, keys: tuple[str, ...]) -> dict[str, Any] | None:
    try:
        found = json.loads(text or "")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and all(key in found for key in keys) else None


def _is_answer(answer: dict[str, Any]) -> bool:
    """Tell whether the parts of a DETAIL can be sent."""
    status, headers, reason = answer["status"], answer["headers"], answer.get("status_text")
    return (
        type(status) is int
        and status in STATUSES
        and isinstance(headers, dict)
        and all(_is_header(name, value) for name, value in headers.items())
        and (reason is None or (isinstance(reason, str) and _VALUE.fullmatch(reason) is not None))
    )


def _is_header(name: str, value: Any) -> bool:
    is_ours = name.lower() not in _TRANSPORT
    return is_ours and isinstance(value, str) and _NAME.fullmatch(name) is not None and _VALUE.fullmatch(value) is not None


def _unreadable(details: str, hint: str) -> DatabaseError:
    message = "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error"
    return DatabaseError(message, code="PGRST121", status=500, details=details, hint=hint)
