"""Logs that can be read: for people on a terminal, else one JSON object per line; each line knows its request or its task, none a secret.

Adds      ``app["logging"]`` with ``secrets.add(text)``; ``X-Request-Id`` on every answer; one line of the logger ``qapla.access`` for each.
Settings  ``logging:level``, of all loggers: ``info`` where something is served, else ``warning``. ``logging:levels:<logger>``, of one.
          ``logging:json``: JSON lines or text; by itself text for commands and on a terminal. ``logging:config``: a dictionary for
          ``logging.config.dictConfig`` instead of these. ``logging:quiet``: paths whose answers are lines of level debug only.

A program that has set up handlers of its own keeps them as long as no setting of ``logging`` is there; so do tests, always. The ids are
attributes of every record that a handler sees: ``%(request_id)s``, ``%(task_id)s``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Add the plugin to any Pyramid application."""
    from qapla.plugins.logging.plugin import LoggingPlugin
    from qapla.web import include_plugin

    include_plugin(config, LoggingPlugin())
