"""What the settings say about sessions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from qapla.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qapla.settings import Settings

TIMEOUT_S = 12 * 3600
MIN_LENGTH = 32
STORES = ("cookie", "redis")
SAMESITE = {"lax": "Lax", "strict": "Strict", "none": "None"}
SECURE = {"auto": None, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Options:
    """How sessions are kept. ``secure`` None: as the request came."""

    cookie: str
    store: Literal["cookie", "redis"]
    timeout_s: int
    samesite: str
    secure: bool | None
    secrets: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<session options: {self.store}, cookie {self.cookie!r}>"


def read_options(settings: Settings, secrets: Sequence[str], cookie: str) -> Options:
    """Return the options.

    Raises:
        SettingsError: a setting is wrong, or two of them do not go together.
    """
    store = settings.get("session:store", "cookie")
    if store not in STORES:
        raise settings.wrong("session:store", " or ".join(STORES))
    samesite = str(settings.get("session:samesite", "lax")).lower()
    if samesite not in SAMESITE:
        raise settings.wrong("session:samesite", ", ".join(SAMESITE))
    secure = str(settings.get("session:secure", "auto")).lower()
    if secure not in SECURE:
        raise settings.wrong("session:secure", ", ".join(SECURE))
    if samesite == "none" and secure != "true":
        raise SettingsError("setting 'session:samesite' is 'none', which needs https", hint="set 'session:secure' to true")
    timeout_s = settings.read("session:timeout_s", int, TIMEOUT_S, "a number of seconds")
    if timeout_s < 1:
        raise settings.wrong("session:timeout_s", "a number of seconds")
    return Options(cookie, store, timeout_s, SAMESITE[samesite], SECURE[secure], tuple(secrets))


def read_secrets(settings: Settings) -> tuple[str, ...]:
    """Return the secrets, the one that signs first.

    Raises:
        SettingsError: there is none, or one is too short to be one.
    """
    found = settings.require("session:secret", f"text of at least {MIN_LENGTH} characters")
    secrets = tuple(found.split()) if isinstance(found, str) else tuple(found)
    if not secrets or any(not isinstance(secret, str) or len(secret) < MIN_LENGTH for secret in secrets):
        raise settings.wrong("session:secret", f"text of at least {MIN_LENGTH} characters without blanks, or several of them")
    return secrets
