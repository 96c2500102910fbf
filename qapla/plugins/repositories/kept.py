"""The services of one application, by name."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Any

from qapla.driver.repositories.background import LOOP
from qapla.driver.repositories.sync import SyncService, sync
from qapla.errors import PluginError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from qapla.application import Application
    from qapla.driver.repositories.service import Service
    from qapla.plugins.repositories.declared import Declared

log = logging.getLogger("qapla.repositories")


class Repositories:
    """Services by name, each made on first use: anew in every process.

    Args:
        app: has the databases.
        declared: what is made.
    """

    has_workers = True  # a command that is about workers has none of its own

    def __init__(self, app: Application, declared: Mapping[str, Declared]) -> None:
        self._app = app
        self._declared = declared
        self._opened: dict[str, Service[Any, Any]] = {}
        self._begin_anew()

    def __getitem__(self, name: str) -> SyncService[Any]:
        """Return the service called *name*, for calls without ``await``.

        Raises:
            PluginError: there is none.
        """
        return sync(self.service(name))

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self._declared)

    def __len__(self) -> int:
        return len(self._declared)

    def service(self, name: str) -> Service[Any, Any]:
        """Return the service called *name* itself, for coroutines.

        Raises:
            PluginError: there is none.
        """
        if self._pid != os.getpid():
            self._begin_anew()
        service = self._opened.get(name)
        return service if service is not None else self._open(name)

    def create_tables(self) -> None:
        """Create the tables of documents that are not there yet, for programs without migrations."""
        for name in self:
            fallback = self.service(name).repository.fallback_data_source
            if hasattr(fallback, "create_table"):
                LOOP.run(fallback.create_table())
            if self.service(name).repository.write_policy == "behind" and hasattr(fallback, "create_terms"):
                LOOP.run(fallback.create_terms())

    def start_workers(self) -> None:
        """Begin to write into their stores what waits of repositories that are written behind; else that begins with their first use."""
        for name, one in self._declared.items():
            if one.options.write_policy == "behind" and one.options.worker:
                self.service(name)

    def check(self, name: str) -> None:
        """Raise if the memory of *name* does not answer. One that is resting after failures is asked again when its pause is over.

        Raises:
            StoreUnavailable: it does not.
        """
        service = self._opened.get(name) if self._pid == os.getpid() else None
        if service is None:
            return
        if service.breaker.state == "half_open":
            LOOP.run(service.repository.memory_data_source.run([("EXISTS", "qapla")]))
        writer = service.repository.writer
        if writer is not None and service.breaker.state == "closed":
            LOOP.run(writer.look())
        service.check()

    def close(self) -> None:
        """Close what this process has opened, and the loop when nobody else uses it."""
        if self._pid != os.getpid():
            return
        with self._lock:
            opened, self._opened = self._opened, {}
        for name, service in opened.items():
            try:
                if LOOP.is_running:  # else it has closed everything already
                    LOOP.run(service.aclose(), anywhere=True)
            except Exception:
                log.warning("repository %r was not closed well", name, exc_info=True)
        if opened:
            LOOP.release()

    def _begin_anew(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._opened = {}

    def _open(self, name: str) -> Service[Any, Any]:
        if name not in self._declared:
            hint = nearest(name, self._declared) or "declare it: RepositoriesPlugin([Declared(PersonRepository, database='main')])"
            raise PluginError(f"no repository is declared as {name!r}", hint=hint)
        with self._lock:
            if name not in self._opened:
                service = self._declared[name].make(self._app)
                if not self._opened:
                    LOOP.hold()
                self._opened[name] = service
                if service.repository.writer is not None and self.has_workers and self._declared[name].options.worker:
                    LOOP.run(service.repository.writer.start(), anywhere=True)
            return self._opened[name]


class Awaited:
    """The same services, for coroutines."""

    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories

    def __getitem__(self, name: str) -> Service[Any, Any]:
        """Return the service called *name*."""
        return self._repositories.service(name)

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self._repositories)

    def __len__(self) -> int:
        return len(self._repositories)
