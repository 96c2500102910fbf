"""Which application the folder is about where somebody stands: ``[tool.qapla] app`` in its ``pyproject.toml``."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from qapla.errors import ConfigurationError

EXPECTED = '[tool.qapla] app = "package.module:attribute"'


def find_app_name(folder: Path | None = None) -> str | None:
    """Return the application that ``pyproject.toml`` in *folder* (or where we are) names, ``package.module:attribute``; None without one.

    Raises:
        ConfigurationError: the file cannot be read, or names something else.
    """
    file = (folder or Path.cwd()) / "pyproject.toml"
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("qapla", {}).get("app")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigurationError(f"{str(file)!r} cannot be read: {error}", hint=EXPECTED) from error
    if said is not None and not isinstance(said, str):
        raise ConfigurationError(f"{str(file)!r} names an application that is not text", hint=EXPECTED)
    return said


def look_here() -> None:
    """Let Python find packages in the folder where somebody stands, as ``python -m`` does: an application need not be installed."""
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
