"""Clients of Redis, by name.

Adds      ``app["redis"]["default"]``, a ``redis.Redis``; ``scope["redis"]``, the same; ``request.redis``, the client ``default``. A check
          ``redis:<name>`` where ``app["health"]`` is there.
Settings  ``redis:<name>:url``, ``redis://user:password@host:port/0``; ``redis:<name>:options``, keywords of ``redis.Redis``, which win over
          ours: two seconds to connect, five to answer, one more try. ``redis:<name>:required``: whether the application is ready only
          while it answers; ``true``.

A client is made on first use, anew after a fork, and closed when the application stops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Add the plugin to any Pyramid application."""
    from qapla.plugins.redis.plugin import RedisPlugin
    from qapla.web import include_plugin

    include_plugin(config, RedisPlugin())
