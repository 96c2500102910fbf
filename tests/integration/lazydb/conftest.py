"""lazydb on a registry of its own, started as a command would start it."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from lazydb.application import LazydbApplication
from qapla.database.spec import ConnectionSpec
from qapla.testing import servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import URL

KEY = "a key for tests of at least 32 characters"


@pytest.fixture
def registry_url(tmp_path: Path) -> str:
    """Return the URL of a registry that is not there yet."""
    return f"sqlite:///{tmp_path}/registry.sqlite"


@pytest.fixture
def start(tmp_path: Path, registry_url: str) -> Iterator[Callable[..., LazydbApplication]]:
    """Give the test a function that starts lazydb on its registry; more than once is several processes."""
    started: list[LazydbApplication] = []

    def start_one(**settings: Any) -> LazydbApplication:
        given = {"db:main:url": registry_url, "lazydb:home": str(tmp_path / "home"), "lazydb:secret_key": KEY}
        application = LazydbApplication().run_tests({**given, **{f"lazydb:{name}": value for name, value in settings.items()}})
        started.append(application)
        return application

    (tmp_path / "home").mkdir()
    yield start_one
    for application in started:
        application.stop()


@pytest.fixture
def app(start: Callable[..., LazydbApplication]) -> LazydbApplication:
    """Give the test one lazydb."""
    return start()


@pytest.fixture
def make_file(tmp_path: Path) -> Callable[..., ConnectionSpec]:
    """Give the test a function that makes a SQLite database with one table and returns its spec."""

    def make(name: str = "shop", table: str = "item") -> ConnectionSpec:
        path = tmp_path / f"{name}.sqlite"
        run_sql(path, f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, name TEXT)")
        return ConnectionSpec("sqlite", path=str(path))

    return make


def run_sql(path: Any, *statements: str) -> None:
    """Run statements on a SQLite file."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def sql() -> Callable[..., None]:
    """Give the test ``run_sql``."""
    return run_sql


@contextmanager
def make_login(password: str) -> Iterator[ConnectionSpec]:
    """Make a MariaDB database with a user that has this password; yield its spec."""
    import pymysql

    with servers.make_database("mariadb") as url:
        name = f"{url.database}"[:60]
        with closing(_connect(pymysql, url)) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLE `{url.database}`.item (id INT PRIMARY KEY, name VARCHAR(20))")
            cursor.execute(f"CREATE USER `{name}` IDENTIFIED BY %s", (password,))
            cursor.execute(f"GRANT ALL ON `{url.database}`.* TO `{name}`")
        try:
            yield ConnectionSpec("mysql", url.host, url.port, url.database, name, password)
        finally:
            with closing(_connect(pymysql, url)) as connection, connection.cursor() as cursor:
                cursor.execute(f"DROP USER `{name}`")


def _connect(pymysql: Any, url: URL) -> Any:
    return pymysql.connect(host=url.host, port=url.port, user=url.username, password=url.password or "")


@pytest.fixture
def login() -> Iterator[ConnectionSpec]:
    """Give the test a MariaDB database whose user has the password ``geheim-1``."""
    with make_login("geheim-1") as spec:
        yield spec
