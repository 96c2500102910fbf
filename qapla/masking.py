"""What of the settings may be shown: secrets, by their name, and passwords inside of values are masked.

A password can be anywhere: in a URL (``redis://:geheim@host``), in its query (``?password=geheim``), in the text that a driver takes
(``host=… password=…``), in a list of URLs, in a dictionary of ``connect_args``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote, unquote_plus

if TYPE_CHECKING:
    from collections.abc import Iterator

MASK = "***"
KEYS = r"(?:private|api|access|sign(?:ing)?|encrypt(?:ion)?|cipher|fernet|master|auth)_?keys?"
WORDS = rf"password|passwd|passphrase|pwd|secret|token|credential|{KEYS}"
SECRET_NAMES = re.compile(rf"{WORDS}|(?:^|_)(?:pass|pw)$", re.IGNORECASE)
URL_PASSWORD = re.compile(r"(?<=://)([^/\s:@]*):(.*)@(?=[^@/]*)")
ONE_URL_PASSWORD = re.compile(r"://[^/\s:@]*:([^\s,;@]*)@")  # where one value has several URLs, the one above takes all between for one
ASSIGNED = re.compile(rf"""([a-z0-9_]*(?:(?:{WORDS})[a-z0-9_]*|pass)\s*=\s*)('[^']*'|"[^"]*"|[^&;,\s]*)""", re.IGNORECASE)


class Secret(str):
    """Text that is used as it is, and masked where it is only shown: a debug toolbar has the ``repr`` of values."""

    shown: str

    def __new__(cls, value: str, shown: str = MASK) -> Self:
        """Make one of *value*; *shown* is what people see."""
        made = super().__new__(cls, value)
        made.shown = shown
        return made

    def __repr__(self) -> str:
        return repr(self.shown)


def mask(key: str, value: Any) -> Any:
    """Return the value of the setting *key* as it may be shown."""
    if isinstance(value, Mapping):
        return {name: mask(f"{key}:{name}" if not is_secret(key) else key, value[name]) for name in value}
    if isinstance(value, (list, tuple, set, frozenset)):
        return type(value)(mask(key, item) for item in value)
    if is_secret(key):
        return MASK if value and not isinstance(value, bool) else value
    return mask_text(value) if isinstance(value, str) else value


def mask_text(text: str) -> str:
    """Return *text* with the passwords that it has masked."""
    return ASSIGNED.sub(rf"\1{MASK}", URL_PASSWORD.sub(rf"\1:{MASK}@", text))


def shield(key: str, value: Any) -> Any:
    """Return the value of the setting *key* so that it can be used as before, but its ``repr`` is masked."""
    if isinstance(value, dict):
        return {name: shield(f"{key}:{name}" if not is_secret(key) else key, value[name]) for name in value}
    if isinstance(value, (list, tuple)):
        return type(value)(shield(key, item) for item in value)
    shown = mask(key, value)
    return Secret(value, shown) if isinstance(value, str) and shown != value else value


def secrets_of(settings: Mapping[str, Any], key: str = "") -> Iterator[str]:
    """Yield every secret in *settings* as it is, and decoded where it stands in a URL: what must never get into a log."""
    for name in settings:
        yield from _secrets_in(f"{key}:{name}" if not is_secret(key) else key, settings[name])


def is_secret(key: str) -> bool:
    """Tell whether the setting *key*, by the last part of its name, is a secret."""
    return SECRET_NAMES.search(re.split(r"[:.]", key)[-1]) is not None


def _secrets_in(key: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from secrets_of(value, key)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _secrets_in(key, item)
    elif isinstance(value, bool) or not value:
        return
    elif is_secret(key):
        if isinstance(value, (int, float)) and "pass" not in key.lower():
            return  # token_lifetime_s: 3600 would be masked in every line of the log
        yield value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    elif isinstance(value, str):
        yield from _passwords_in(value)


def _passwords_in(text: str) -> Iterator[str]:
    for found in (*(one[2] for one in URL_PASSWORD.finditer(text)), *ONE_URL_PASSWORD.findall(text)):
        yield from dict.fromkeys((found, unquote(found)))
    for _, found in ASSIGNED.findall(text):
        yield from dict.fromkeys((found.strip("'\""), unquote_plus(found.strip("'\""))))
