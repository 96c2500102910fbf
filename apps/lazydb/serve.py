"""Serve lazydb with Granian: one main process that listens and watches, and workers that answer on threads.

Granian because it parses HTTP outside of Python's lock: under the same application it costs a fraction of the CPU of the WSGI servers
written in Python. Nothing else in lazydb knows which server it is; ``lazydb.wsgi:application`` runs under any.
"""

from __future__ import annotations

import atexit
import errno
import ipaddress
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from functools import partial
from multiprocessing import util
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from qapla.errors import ConfigurationError, QaplaError

if TYPE_CHECKING:
    from collections.abc import Callable

GRACE_S = 10  # what a request in flight gets when the server is told to stop
PORT_WAIT_S = 3  # how long a predecessor that was just killed may take to let go of the port
THREADS = 64  # per worker: many more than one slow database can hold up
START_TIMEOUT_S = 60
SECRETS = ("LAZYDB_SECRET_KEY", "LAZYDB_ADMIN_PASSWORD", "LAZYDB_DATABASE_URL", "LAZYDB_BROKER_URL", "LAZYDB_METRICS_TOKEN")


@dataclass(frozen=True)
class Serving:
    """How to serve."""

    host: str = "127.0.0.1"
    port: int = 6543
    workers: int = 1
    trusted_proxies: tuple[str, ...] = ()
    root_path: str = ""
    log_level: str = "info"
    log_json: bool = False

    @property
    def is_local(self) -> bool:
        """Tell whether only this machine can reach the server."""
        return is_loopback(self.host)

    @property
    def settings(self) -> dict[str, Any]:
        """Return it as settings of the application."""
        return {
            "lazydb:host": self.host,
            "web:trusted_proxies": self.trusted_proxies,
            "web:root_path": self.root_path,
            "logging:level": self.log_level,
            "logging:json": self.log_json,
        }

    @property
    def url(self) -> str:
        """Return the address to open in a browser on this machine, ending in a slash."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, f"[{self.host}]" if ":" in self.host else self.host)  # noqa: S104
        return f"http://{host}:{self.port}{self.root_path.rstrip('/')}/"


def serve(serving: Serving, announce: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGTERM or SIGINT; *announce* is called once, when the first answer came.

    Raises:
        ConfigurationError: the port is taken, or the address is not one of this machine.
    """
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    check_port(serving.host, serving.port)
    server = Granian(
        "lazydb.wsgi:application",
        address=serving.host,
        port=serving.port,
        interface=Interfaces.WSGI,
        workers=serving.workers,
        blocking_threads=THREADS,
        backpressure=4 * THREADS,
        workers_kill_timeout=GRACE_S,
        respawn_failed_workers=True,
        log_level=LogLevels.warning,
        log_dictconfig={"version": 1, "disable_existing_loggers": False},
    )
    _configure_logging(serving)
    _share_metrics(serving)
    server.on_startup(lambda: threading.Thread(target=_announce, args=(serving, announce), daemon=True).start())
    server.serve(target_loader=partial(load, serving, os.getpid()), wrap_loader=False)


def load(serving: Serving, parent: int) -> Callable[..., Any]:
    """Make the application, in a worker."""
    from lazydb.application import main

    _configure_logging(serving)
    _end_with(parent)
    try:
        application = main.run_uwsgi(serving.settings)
    except QaplaError as error:
        import logging

        logging.getLogger(__name__).critical("%s", error)
        sys.exit(1)
    for name in SECRETS:
        os.environ.pop(name, None)  # the server hands the environment on with every request; the settings have been read
    util.Finalize(None, main.stop, exitpriority=10)  # atexit does not run in a worker
    return application


def is_loopback(host: str) -> bool:
    """Tell whether *host* is reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_port(host: str, port: int) -> None:
    """Find out whether *port* can be listened on.

    Workers share the port (SO_REUSEPORT), so that a second server would start without a word and take half of the requests.

    Raises:
        ConfigurationError: it is taken or not allowed, or *host* is not an address of this machine.
    """
    deadline = time.monotonic() + PORT_WAIT_S
    while True:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
                probe.listen(1)
            return
        except socket.gaierror:
            raise ConfigurationError(f"host {host!r} is not an address of this machine", hint="try --host 127.0.0.1") from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < deadline and not _answers(host, port):
                time.sleep(0.2)
                continue
            raise _port_error(host, port, error) from None


def _answers(host: str, port: int) -> bool:
    """Tell whether somebody accepts connections there; who is only shutting down does not."""
    try:
        socket.create_connection((host, port), timeout=0.5).close()
    except OSError:
        return False
    return True


def _port_error(host: str, port: int, error: OSError) -> ConfigurationError:
    if error.errno == errno.EADDRINUSE:
        return ConfigurationError(f"port {port} is in use", hint=f"is lazydb running already? else take another one: --port {port + 1}")
    if error.errno == errno.EACCES:
        return ConfigurationError(f"port {port} may not be used by this account", hint="take one above 1023: --port 6543")
    if error.errno == errno.EADDRNOTAVAIL:
        return ConfigurationError(f"host {host!r} is not an address of this machine", hint="try --host 127.0.0.1")
    return ConfigurationError(f"port {port} of {host!r} cannot be listened on: {error.strerror}")


def _configure_logging(serving: Serving) -> None:
    """Have one log for everything, from the first line on; what the server says about its normal work is left out."""
    import logging

    from qapla.plugins.logging.plugin import configure

    configure(serving.log_level, serving.log_json)
    chatter = logging.getLogger("_granian")
    chatter.handlers.clear()
    chatter.propagate = True
    chatter.setLevel(logging.ERROR)


def _share_metrics(serving: Serving) -> None:
    """Let several workers answer for their metrics together, by files in a folder that is gone afterwards."""
    if os.environ.get("LAZYDB_METRICS") == "1" and serving.workers > 1:
        folder = tempfile.mkdtemp(prefix="lazydb-metrics-")
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


def _end_with(parent: int) -> None:
    """End this worker when the main process is gone, also by ``kill -9``: else it would keep the port, and the next start would fail."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_S)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _announce(serving: Serving, announce: Callable[[], None]) -> None:
    """Call *announce* when the server answers."""
    open_url = build_opener(ProxyHandler({})).open  # never by way of a proxy
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            with open_url(f"{serving.url}healthz", timeout=2):
                announce()
                return
        except (URLError, OSError):
            time.sleep(0.05)
