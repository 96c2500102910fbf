"""The clients of one application. The only module that imports redis."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from qapla.errors import PluginError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qapla.errors import SettingsError
    from qapla.settings import Settings

DEFAULT = "default"
URL = "a URL, redis://user:password@host:port/0"
OPTIONS = {"socket_connect_timeout": 2, "socket_timeout": 5, "health_check_interval": 30}


class Clients:
    """Clients by name, each made on first use.

    Args:
        settings: where the URLs are.

    Raises:
        SettingsError: a URL or an option is missing or wrong; no connection is opened to find out.
    """

    def __init__(self, settings: Settings) -> None:
        self._make = {name: maker(settings, name) for name in settings.get("redis") or {}}
        self._clients: dict[str, Redis] = {}
        self._begin_anew()
        for make in self._make.values():
            make()

    def __getitem__(self, name: str) -> Redis:
        """Return the client called *name*, that of this process.

        Raises:
            PluginError: there is none.
        """
        if self._pid != os.getpid():
            self._begin_anew()  # the parent's connections stay its own
        client = self._clients.get(name)
        return client if client is not None else self._open(name)

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self._make)

    def __len__(self) -> int:
        return len(self._make)

    def close(self) -> None:
        """Close every connection of this process."""
        if self._pid != os.getpid():
            return
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def _begin_anew(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._clients = {}

    def _open(self, name: str) -> Redis:
        if name not in self._make:
            hint = nearest(name, self._make) or f"set 'redis:{name}:url'"
            raise PluginError(f"no Redis is declared as {name!r}", hint=hint)
        with self._lock:
            if name not in self._clients:
                self._clients[name] = self._make[name]()
            return self._clients[name]


def maker(settings: Settings, name: str) -> Callable[[], Redis]:
    """Return what makes the client called *name*."""
    key = f"redis:{name}:url"
    url = settings.require(key, URL)
    given = dict(settings.get(f"redis:{name}:options") or {})
    options: dict[str, Any] = {**OPTIONS, **{option: number(value) for option, value in given.items()}}

    def make() -> Redis:
        _open(url, {}, lambda: settings.wrong(key, URL))
        return _open(url, options, lambda: settings.wrong(f"redis:{name}:options", "options that redis.Redis knows"))

    return make


def _open(url: str, options: dict[str, Any], wrong: Callable[[], SettingsError]) -> Redis:
    try:
        client = Redis.from_url(url, retry=Retry(ConstantBackoff(0.1), 1), **options)
        client.connection_pool.connection_class(**client.connection_pool.connection_kwargs)  # an unknown option is told here
        return client
    except (ValueError, TypeError):
        raise wrong() from None


def number(value: Any) -> Any:
    """Return text that is a number, as the environment and .ini files have it, as that number; else *value* itself."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
