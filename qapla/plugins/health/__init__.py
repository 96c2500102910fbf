"""Tell a supervisor how the process is: ``/healthz`` answers while it lives, ``/readyz`` while what it needs answers, too.

Adds      ``app["health"]``: ``add(name, check)``, ``run() -> Report``; the two routes, which need no login.
Settings  ``health:deadline_s``: how long the checks may take, all at once; 2. ``health:token``: who has it is told how each check went;
          without one only programs on this machine are. ``db:<name>:required``: whether the application is ready only while this declared
          database answers; ``true``.

The answer is a word, or JSON where ``Accept`` asks for it. Checks run side by side, each at most once at a time, however many ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Add the plugin to any Pyramid application."""
    from qapla.plugins.health.plugin import HealthPlugin
    from qapla.web import include_plugin

    include_plugin(config, HealthPlugin())
