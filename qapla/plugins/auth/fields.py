"""Read a field of a posted form, whatever was sent instead of one."""

from __future__ import annotations

from typing import Any

from qapla.errors import InputError

MOST_BYTES = 16 * 1024


def is_small(request: Any) -> bool:
    """Tell whether the body is no larger than a form without files: taking a large one apart costs seconds, and strangers may send it."""
    return request.content_length is not None and request.content_length <= MOST_BYTES


def read_field(request: Any, name: str) -> str | None:
    """Return the text of the field; None without it, for an uploaded file, and for a body that is no form at all."""
    try:
        value = request.POST.get(name)
    except (ValueError, InputError, DeprecationWarning):  # no boundary, bytes that are not UTF-8, another charset in two ways
        return None
    return value if isinstance(value, str) else None
