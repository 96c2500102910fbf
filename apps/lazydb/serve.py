"""How ``lazydb serve`` serves: the framework's server, with lazydb's settings, its log and its secrets."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from qapla import serving as framework

if TYPE_CHECKING:
    from collections.abc import Callable

SECRETS = ("LAZYDB_SECRET_KEY", "LAZYDB_ADMIN_PASSWORD", "LAZYDB_DATABASE_URL", "LAZYDB_BROKER_URL", "LAZYDB_METRICS_TOKEN")


@dataclass(frozen=True, kw_only=True)
class Serving(framework.Address):
    """How to serve."""

    port: int = 6543
    workers: int = 1
    trusted_proxies: tuple[str, ...] = ()
    log_level: str = "info"
    log_json: bool = False
    root: str | None = None  # the database that is served at / as well

    @property
    def settings(self) -> dict[str, Any]:
        """Return it as settings of the application."""
        return {
            "lazydb:host": self.host,
            "web:trusted_proxies": self.trusted_proxies,
            "web:root_path": self.root_path,
            "logging:level": self.log_level,
            "logging:json": self.log_json,
            "lazydb:root": self.root,
        }


def serve(serving: Serving, announce: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGTERM or SIGINT; *announce* is called once, when the first answer came.

    Raises:
        ConfigurationError: the port is taken, or the address is not one of this machine.
    """
    _share_metrics(serving)
    framework.serve(
        framework.Serving(
            "lazydb.application:main",
            serving.workers,
            serving.settings,
            secrets=(*SECRETS, *(name for name in os.environ if name.startswith("PGRST_"))),
            configure_log=partial(configure_log, serving.log_level, serving.log_json),
            host=serving.host,
            port=serving.port,
            root_path=serving.root_path,
        ),
        announce,
    )


def configure_log(level: str, as_json: bool) -> None:
    """Have one log for everything, from the first line on."""
    from qapla.plugins.logging.plugin import configure

    configure(level, as_json)


def _share_metrics(serving: Serving) -> None:
    """Let several workers answer for their metrics together, by files in a folder that is gone afterwards."""
    if os.environ.get("LAZYDB_METRICS") == "1" and serving.workers > 1:
        folder = tempfile.mkdtemp(prefix="lazydb-metrics-")
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
