"""Tests of lazydb touch nothing of the person who runs them: another home, another registry, no broker."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from morfdict import Paths

    from qapla.settings import Settings


def make_settings(settings: Settings, paths: Paths) -> None:
    """Replace what would reach outside of the test run."""
    from lazydb.settings.default import registry_url

    home = str(Path(tempfile.gettempdir()) / f"lazydb-tests-{os.getpid()}")
    paths.set("home", home)
    settings["lazydb:home"] = home
    settings["db:main:url"] = registry_url(home)
    settings["celery:broker_url"] = None
