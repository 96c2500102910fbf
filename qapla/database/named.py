"""Databases that have a name on this machine: those that an installed package knows, as lazydb knows what is registered with it.

A package offers them by an entry point of the group ``qapla.databases``, a function that takes a name and returns a ``Named``, or raises
``NotFound``::

    [project.entry-points."qapla.databases"]
    lazydb = "lazydb.named:find_registered"

So ``Postgresql("shop")`` opens what lazydb calls ``shop``, with the password that it keeps, and no program has to have one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from qapla.errors import NotFound

if TYPE_CHECKING:
    from qapla.database.spec import ConnectionSpec

GROUP = "qapla.databases"
KEPT_S = 5.0  # what was found is not asked for again so soon: many partitions are read one after the other

_kept: dict[tuple[str, str], tuple[float, Named]] = {}


@dataclass(frozen=True, slots=True)
class Named:
    """A database that was found by its name. Its account is for reading only unless ``is_writable`` says otherwise."""

    source: str  # the name of the entry point
    name: str
    spec: ConnectionSpec
    is_writable: bool = False


def find_named(name: str, source: str | None = None) -> Named:
    """Return the database called *name*.

    Args:
        source: the only entry point that is asked; by default all that are installed are, until one knows it.

    Raises:
        NotFound: nobody knows it. Unavailable: whoever could know it cannot be asked.
    """
    entries = [entry for entry in sorted(entry_points(group=GROUP)) if source in (None, entry.name)]
    if not entries:
        hint = "give a URL; lazydb, which knows names, is not installed"
        raise NotFound(f"no database is called {name!r}", hint=hint)
    missing: NotFound | None = None
    for entry in entries:
        kept = _kept.get((entry.name, name))
        if kept is not None and time.monotonic() - kept[0] < KEPT_S:
            return kept[1]
        try:
            found: Named = entry.load()(name)
        except NotFound as error:
            missing = missing or error
            continue
        _kept[entry.name, name] = (time.monotonic(), found)
        return found
    assert missing is not None
    raise missing
