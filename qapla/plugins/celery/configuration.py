"""From the settings ``celery:…`` to the configuration of Celery.

Every setting of Celery has its own, lower-case name here: ``celery:broker_url``, ``celery:result_backend``. What nobody sets is safe rather
than fast: a message is acknowledged when its task has ended, goes back to the queue when the worker is lost, and is fetched one at a
time; a task has a limit on time, and a message that was not acknowledged comes back after that limit and not before.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from celery.app.defaults import NAMESPACES, flatten

from qapla.errors import ConfigurationError, SettingsError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from qapla.settings import Settings

OURS = {"modules", "outbox", "outbox_every_s", "receipts_kept_s"}
REPLACED = {"imports": "celery:modules", "include": "celery:modules"}
OPTIONS: dict[str, Any] = dict(flatten(NAMESPACES))
TIME_LIMIT_S = 1800
SOFT_BEFORE_S = 30
COMES_BACK_AFTER_S = 60

DEFAULTS: dict[str, Any] = {
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "worker_prefetch_multiplier": 1,
    "task_serializer": "json",
    "result_serializer": "json",
    "accept_content": ["json"],
    "task_publish_retry_policy": {"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5},
    "broker_connection_retry_on_startup": True,
    "worker_cancel_long_running_tasks_on_connection_loss": True,
    "worker_hijack_root_logger": False,
}
REDIS = ("redis", "rediss", "sentinel", "valkey", "valkeys")


def read_configuration(settings: Settings, name: str) -> dict[str, Any]:
    """Return the configuration of Celery for the application called *name*.

    Raises:
        SettingsError: a setting has no meaning, is missing or wrong.
        ConfigurationError: what speaks with the broker is not installed.
    """
    given = {key: _read(settings, key) for key in settings.get("celery") or {} if key not in OURS}
    given = {key: value for key, value in given.items() if value is not None}
    if given.get("task_always_eager"):
        given.setdefault("broker_url", "memory://localhost")  # without a host there is a warning
    if "broker_url" not in given and "broker_read_url" not in given:
        settings.require("celery:broker_url", "where the broker is, redis://host:6379/0")
    found = {**DEFAULTS, "task_default_queue": name, "task_ignore_result": "result_backend" not in given, **given}
    return {**found, **_limits(settings, found, given)}


def _read(settings: Settings, key: str) -> Any:
    """Return one setting as Celery wants it; text, as the environment has it, is converted."""
    whole = f"celery:{key}"
    if key in REPLACED:
        raise SettingsError(f"setting {whole!r} in {settings.origin(whole)} is not offered", hint=f"use {REPLACED[key]!r}")
    if key not in OPTIONS:
        hint = nearest(key, [*OPTIONS, *OURS]) or "see the settings of Celery, in lower case"
        raise SettingsError(f"setting {whole!r} in {settings.origin(whole)} is unknown", hint=hint)
    value = settings.get(whole)
    if not isinstance(value, str):
        return plain(value)
    kind, expected, convert = READERS.get(OPTIONS[key].type, READERS["string"])
    return settings.read(whole, kind, None, expected) if convert is None else _convert(settings, whole, convert, expected)


def _convert(settings: Settings, key: str, convert: Callable[[str], Any], expected: str) -> Any:
    try:
        return convert(settings.get(key))
    except ValueError:
        raise settings.wrong(key, expected) from None


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _load(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(text)
    return found


def _number(text: str) -> Any:
    """Read a value of any type: the number of processes is one of these, and it may be the word ``auto``."""
    return int(text) if text.isascii() and text.isdigit() else text


READERS: dict[Any, tuple[type, str, Callable[[str], Any] | None]] = {
    "string": (str, "text", None),
    "any": (str, "text or a number", _number),
    "int": (int, "a whole number", None),
    int: (int, "a whole number", None),
    "float": (float, "a number", None),
    "bool": (bool, "true or false", None),
    "list": (str, "names, with commas between them", _split),
    "tuple": (str, "names, with commas between them", _split),
    "dict": (str, "an object of JSON", _load),
}


def _limits(settings: Settings, found: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return the limits on time, and after which time a message comes back whose worker is gone without a word."""
    limit = given.get("task_time_limit", TIME_LIMIT_S)
    if not isinstance(limit, int | float) or limit < 1:
        raise settings.wrong("celery:task_time_limit", "seconds, 1 at least: a task that hangs must end")
    soft = given.get("task_soft_time_limit", limit - min(SOFT_BEFORE_S, max(1, limit // 10)))
    if soft > limit:
        raise settings.wrong("celery:task_soft_time_limit", f"at most 'celery:task_time_limit', {limit} seconds")
    transport = {**_transport(found, limit + COMES_BACK_AFTER_S), **given.get("broker_transport_options", {})}
    if transport.get("visibility_timeout", limit + 1) <= limit:
        key = "celery:broker_transport_options:visibility_timeout"
        raise settings.wrong(key, f"more than 'celery:task_time_limit', {limit} seconds: a message that comes back earlier is done twice")
    return {"task_time_limit": limit, "task_soft_time_limit": soft, "broker_transport_options": transport}


def _transport(found: dict[str, Any], comes_back_after_s: float) -> dict[str, Any]:
    """Return what the broker's driver needs to be told; a broker of AMQP knows by itself that a worker is gone."""
    scheme = str(found.get("broker_url") or "").partition(":")[0].partition("+")[0]
    if scheme == "sqs":
        return {"visibility_timeout": comes_back_after_s}
    if scheme not in REDIS:
        return {}
    if find_spec("redis") is None:
        hint = "pip install 'qapla[celery,redis]'"
        raise ConfigurationError("the broker is a Redis, and the package 'redis' is not installed", hint=hint)
    # Any worker brings back what is in here for longer than its own timeout: applications that share a Redis must not share these.
    ours = found["task_default_queue"]
    keys = {"unacked_key": f"unacked.{ours}", "unacked_index_key": f"unacked_index.{ours}", "unacked_mutex_key": f"unacked_mutex.{ours}"}
    return {"visibility_timeout": comes_back_after_s, "socket_connect_timeout": 3, "max_retries": 1, **keys}


def plain(value: Any) -> Any:
    """Return *value* with dictionaries of Python's own kind all the way down."""
    if isinstance(value, dict):
        return {key: plain(dict.__getitem__(value, key)) for key in value}
    return [plain(item) for item in value] if isinstance(value, list) else value
