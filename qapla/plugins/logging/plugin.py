"""The plugin: sets up the log at start, names every request for the web."""

from __future__ import annotations

import logging
import logging.config
import sys
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qapla.errors import SettingsError, nearest
from qapla.masking import secrets_of
from qapla.plugin import Plugin
from qapla.plugins.logging.formatters import Ids, JsonFormatter, TextFormatter
from qapla.plugins.logging.masking import LiveSecrets, install, live_secrets
from qapla.ports import PROVISIONAL
from qapla.settings import flat

if TYPE_CHECKING:
    from pyramid.config import Configurator

    from qapla.application import Application

SERVING = ("uwsgi", "celery")
QUIET = ("/healthz", "/readyz", "/metrics")  # asked every few seconds by supervisors
NAMES = ("level", "levels", "json", "config", "quiet")
LAST = 1_000_000  # after every action of Pyramid, whose execution policy is wrapped then


class Logs:
    """``app["logging"]``: ``secrets.add(text)`` keeps a secret that came up later out of the log of this process."""

    def __init__(self, secrets: LiveSecrets) -> None:
        self.secrets = secrets


class LoggingPlugin(Plugin):
    """Set up the log, and give every line the request or the task that it belongs to."""

    key = "logging"

    def start(self, app: Application) -> Logs:
        """Mask the secrets of the settings from now on, and set up handlers and levels.

        Raises:
            SettingsError: a level or the configuration is wrong.
        """
        install()
        for secret in secrets_of(app.settings):
            live_secrets.add(secret)
        given = app.settings.get("logging") or {}
        unknown = [name for name in given if name not in NAMES]
        if unknown:
            raise SettingsError(f"setting {f'logging:{unknown[0]}'!r} is not known", hint=nearest(unknown[0], NAMES) or ", ".join(NAMES))
        self._quiet = frozenset(app.settings.names("logging:quiet") if "quiet" in given else QUIET)
        level = _read_level(app, "logging:level", "info" if app.start_point in SERVING else "warning")
        if not isinstance(given.get("levels") or {}, Mapping):
            raise app.settings.wrong("logging:levels", "levels by logger: {'sqlalchemy.engine': 'info'}")
        levels = {name: _read_level(app, f"logging:levels:{name}", "info") for name, _ in flat(given.get("levels") or {})}
        as_json = app.settings.read("logging:json", bool, None if app.start_point in SERVING else False, "true or false")
        if given.get("config"):
            _configure_by(app, given["config"])
        elif app.start_point != "tests" and ("level" in given or "json" in given or not _has_handlers()):
            configure(level, as_json)
        for name, least in levels.items():
            logging.getLogger(name.replace(":", ".")).setLevel(least)  # one key from Pyramid's settings has colons where the name has dots
        name_records()
        return Logs(live_secrets)

    def includeme(self, config: Configurator) -> None:
        """Name every request, and log every answer."""
        from pyramid.interfaces import IExecutionPolicy
        from pyramid.router import default_execution_policy

        from qapla.plugins.logging.exchange import around

        def wrap() -> None:
            inner = config.registry.queryUtility(IExecutionPolicy, default=default_execution_policy)
            config.registry.registerUtility(around(inner, self._quiet), IExecutionPolicy)

        config.action("qapla.plugins.logging", wrap, order=LAST)


def level_of(name: int | str) -> int:
    """Return the number of a level: ``info`` is 20.

    Raises:
        ValueError: there is no such level.
    """
    found = name if isinstance(name, int) else logging.getLevelNamesMapping().get(str(name).upper())
    if found is None:
        raise ValueError(f"no level is called {name!r}")
    return found


def _read_level(app: Application, key: str, default: str) -> int:
    try:
        return level_of(app.settings.get(key, default))
    except ValueError:
        raise app.settings.wrong(key, "debug, info, warning, error or critical") from None


def configure(level: int | str, as_json: bool | None = None, levels: Mapping[str, int | str] | None = None) -> None:
    """Send everything to standard error, from *level* up; *levels* are those of single loggers.

    Args:
        as_json: one object of JSON per line; None: unless standard error is a terminal.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json or (as_json is None and not sys.stderr.isatty()) else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level_of(level))
    for name, least in (levels or {}).items():
        logging.getLogger(name).setLevel(level_of(least))
    # Pyramid and Cornice still ask setuptools for pkg_resources; nobody who reads this log can change that.
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    name_records()


def name_records() -> None:
    """Have every handler that is set up now see the ids of records."""
    loggers = [logging.getLogger(), *(known for known in logging.root.manager.loggerDict.values() if isinstance(known, logging.Logger))]
    for handler in {handler for logger in loggers for handler in logger.handlers}:
        if not any(isinstance(one, Ids) for one in handler.filters):
            handler.addFilter(Ids())


def _has_handlers() -> bool:
    return any(handler.get_name() != PROVISIONAL for handler in logging.getLogger().handlers)


def _configure_by(app: Application, config: Any) -> None:
    try:
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, **_plain(config)})
    except (ValueError, TypeError, AttributeError, ImportError) as error:
        problem = f"setting 'logging:config' in {app.settings.origin('logging:config')} is wrong: {error}"
        raise SettingsError(problem, hint="expected what logging.config.dictConfig takes") from error


def _plain(value: Any) -> Any:
    """Return settings as plain dictionaries: ``dictConfig`` converts what it gets in place."""
    return {key: _plain(value[key]) for key in dict.keys(value)} if isinstance(value, dict) else value
