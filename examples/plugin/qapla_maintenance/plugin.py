"""The plugin. It imports no Pyramid: an application declares it in worker, shell and command, too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qapla.plugin import Plugin
from qapla_maintenance.maintenance import Maintenance

if TYPE_CHECKING:
    import click
    from pyramid.config import Configurator

    from qapla.application import Application


class MaintenancePlugin(Plugin):
    """Close an application for a while."""

    key = "maintenance"

    def start(self, app: Application) -> Maintenance:
        """Read the settings."""
        return Maintenance(Path(app.settings.get("maintenance:file", "maintenance.txt")).absolute())

    def includeme(self, config: Configurator) -> None:
        """Put the tween before everything else."""
        from pyramid.tweens import INGRESS

        config.add_tween("qapla_maintenance.tween.make_tween", under=INGRESS)

    def commands(self, group: click.Group) -> None:
        """Add ``qapla maintenance``."""
        from qapla_maintenance.commands import maintenance

        group.add_command(maintenance)
