"""Which plugins an application is made of, in order, each with the line that declared it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from qapla.errors import PluginError, nearest
from qapla.plugin import Plugin

if TYPE_CHECKING:
    from collections.abc import Iterator

MACHINERY = ("qapla", "pyramid")


class Declared(NamedTuple):
    """One plugin and where it was declared, ``file:line``."""

    plugin: Plugin
    place: str


class Declarations:
    """The declared plugins by key."""

    def __init__(self) -> None:
        self._by_key: dict[str, Declared] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._by_key

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[str]:
        """Yield the keys in the order in which their plugins are declared."""
        return iter(list(self._by_key))

    def __getitem__(self, key: str) -> Declared:
        """Return the plugin declared as *key*.

        Raises:
            PluginError: there is none.
        """
        try:
            return self._by_key[key]
        except KeyError:
            hint = nearest(key, self._by_key) or f"declared are {', '.join(map(repr, self._by_key)) or 'none'}"
            raise PluginError(f"no plugin is called {key!r}", hint=hint) from None

    def find(self, key: str) -> Declared | None:
        """Return the plugin declared as *key*, or None."""
        return self._by_key.get(key)

    def add(self, plugin: Plugin, place: str) -> None:
        """Declare *plugin*; what it requires is looked at by ``check``, when all are known.

        Raises:
            PluginError: it is none, has no key, or one that is taken.
        """
        if not isinstance(plugin, Plugin):
            hint = "pass an instance, not the class" if isinstance(plugin, type) else "a subclass of qapla.plugin.Plugin"
            raise PluginError(f"{plugin!r} at {place} is no plugin", hint=hint)
        if not plugin.key:
            raise PluginError(f"plugin {type(plugin).__name__!r} at {place} has no key", hint="set the class attribute 'key'")
        if plugin.key in self._by_key:
            before = self._by_key[plugin.key].place
            raise PluginError(f"plugin {plugin.key!r} at {place} is declared a second time", hint=f"the first time was at {before}")
        self._by_key[plugin.key] = Declared(plugin, place)

    def check(self) -> None:
        """Check that every plugin comes after those that it requires.

        Raises:
            PluginError: one is missing, or declared later.
        """
        before: set[str] = set()
        for key, (plugin, place) in self._by_key.items():
            for needed in plugin.requires:
                if needed not in before:
                    raise self._missing(key, place, needed)
            before.add(key)

    def _missing(self, key: str, place: str, needed: str) -> PluginError:
        later = self._by_key.get(needed)
        if later is not None:
            problem = f"needs {needed!r}, which is declared later, at {later.place}"
            return PluginError(f"plugin {key!r} at {place} {problem}", hint=f"declare {needed!r} before {key!r}")
        near = nearest(needed, [known for known in self._by_key if known != key])
        hint = f"declare {needed!r} before {key!r}{f'; {near}' if near else ''}"
        return PluginError(f"plugin {key!r} at {place} needs {needed!r}, and no plugin of that key is declared", hint=hint)

    def with_required(self, keys: set[str]) -> set[str]:
        """Return *keys* and those of all plugins that they require, and so on."""
        found: set[str] = set()
        left = list(keys)
        while left:
            key = left.pop()
            if key not in found:
                found.add(key)
                left += self[key].plugin.requires
        return found


def find_place() -> str:
    """Return ``file:line`` of the nearest caller outside the framework and Pyramid."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in MACHINERY:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
