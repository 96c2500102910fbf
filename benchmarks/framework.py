"""What an application of ours costs beside the same in bare Pyramid: CPU time of one process, in one run.

Run: ``python benchmarks/framework.py [--requests 2000] [--rounds 15] [--starts 9]``. Requests go straight to the WSGI callables, without a
server; rounds of both sides alternate, and a ratio is the median of the rounds' ratios. The SELECT is on PostgreSQL, with one pool of
connections of the same options on either side.

    an empty view       through ``DatabaseApplication``, of bare Pyramid                                 at most 1.15
    one SELECT          by ``request.main``, of a sessionmaker made by hand in bare Pyramid              at most 1.10
    a command's start   ``run_command`` with one database, of importing Pyramid and SQLAlchemy           at most 1.50
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from pyramid.config import Configurator
from pyramid.response import Response
from sqlalchemy import create_engine, text
from sqlalchemy.orm import sessionmaker

from qapla.database.application import DatabaseApplication
from qapla.database.database import Database
from qapla.testing.servers import make_database, outside_pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pyramid.request import Request
    from sqlalchemy import URL, Engine

    Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

SELECT = text("SELECT 42")
IMPORTS = "from pyramid.config import Configurator; import sqlalchemy"
START = """
from qapla.database.application import DatabaseApplication
from qapla.database.database import Database

class Main(DatabaseApplication):
    class MetaConfig:
        settings_module = "lazydb.settings"

    def append_app_plugins(self):
        self.add_database_app([Database("main", "migrations")])

Main().run_command({"db:main:url": "postgresql://user@localhost/main"})
"""


@dataclass(frozen=True)
class Compared:
    """One thing measured on both sides, in microseconds of CPU."""

    name: str
    ours_us: float
    other_us: float
    ratio: float
    most: float

    def __str__(self) -> str:
        verdict = "" if self.ratio <= self.most else "  TOO MUCH"
        return f"{self.name:20} {self.ours_us:10.1f} µs {self.other_us:10.1f} µs {self.ratio:6.2f} (at most {self.most:.2f}){verdict}"


class Main(DatabaseApplication):
    """An application with one database and two views."""

    class MetaConfig:
        """Where the settings are; those that matter here are passed to the start."""

        settings_module = "lazydb.settings"

    def append_app_plugins(self) -> None:
        """Declare the database."""
        self.add_database_app([Database("main")])

    def append_web_plugins(self) -> None:
        """Add the views."""
        self.add_database_web()
        add_views(self.config, lambda request: Response(str(request.main.scalar(SELECT))))


def add_views(config: Configurator, select: Callable[[Request], Response]) -> None:
    """Add the empty view and the one with a SELECT, in the same way for both sides."""
    for name, view in (("empty", lambda request: Response("42")), ("select", select)):
        config.add_route(name, f"/{name}")
        config.add_view(view, route_name=name)


def make_bare(engine: Engine) -> Wsgi:
    """Make the other side: Pyramid, and a sessionmaker."""
    make_session = sessionmaker(engine)

    def select(request: Request) -> Response:
        with make_session() as session:
            return Response(str(session.scalar(SELECT)))

    config = Configurator()
    add_views(config, select)
    return config.make_wsgi_app()


def measure(wsgi: Wsgi, path: str, requests: int) -> float:
    """Return the CPU of one request, in microseconds."""
    started = time.process_time_ns()
    for _ in range(requests):
        environ = {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost:80",
            "HTTP_ACCEPT": "*/*",
            "wsgi.url_scheme": "http",
        }
        body = wsgi(environ, ignore)
        if b"".join(body) != b"42":
            raise SystemExit(f"{path} answered something else")
        close = getattr(body, "close", None)
        if close is not None:
            close()
    return (time.process_time_ns() - started) / requests / 1000


def ignore(status: str, headers: list[tuple[str, str]], error: Any = None) -> None:
    """Take the head of an answer as a server does."""
    if not status.startswith("200"):
        raise SystemExit(f"answered {status}")


def measure_start(code: str) -> float:
    """Return the CPU of a new interpreter that runs *code*, in microseconds."""
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code])
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"this failed:\n{code}")
    return (used.ru_utime + used.ru_stime) * 1e6


def compare(name: str, ours: Callable[[], float], other: Callable[[], float], rounds: int, most: float) -> Compared:
    """Measure both sides in turn."""
    ours(), other()  # caches are full, lazy imports done
    pairs = [(ours(), other()) for _ in range(rounds)]
    ratio = median(mine / theirs for mine, theirs in pairs)
    return Compared(name, median(mine for mine, _ in pairs), median(theirs for _, theirs in pairs), ratio, most)


def run(url: URL, requests: int, rounds: int, starts: int) -> list[Compared]:
    """Compare everything."""
    app = Main()
    ours = app.run_uwsgi({"db:main:url": url.render_as_string(hide_password=False)})
    engine = create_engine(url, pool_pre_ping=True)
    bare = make_bare(engine)
    try:
        return [
            compare("an empty view", lambda: measure(ours, "/empty", requests), lambda: measure(bare, "/empty", requests), rounds, 1.15),
            compare("one SELECT", lambda: measure(ours, "/select", requests), lambda: measure(bare, "/select", requests), rounds, 1.10),
            compare("a command's start", lambda: measure_start(START), lambda: measure_start(IMPORTS), starts, 1.50),
        ]
    finally:
        app.stop()
        engine.dispose()


def main() -> int:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=2000, help="requests of one round")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--starts", type=int, default=9, help="how often a process is started on either side")
    options = parser.parse_args()
    with outside_pytest(), make_database("postgresql") as url:
        found = run(url.set(drivername="postgresql+psycopg"), options.requests, options.rounds, options.starts)
    print(f"{'CPU of':20} {'with qapla':>13} {'without':>13}  ratio")
    for one in found:
        print(one)
    return int(any(one.ratio > one.most for one in found))


if __name__ == "__main__":
    sys.exit(main())
