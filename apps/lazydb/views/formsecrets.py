"""Secrets among the settings in a form: what was typed goes to the browser and back sealed, and is shown as ``***``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from qapla.masking import MASK

if TYPE_CHECKING:
    from collections.abc import MutableMapping


def conceal(values: MutableMapping[str, str]) -> str | None:
    """Replace the secrets in the fields by ``***``; return them as text to be sealed, or None when nothing was typed."""
    typed: dict[str, str] = {}
    if values.get("jwt_secret", "") not in ("", MASK):
        typed["jwt_secret"], values["jwt_secret"] = values["jwt_secret"], MASK
    lines = []
    for line in values.get("app_settings", "").splitlines():
        name, equals, value = line.partition("=")
        if equals and value.strip() not in ("", MASK):
            typed[f"app_settings.{name.strip()}"] = value.strip()
            line = f"{name.strip()}={MASK}"
        lines.append(line)
    if lines:
        values["app_settings"] = "\n".join(lines)
    return json.dumps(typed) if typed else None


def reveal(values: MutableMapping[str, str], kept: str) -> None:
    """Put what ``conceal`` returned back where ``***`` stands in its place."""
    typed = json.loads(kept)
    if values.get("jwt_secret") == MASK and "jwt_secret" in typed:
        values["jwt_secret"] = typed["jwt_secret"]
    lines = []
    for line in values.get("app_settings", "").splitlines():
        name, _equals, value = line.partition("=")
        known = typed.get(f"app_settings.{name.strip()}")
        lines.append(f"{name.strip()}={known}" if value.strip() == MASK and known is not None else line)
    if lines:
        values["app_settings"] = "\n".join(lines)
