"""Serve an application with Granian: one main process that listens and watches, and workers that answer on threads.

Granian because it parses HTTP outside of Python's lock: under the same application it costs a fraction of the CPU of the WSGI servers
written in Python. Nothing else knows which server it is; an application runs under any.

``qapla serve`` is made of this, and so is a command of your own::

    serve(Serving("rotarran:main", port=8000, settings={"web:root_path": "/shop"}), announce=lambda: print("ready"))
"""

from __future__ import annotations

import errno
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qapla.errors import ConfigurationError, QaplaError
from qapla.gate import is_loopback
from qapla.ports import PROVISIONAL
from qapla.settings import ENVIRONMENT_PREFIX

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

log = logging.getLogger(__name__)

GRACE_S = 10  # what a request in flight gets when the server is told to stop
PORT_WAIT_S = 3  # how long a predecessor that was just killed may take to let go of the port
THREADS = 64  # per worker: many more than one slow database can hold up
START_TIMEOUT_S = 60
SOURCES = (".cfg", ".ini", ".jinja2", ".mako", ".pt", ".toml", ".yaml", ".yml")  # which files besides Python's make a server start again


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where something is served."""

    host: str = "127.0.0.1"
    port: int = 8000
    root_path: str = ""

    @property
    def is_local(self) -> bool:
        """Tell whether only this machine can reach the server."""
        return is_loopback(self.host)

    @property
    def url(self) -> str:
        """Return the address to open in a browser on this machine, ending in a slash."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, f"[{self.host}]" if ":" in self.host else self.host)  # noqa: S104
        return f"http://{host}:{self.port}{self.root_path.rstrip('/')}/"


def configure_log() -> None:
    """Send warnings to standard error until the application says what its log is."""
    handler = logging.StreamHandler()
    handler.set_name(PROVISIONAL)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", handlers=[handler])


@dataclass(frozen=True)
class Serving(Address):
    """What is served, and how.

    Attributes:
        app: the application, ``package.module:attribute``.
        settings: those that win over files.
        secrets: environment variables that workers forget as soon as the settings are read, besides ``QAPLA__…``.
        probe: path that is asked until it is answered, whatever the answer is.
        reload: folders; when a source file in one of them changes, the workers start again.
        configure_log: sets up the log, in the main process and in every worker.
    """

    app: str
    workers: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    probe: str = "healthz"
    reload: tuple[Path, ...] = ()
    configure_log: Callable[[], None] = configure_log


def serve(serving: Serving, announce: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGTERM or SIGINT; *announce* is called once, when the first answer came.

    Raises:
        ConfigurationError: the port is taken, the address is not one of this machine, or there is nothing that watches files.
        SystemExit: the application could not start; why is in the log.
    """
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    check_port(serving.host, serving.port)
    watching = _watching(serving.reload) if serving.reload else {}
    failed = multiprocessing.Value("b", 0)
    server = Granian(
        serving.app,
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
        **watching,
    )
    _configure_log(serving)
    begin = partial(_announce, serving, server, announce)
    server.on_startup(lambda: threading.Thread(target=begin, name="announce", daemon=True).start())
    why_is_told = partial(_is_no_failed_start, failed)
    logging.getLogger("_granian").addFilter(why_is_told)
    try:
        server.serve(target_loader=partial(load, serving, os.getpid(), failed), wrap_loader=False)
    finally:
        logging.getLogger("_granian").removeFilter(why_is_told)
        if failed.value:
            sys.exit(1)


def _is_no_failed_start(failed: Synchronized[int], record: logging.LogRecord) -> bool:
    """Keep the server from telling that a worker exited, when that worker has told why."""
    return not failed.value


def load(serving: Serving, parent: int, failed: Synchronized[int]) -> Callable[..., Any]:
    """Make the application, in a worker. One that cannot start ends the server, unless somebody is working on its files."""
    from qapla.cli import find_application, ignore_old_warnings

    _configure_log(serving)
    ignore_old_warnings()
    _end_with(parent)
    try:
        app = find_application(serving.app)
        wsgi = app.run_uwsgi(serving.settings)
    except Exception as error:
        with failed.get_lock():  # several workers fail of one reason, which is told once
            if not failed.value or serving.reload:
                log.critical("%s", error, exc_info=None if isinstance(error, QaplaError) else error)
            failed.value = not serving.reload
        if not serving.reload:
            os.kill(parent, signal.SIGTERM)
        sys.exit(1)
    # The server hands the environment on with every request; the settings have been read.
    for name in [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX) or name in serving.secrets]:
        os.environ.pop(name)
    util.Finalize(None, app.stop, exitpriority=10)  # atexit does not run in a worker
    return wsgi


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


def source_folders(app: str | None) -> tuple[Path, ...]:
    """Return where the source files of *app*, ``package.module:attribute``, are: its package, and the project's folder where we are."""
    package = sys.modules[(app or "").partition(":")[0].partition(".")[0]]
    found = Path(package.__file__ or ".").resolve().parent
    here = Path.cwd()
    if not (here / "pyproject.toml").exists():
        return (found,)
    return (here,) if found.is_relative_to(here) else (here, found)


def _answers(host: str, port: int) -> bool:
    """Tell whether somebody accepts connections there; who is only shutting down does not."""
    try:
        socket.create_connection((host, port), timeout=0.5).close()
    except OSError:
        return False
    return True


def _port_error(host: str, port: int, error: OSError) -> ConfigurationError:
    if error.errno == errno.EADDRINUSE:
        return ConfigurationError(f"port {port} is in use", hint=f"is it served already? else take another one: --port {port + 1}")
    if error.errno == errno.EACCES:
        return ConfigurationError(f"port {port} may not be used by this account", hint="take one above 1023: --port 8000")
    if error.errno == errno.EADDRNOTAVAIL:
        return ConfigurationError(f"host {host!r} is not an address of this machine", hint="try --host 127.0.0.1")
    return ConfigurationError(f"port {port} of {host!r} cannot be listened on: {error.strerror}")


def _watching(folders: tuple[Path, ...]) -> dict[str, Any]:
    """Return the server's options for starting again when a source file changes; a database beside it changes all the time.

    Raises:
        ConfigurationError: there is nothing that watches.
    """
    try:
        import watchfiles
    except ImportError:
        raise ConfigurationError("'watchfiles' is not installed, which watches source files", hint="pip install 'qapla[reload]'") from None

    class Sources(watchfiles.PythonFilter):
        def __init__(self) -> None:
            super().__init__(extra_extensions=SOURCES)

    # Workers that are forked would have the old modules.
    multiprocessing.set_start_method("spawn", force=True)
    return {"reload": True, "reload_paths": list(folders), "reload_filter": Sources, "reload_ignore_worker_failure": True}


def _configure_log(serving: Serving) -> None:
    """Have one log for everything, from the first line on; what the server says about its normal work is left out."""
    serving.configure_log()
    chatter = logging.getLogger("_granian")
    chatter.handlers.clear()
    chatter.propagate = True
    chatter.setLevel(logging.ERROR)


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


def _announce(serving: Serving, server: Any, announce: Callable[[], None]) -> None:
    """Call *announce* when the server answers."""
    deadline = time.monotonic() + START_TIMEOUT_S
    # A worker that is forked while this thread imports something would wait for the import's lock for ever.
    while len(server.wrks) < serving.workers:
        if time.monotonic() > deadline:
            return
        time.sleep(0.02)
    from urllib.error import HTTPError, URLError
    from urllib.request import ProxyHandler, build_opener

    open_url = build_opener(ProxyHandler({})).open  # never by way of a proxy
    while time.monotonic() < deadline:
        try:
            open_url(f"{serving.url}{serving.probe}", timeout=2).close()
        except HTTPError as answer:
            answer.close()
        except (URLError, OSError):
            time.sleep(0.05)
            continue
        announce()
        return
