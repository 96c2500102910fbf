"""Ten thousand requests over four databases, in threads and forks: as many connections at the end as at the start.

    python benchmarks/four_databases.py [--requests 10000]

Two databases of PostgreSQL, one of MariaDB and one of SQLite; two processes that are forked while their parent has connections, with four
threads each. Requests read all four; some commit, some fail, some are streamed and left by the client, some make a subrequest.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
import traceback
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pyramid.response import Response
from sqlalchemy import NullPool, create_engine, text

from qapla.database.application import DatabaseApplication
from qapla.database.database import Database
from qapla.scope import find_current
from qapla.testing import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

NAMES = ("first", "second", "third", "fourth")
ENGINES = ("postgresql", "postgresql", "mariadb", "sqlite")
PROCESSES, THREADS = 2, 4
REST_WITHIN_S = 10
ENDINGS = ("reads", "commits", "fails", "streams", "subrequest")
CONNECTIONS = {
    "postgresql": "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'",
    "mariadb": "SELECT count(*) - 1 FROM information_schema.processlist WHERE db = database()",
}


@dataclass(frozen=True)
class Soaking:
    """What was measured: connections per database, at the servers; of a file, handles of the parent."""

    requests: int
    seconds: float
    failed_processes: int
    before: dict[str, int]
    after: dict[str, int]
    stopped: dict[str, int]  # when the application has


class Soaked(DatabaseApplication):
    """Four databases on three engines, and a view for each way in which a request may end."""

    class MetaConfig:
        settings_module = "lazydb.settings"

    def append_app_plugins(self) -> None:
        """Declare the databases."""
        self.add_database_app([Database(name) for name in NAMES])

    def append_web_plugins(self) -> None:
        """Declare the views."""
        self.add_database_web()
        for view in (reads, commits, fails, streams, subrequest):
            self.config.add_route(view.__name__, f"/{view.__name__}")
            self.config.add_view(view, route_name=view.__name__)


def ask(request: Any) -> int:
    """Ask each of the four."""
    return sum(getattr(request, name).scalar(text("SELECT max(value) FROM number")) for name in NAMES)


def reads(request: Any) -> Response:
    """Read."""
    return Response(str(ask(request)))


def commits(request: Any) -> Response:
    """Write to one, and read the others."""
    request.second.execute(text("INSERT INTO number VALUES (-1)"))
    request.second.commit()
    return Response(str(ask(request)))


def fails(request: Any) -> Response:
    """Write to one, and fail."""
    request.third.execute(text("INSERT INTO number VALUES (100)"))
    ask(request)
    raise KeyError("on purpose")


def streams(request: Any) -> Response:
    """Read while the answer is sent; nobody stays until its end."""

    def body() -> Iterator[bytes]:
        for _ in range(10):
            yield str(ask(request)).encode()

    return Response(app_iter=body())


def subrequest(request: Any) -> Response:
    """Read in two requests, one in the other."""
    ask(request)
    return request.invoke_subrequest(type(request).blank("/reads"))


@contextmanager
def make_databases() -> Iterator[dict[str, URL]]:
    """Yield the URLs of four databases, each with one number."""
    with ExitStack() as stack:
        urls = {name: stack.enter_context(servers.make_database(engine)) for name, engine in zip(NAMES, ENGINES, strict=True)}
        for url in urls.values():
            engine = create_engine(url, poolclass=NullPool)
            with engine.begin() as connection:
                connection.execute(text("CREATE TABLE number (value INTEGER)"))
                connection.execute(text("INSERT INTO number VALUES (1)"))
        yield urls


def count_connections(urls: dict[str, URL]) -> dict[str, int]:
    """Return how many connections each server has to its database; of a file, how many handles this process has."""
    found: dict[str, int] = {}
    for (name, url), engine_name in zip(urls.items(), ENGINES, strict=True):
        if engine_name == "sqlite":
            found[name] = [read_link(handle) for handle in os.listdir("/proc/self/fd")].count(url.database)
            continue
        engine = create_engine(url, poolclass=NullPool)
        with engine.connect() as connection:
            found[name] = connection.exec_driver_sql(CONNECTIONS[engine_name]).scalar_one()
    return found


def count_at_rest(urls: dict[str, URL], expected: int) -> dict[str, int]:
    """Return the same when each is *expected*, or after a while: servers notice by themselves that a connection was closed."""
    deadline = time.monotonic() + REST_WITHIN_S
    while (found := count_connections(urls)) != dict.fromkeys(urls, expected) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def read_link(handle: str) -> str | None:
    """Return what it is a handle of; None for that of the listing itself, which is gone."""
    with suppress(FileNotFoundError):
        return os.readlink(f"/proc/self/fd/{handle}")
    return None


def get(wsgi: Any, path: str) -> str:
    """Make one request as a server does; leave a streamed answer after its first chunk."""
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "SERVER_NAME": "x", "SERVER_PORT": "80", "wsgi.url_scheme": "http"}
    try:
        body = wsgi(environ, lambda *answer: None)
    except KeyError:
        return "failed"
    try:
        return next(iter(body)).decode()
    finally:
        if hasattr(body, "close"):
            body.close()


def be_busy(app: Soaked, wsgi: Any, rounds: int) -> list[Any]:
    """Make this process's share of the requests in its threads; return what was not as it should be."""
    wrong: list[Any] = []

    def work() -> None:
        for _ in range(rounds):
            for ending in ENDINGS:
                try:
                    answer = get(wsgi, f"/{ending}")
                except Exception:
                    answer = traceback.format_exc()
                if answer != ("failed" if ending == "fails" else "4") or find_current() is not None:
                    wrong.append((ending, answer))

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lent = [engine.pool.checkedout() for database in app["database"] for engine in database.opened_engines]
    return wrong if lent == [0] * len(NAMES) else [*wrong, lent]


def soak(requests: int) -> Soaking:
    """Make about so many requests in forked processes; return what they left behind."""
    rounds = max(1, requests // (PROCESSES * THREADS * len(ENDINGS)))
    with make_databases() as urls:
        app = Soaked()
        wsgi = app.run_uwsgi({f"db:{name}:url": url.render_as_string(hide_password=False) for name, url in urls.items()})
        get(wsgi, "/reads")
        before, begin = count_at_rest(urls, 1), time.monotonic()
        children = [fork(app, wsgi, rounds) for _ in range(PROCESSES)]
        failed = sum(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0 for pid in children)
        seconds = time.monotonic() - begin
        get(wsgi, "/reads")  # the connections of the parent still work
        after = count_at_rest(urls, 1)
        app.stop()
        return Soaking(rounds * PROCESSES * THREADS * len(ENDINGS), round(seconds, 1), failed, before, after, count_at_rest(urls, 0))


def fork(app: Soaked, wsgi: Any, rounds: int) -> int:
    """Do it in another process, which ends with 0 when all was as it should be; return its id."""
    pid = os.fork()
    if pid == 0:
        wrong: list[Any] = ["it was not done"]
        try:
            wrong = be_busy(app, wsgi, rounds)
            app.stop()
        finally:
            print(*wrong[:3], sep="\n", end="", flush=True)
            os._exit(bool(wrong))
    return pid


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    given = parser.parse_args()
    with servers.outside_pytest():
        print(json.dumps(asdict(soak(given.requests)), indent=2))


if __name__ == "__main__":
    main()
