"""Repositories of an application: entities in Redis, a database behind it, in views, tasks and notebooks.

Adds      ``app["repositories"]["person"]``, a service that is called without ``await``; ``request.repositories``, the same;
          ``app["repositories"].service("person")``, the service itself, for coroutines. In a scope of asyncio,
          ``scope["repositories"]["person"]`` is the service itself. ``@WithRepositories(app, "person")``. A check ``repositories:<name>``
          where ``app["health"]`` is there. Where ``app["metrics"]`` is, ``repository_breaker_open``, ``repository_cache_off`` while nobody
          tells a cache what others change; of repositories that are written behind ``repository_writes_waiting``,
          ``repository_writes_waiting_s``, ``repository_writes_set_aside`` and, a counter, ``repository_writes_refused``, too.
          ``qapla repositories write``, ``status`` and ``retry`` are about these.
Settings  ``repositories:<name>:…``, which win over what the program declares: ``class``, the dotted name of a repository; ``redis``, the
          name of a Redis (``redis:<name>:url``), ``default``; ``database``, the name of a declared database; ``model``, the dotted name
          of a mapped class; ``expire_time``, ``not_found_expire_time``, ``deadline_s``, ``memory_deadline_s``, ``cache_type`` (``LRU``,
          ``LFU``, ``TTL``), ``cache_ttl``, ``cache_max_size``; ``cache_invalidation``: whether what other processes change ends answers of
          the cache, as a Redis tells it; ``cb_failure_threshold``, ``cb_recovery_timeout``; ``write_policy``: ``through`` or ``behind``;
          ``queue_size``, how many entities may wait to be written behind; ``worker``: whether every process that uses the repository
          writes them; ``required``: whether the application is ready only while the memory answers; ``false``: the store behind it does
          its work.

``Made(service)``, ``Made(lambda app: …, "person")``: a service of the program's own, lent likewise; only ``required`` is a setting of it.
A service is made on first use, anew after a fork, and closed when the application stops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyramid.config import Configurator

__all__ = ["Declared", "Made", "RepositoriesPlugin", "WithRepositories", "includeme"]

from qapla.plugins.repositories.declared import Declared
from qapla.plugins.repositories.decorators import WithRepositories
from qapla.plugins.repositories.made import Made
from qapla.plugins.repositories.plugin import RepositoriesPlugin


def includeme(config: Configurator) -> None:
    """Add the plugin, with the repositories of the settings, to any Pyramid application."""
    from qapla.web import include_plugin

    include_plugin(config, RepositoriesPlugin())
