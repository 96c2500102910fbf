"""The plugins that installed packages offer: entry points of the group ``qapla.plugins``, each named like the key of its plugin::

    [project.entry-points."qapla.plugins"]
    metrics = "qapla.plugins.metrics.plugin:MetricsPlugin"

One is declared by its name, ``app.add_app_plugin("metrics")``, or by the setting ``plugins``, a list of names. It is made without
arguments.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from qapla.errors import PluginError, nearest
from qapla.plugin import Plugin

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.metadata import EntryPoint

GROUP = "qapla.plugins"


def list_plugins() -> Mapping[str, EntryPoint]:
    """Return what is installed, by name; nothing is imported."""
    return {entry.name: entry for entry in sorted(entry_points(group=GROUP))}


def is_installed(name: str) -> bool:
    """Tell whether a plugin of that name is installed."""
    return bool(entry_points(group=GROUP, name=name))


def make_plugin(name: str, place: str = "") -> Plugin:
    """Make the installed plugin called *name*.

    Args:
        place: who asks for it, ``file:line``, for the error message.

    Raises:
        PluginError: there is none, or it cannot be made.
    """
    found = list_plugins()
    at = f" at {place}" if place else ""
    if name not in found:
        hint = nearest(name, found) or "`qapla plugins --installed` lists them"
        raise PluginError(f"no plugin called {name!r} is installed, asked for{at}", hint=hint)
    entry = found[name]
    try:
        plugin = entry.load()()
    except Exception as error:
        raise PluginError(f"plugin {name!r}{at} cannot be made from {entry.value!r}: {error}", hint=needed_extra(entry, error)) from error
    if not isinstance(plugin, Plugin):
        raise PluginError(f"plugin {name!r}{at} is {entry.value!r}, which is no plugin", hint="a subclass of qapla.plugin.Plugin")
    return plugin


def needed_extra(entry: EntryPoint, error: Exception) -> str | None:
    """Return how to install what the plugin lacks, where its entry point names an extra: ``module:Class [redis]``."""
    if isinstance(error, ImportError) and entry.extras and entry.dist is not None:
        return f"pip install '{entry.dist.name}[{','.join(entry.extras)}]'"
    return None
