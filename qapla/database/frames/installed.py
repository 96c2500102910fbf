"""Libraries that only frames need: imported when one is asked for, told by name when it is missing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from qapla.errors import ConfigurationError

if TYPE_CHECKING:
    from types import ModuleType

EXTRAS = {"polars": "polars"}  # all others come with "frames"


def get_library(name: str) -> ModuleType:
    """Return the module *name*.

    Raises:
        ConfigurationError: it, or a library that it needs, is not installed; the hint names the extra.
    """
    try:
        return import_module(name)
    except ImportError as error:
        missing = (error.name or name).partition(".")[0]
        if missing == "qapla":
            raise
        hint = f"pip install 'qapla[{EXTRAS.get(missing, 'frames')}]'"
        raise ConfigurationError(f"frames need the library {missing!r}, which is not installed", hint=hint) from error
