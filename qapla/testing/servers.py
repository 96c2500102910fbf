"""Real PostgreSQL, MariaDB, Redis and Chromium for tests; a pytest plugin (``-p qapla.testing.servers``).

A server starts when the first test asks for it, once per run whatever the number of xdist workers, and stops with the run. Servers
that are named in the environment are used as they are and left alone::

    QAPLA_TEST_POSTGRESQL_URL=postgresql://postgres@127.0.0.1:5432/postgres    a superuser
    QAPLA_TEST_MARIADB_URL=mysql://root@127.0.0.1:3306/                        all rights
    QAPLA_TEST_REDIS_URL=redis://127.0.0.1:6379/0
    QAPLA_TEST_CHROMIUM=/usr/bin/chromium

What is not installed is installed by apt-get when the run is root's, else the tests that need it are skipped, and the run ends with
the list of what was skipped, why, and how to get it. With ``CI=true`` nothing may be skipped.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import sqlite3
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from qapla.testing.packages import CHROMIUM_NAMES, Missing, get_program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

ENGINE_NAMES = ("sqlite", "postgresql", "mariadb")
RUN_FOLDER = "QAPLA_TEST_RUN"  # tells xdist's workers where the run keeps its servers
STOP_TIMEOUT_S = 15


def get_server_url(name: str) -> str:
    """Return the URL of the server called *name* ("postgresql", "mariadb" or "redis"), started now if nobody did before.

    Skips the calling test when there is none to be had; fails it with ``CI=true``.
    """
    url = os.environ.get(f"QAPLA_TEST_{name.upper()}_URL")
    return url or _once(name)


@contextmanager
def make_database(engine_name: str) -> Iterator[URL]:
    """Make an empty database, yield its SQLAlchemy URL, drop it afterwards, whoever is still connected."""
    if engine_name == "sqlite":
        with tempfile.TemporaryDirectory(prefix="qapla-") as folder:
            yield _sqlite_url(_make_sqlite(Path(folder) / "fresh.sqlite"))
        return
    url, name = _server(engine_name), f"qapla_{secrets.token_hex(6)}"
    _execute(url, *_CREATE[engine_name](name))
    try:
        yield url.set(database=name)
    finally:
        _DROP[engine_name](url, name)


@pytest.fixture(params=ENGINE_NAMES)
def engine_name(request: pytest.FixtureRequest) -> str:
    """Run the test once per engine: "sqlite", "postgresql", "mariadb"."""
    return str(request.param)


@pytest.fixture
def fresh_database(engine_name: str) -> Iterator[URL]:
    """Give the test an empty database of its own on each engine."""
    with make_database(engine_name) as url:
        yield url


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    """Give the test an empty SQLite file."""
    return _make_sqlite(tmp_path / "fresh.sqlite")


@pytest.fixture(scope="session")
def postgresql_url() -> str:
    """Return the URL of the PostgreSQL server, as its superuser."""
    return get_server_url("postgresql")


@pytest.fixture(scope="session")
def mariadb_url() -> str:
    """Return the URL of the MariaDB server, with all rights."""
    return get_server_url("mariadb")


@pytest.fixture(scope="session")
def redis_url() -> str:
    """Return the URL of the Redis server."""
    return get_server_url("redis")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of the browser."""
    named = os.environ.get("QAPLA_TEST_CHROMIUM")
    if named:
        return named
    with _lock("chromium"):
        try:
            return get_program("chromium", *CHROMIUM_NAMES)
        except Missing as error:
            _give_up(str(error))


# -- the run ------------------------------------------------------------------


@contextmanager
def outside_pytest() -> Iterator[None]:
    """Let a benchmark use servers: what starts inside stops at the end."""
    _open_run()
    try:
        yield
    finally:
        _close_run()


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder of this run, unless an outer run or xdist's controller did."""
    _open_run()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what this run started and remove its folder."""
    _close_run()


def _open_run() -> None:
    if RUN_FOLDER not in os.environ:
        folder = Path(tempfile.mkdtemp(prefix="qapla-test-"))
        folder.chmod(0o755)  # the servers run as other users
        (folder / "owner").write_text(str(os.getpid()))
        os.environ[RUN_FOLDER] = str(folder)


def _close_run() -> None:
    folder = Path(os.environ.get(RUN_FOLDER, os.devnull))
    if not folder.is_dir() or (folder / "owner").read_text() != str(os.getpid()):
        return
    del os.environ[RUN_FOLDER]
    keepers = list(folder.glob("*.pid"))
    for keeper in keepers:
        with suppress(OSError, ValueError):
            os.kill(int(keeper.read_text()), signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while any(keeper.exists() for keeper in keepers) and time.monotonic() < deadline:
        time.sleep(0.02)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With ``CI=true`` make a skipped test the failure of the run."""
    if _is_ci() and not hasattr(session.config, "workerinput") and _skipped(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """List what was skipped, why, and how to get it."""
    counts: dict[str, int] = {}
    for reason in _skipped(config):
        counts[reason] = counts.get(reason, 0) + 1
    if counts:
        terminalreporter.section("skipped" + (": not allowed with CI=true" if _is_ci() else ""), sep="-")
        for reason, count in sorted(counts.items()):
            terminalreporter.line(f"{count:>5} × {reason}")


def _skipped(config: pytest.Config) -> list[str]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reports = reporter.stats.get("skipped", []) if reporter else []
    reasons = [report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr for report in reports]
    return [str(reason).removeprefix("Skipped: ") for reason in reasons]


def _is_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


# -- servers, once per run ----------------------------------------------------


def _once(name: str) -> str:
    from qapla.testing import processes

    folder = Path(os.environ[RUN_FOLDER])
    url_file, failure_file = folder / f"{name}.url", folder / f"{name}.failed"
    with _lock(name):
        if not url_file.exists() and not failure_file.exists():
            try:
                start = {"postgresql": processes.start_postgresql, "mariadb": processes.start_mariadb, "redis": processes.start_redis}[name]
                url_file.write_text(start(folder / name, int((folder / "owner").read_text())))
            except (Missing, processes.ServerFailed) as error:
                failure_file.write_text(str(error))
    if failure_file.exists():
        _give_up(f"{failure_file.read_text()}, or name a server in QAPLA_TEST_{name.upper()}_URL")
    return url_file.read_text()


def _give_up(reason: str) -> NoReturn:
    if _is_ci():
        pytest.fail(f"{reason} (CI=true: nothing may be skipped)", pytrace=False)
    pytest.skip(reason)


@contextmanager
def _lock(name: str) -> Iterator[None]:
    from filelock import FileLock

    with FileLock(Path(os.environ[RUN_FOLDER]) / f"{name}.lock"):
        yield


# -- databases ----------------------------------------------------------------


def _make_sqlite(path: Path) -> Path:
    connection = sqlite3.connect(path)
    connection.execute("VACUUM")  # writes the header, so that the file is a database and not just empty
    connection.close()
    return path


def _sqlite_url(path: Path) -> URL:
    from sqlalchemy import URL

    return URL.create("sqlite+pysqlite", database=str(path))


def _server(engine_name: str) -> URL:
    from sqlalchemy import make_url

    from qapla.database.dialects import ENGINES

    return make_url(get_server_url(engine_name)).set(drivername=ENGINES[engine_name].drivername)


def _execute(url: URL, *statements: str) -> None:
    from sqlalchemy import NullPool, create_engine

    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def _drop_mariadb(url: URL, name: str) -> None:
    from sqlalchemy import NullPool, create_engine, text

    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        # A connection left with an open transaction would hold its metadata lock, and DROP would wait for it.
        for (number,) in connection.execute(text("SELECT id FROM information_schema.processlist WHERE db = :name"), {"name": name}).all():
            with suppress(Exception):
                connection.exec_driver_sql(f"KILL {int(number)}")
        connection.exec_driver_sql(f"DROP DATABASE `{name}`")


_CREATE = {
    "postgresql": lambda name: (f'CREATE DATABASE "{name}" TEMPLATE template0',),
    "mariadb": lambda name: (f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4",),
}
_DROP = {
    "postgresql": lambda url, name: _execute(url, f'DROP DATABASE "{name}" WITH (FORCE)'),
    "mariadb": _drop_mariadb,
}
