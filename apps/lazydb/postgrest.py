"""Take over a configuration of PostgREST: its file, its environment and what it keeps in the database, as the settings of one connection.

The order is PostgREST's: the environment (``PGRST_…``) wins over the file, the database over both. Every default is PostgREST's, too,
where the same setting of a connection has another one. What has no meaning here is told (``Moved.notes``), never passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lazydb.configurator import read
from lazydb.postgrestkeys import ALIASES, DEFAULTS, FLAGS, HOSTS, LEVELS, NOTES, NUMBERS, OWN, SETTINGS, URI
from qapla.database.url import shown
from qapla.errors import ConfigurationError, InputError, nearest
from qapla.masking import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qapla.database.spec import ConnectionSpec

    ReadDatabase = Callable[[ConnectionSpec, str | None], Mapping[str, str]]

PREFIX, APP_PREFIX, APP_SETTINGS = "PGRST_", "PGRST_APP_SETTINGS_", "app.settings."
WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


@dataclass(frozen=True)
class Moved:
    """What a configuration says: where the database is, the settings of its connection, where to listen, and what is not used."""

    uri: str = field(repr=False)
    settings: dict[str, Any] = field(repr=False)
    host: str | None
    port: int
    log_level: str | None
    notes: tuple[str, ...]


class Configuration:
    """The values of a configuration by their keys, as its file and the environment have them.

    Args:
        text: the file.
        environment: variables; ``PGRST_…`` win over the file.

    Raises:
        InputError: the file cannot be read, or a key is unknown. ConfigurationError: a file that it names cannot be read.
    """

    def __init__(self, text: str, environment: Mapping[str, str]) -> None:
        self.notes: list[str] = []
        self._values: dict[str, Any] = {}
        for key, value in read(text, environment).items():
            self._values[_known(key)] = value
        self._take_environment(environment)
        for key in ("db-uri", "jwt-secret"):  # now: what the database says later names no file of this machine
            if str(self._values.get(key, "")).startswith("@"):
                self._values[key] = _read_file(key, str(self._values[key])[1:])

    def _take_environment(self, environment: Mapping[str, str]) -> None:
        for name, value in environment.items():
            if name.startswith(APP_PREFIX):
                self._values[APP_SETTINGS + name.removeprefix(APP_PREFIX)] = value
            elif name.startswith(PREFIX):
                key = name.removeprefix(PREFIX).lower().replace("_", "-")
                try:
                    self._values[_known(key)] = value
                except InputError:
                    self.notes.append(f"the variable {name[:100]} is not known")

    @property
    def uri(self) -> str:
        """Return where the database is.

        Raises:
            InputError: it is not ``user:password@host:port/database``; libpq's other ways to say it depend on the machine.
        """
        uri = str(self._values.get("db-uri", "")).strip()
        if not URI.fullmatch(uri):
            hint = "write postgres://user:password@host:port/database"
            raise InputError("db-uri is not user:password@host:port/database", hint=hint)
        return Secret(uri)

    def take_database(self, spec: ConnectionSpec, read_database: ReadDatabase) -> None:
        """Let what is configured in the database win, unless ``db-config`` is off."""
        if not self._flag("db-config", default=True):
            return
        for name, value in read_database(spec, self._text("db-pre-config")).items():
            key = name.replace("_", "-")
            if key in SETTINGS or key in NOTES:
                self._values[key] = value
            elif key not in OWN:
                self.notes.append(f"pgrst.{name[:100]} of the database is not known")

    def finish(self) -> Moved:
        """Return everything."""
        settings = {**DEFAULTS, "app_settings": self._app_settings()}
        for key, name in SETTINGS.items():
            value = self._number(key) if key in NUMBERS else self._flag(key) if key in FLAGS else self._text(key)
            if value is not None:
                settings[name] = value
        settings["anonymous"] = "write" if settings.get("db_anon_role") else "none"
        notes = [*self.notes, *(f"{key} is not used: {NOTES[key]}" for key in NOTES if key in self._values)]
        return Moved(self.uri, settings, self._host(), self._number("server-port") or 3000, self._log_level(), tuple(notes))

    def _app_settings(self) -> dict[str, str]:
        named = {key.removeprefix(APP_SETTINGS): value for key, value in self._values.items() if key.startswith(APP_SETTINGS)}
        return {name: Secret(_as_text(value)) for name, value in named.items()}

    def _host(self) -> str | None:
        host = self._text("server-host")
        return HOSTS.get(host, host) if host is not None else None

    def _log_level(self) -> str | None:
        level = self._text("log-level")
        if level is not None and level not in LEVELS:
            raise InputError(f"log-level {shown(level)} is not known", hint=f"one of {', '.join(LEVELS)}")
        return LEVELS[level] if level is not None else None

    def _text(self, key: str) -> str | None:
        value = self._values.get(key)
        return None if value is None or value == "" else _as_text(value)

    def _number(self, key: str) -> int | None:
        text = self._text(key)
        if text is None:
            return None
        if not text.isascii() or not text.isdigit() or len(text) > 12:
            raise InputError(f"{key} {shown(text)} is not a whole number")
        return int(text)

    def _flag(self, key: str, default: bool | None = None) -> Any:
        value = self._values.get(key)
        if value is None or value == "":
            return default
        if str(value).lower() not in WORDS:
            raise InputError(f"{key} {shown(value)} is not true or false")
        return WORDS[str(value).lower()]


def _read_file(key: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigurationError(f"the file {shown(path)} of {key} cannot be read", hint=str(reason)) from None


def _known(key: str) -> str:
    """Return the key that *key* means today.

    Raises:
        InputError: there is none.
    """
    if key.startswith(APP_SETTINGS) and key != APP_SETTINGS:
        return key
    found = ALIASES.get(key, key)
    if found not in SETTINGS and found not in NOTES and found not in OWN:
        raise InputError(f"{shown(key)} is no key of PostgREST", hint=nearest(key, (*SETTINGS, *NOTES, *OWN, *ALIASES)))
    return found


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
