"""Read a field of a posted form, whatever was sent instead of one."""

from __future__ import annotations

from typing import Any

from qapla.errors import InputError


def read_field(request: Any, name: str) -> str | None:
    """Return the text of the field; None without it, for an uploaded file, and for a body that is no form at all."""
    try:
        value = request.POST.get(name)
    except (ValueError, InputError):  # no boundary, another charset, bytes that are not UTF-8
        return None
    return value if isinstance(value, str) else None
