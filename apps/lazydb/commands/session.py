"""What commands work in: lazydb without the web, its registry brought up to date."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lazydb.application import LazydbApplication


@contextmanager
def open_lazydb(start_point: str = "command", settings: Mapping[str, Any] | None = None) -> Iterator[LazydbApplication]:
    """Start lazydb for one command, with *settings* that win over those in files, and stop it afterwards.

    Raises:
        ConfigurationError: the registry was written by a newer release.
        Unavailable: the registry cannot be reached.
    """
    from lazydb.application import LazydbApplication

    app = LazydbApplication()
    getattr(app, f"run_{start_point}")(settings)
    try:
        yield app
    finally:
        app.stop()
