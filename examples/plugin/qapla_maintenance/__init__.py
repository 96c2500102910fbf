"""Close an application for a while: every address answers 503, until somebody opens it again.

Adds      ``app["maintenance"]``, a ``Maintenance``; one tween; ``qapla maintenance on|off``.
Settings  ``maintenance:file``: the file that closes the application while it is there, ``maintenance.txt`` in the folder where it runs.
          ``maintenance:open``: addresses that are answered all the same, ``/healthz``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Add the plugin to any Pyramid program: ``config.include("qapla_maintenance")``."""
    from qapla.web import include_plugin
    from qapla_maintenance.plugin import MaintenancePlugin

    include_plugin(config, MaintenancePlugin())
