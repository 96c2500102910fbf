"""Start a real PostgreSQL, MariaDB or Redis on a free port, in a folder of its own, as a user without rights.

Each ``start_…`` prepares a data folder, starts the server under its keeper (``keeper.py``) and returns its URL once it answers.
Nothing here survives a test run: data is not synced to disk, and the folder goes with the run.
"""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from qapla.testing import keeper
from qapla.testing.packages import get_program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

START_TIMEOUT_S = 60
_keepers: list[subprocess.Popen[bytes]] = []  # not waited for: they end with the run, which may be after this process


class ServerFailed(Exception):
    """A server did not start; the end of its log is in the message."""


def start_postgresql(folder: Path, owner: int, *, password: str | None = None, settings: Mapping[str, str] | None = None) -> str:
    """Start PostgreSQL with the superuser ``postgres`` and return its URL.

    Two-phase commit is on, as the tests of several databases need it. Without a *password* everybody is let in.
    """
    initdb, postgres = get_program("postgresql", "initdb"), get_program("postgresql", "postgres")
    account, data, port = _prepare(folder, "postgres"), folder / "data", free_port()
    login = ["-A", "trust"]
    if password is not None:
        (folder / "password").write_text(password)
        login = ["-A", "scram-sha-256", "--pwfile", str(folder / "password")]
    _run(account, [initdb, "-D", str(data), "-U", "postgres", *login, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
    all_settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(folder),
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "max_connections": "200",
        "max_prepared_transactions": "20",
        "shared_buffers": "64MB",
        **(settings or {}),
    }
    options = [part for name, value in all_settings.items() for part in ("-c", f"{name}={value}")]
    command = [postgres, "-D", str(data), "-p", str(port), *options]
    _start(folder, owner, account, command, signal.SIGINT, lambda: _postgresql_answers(port, password))
    secret = "" if password is None else f":{quote(password, safe='')}"
    return f"postgresql://postgres{secret}@127.0.0.1:{port}/postgres"


def start_mariadb(folder: Path, owner: int) -> str:
    """Start MariaDB with the user ``root`` without a password and return its URL."""
    server = get_program("mariadb-server", "mariadbd", "mysqld")
    install = get_program("mariadb-server", "mariadb-install-db", "mysql_install_db")
    account, data, port = _prepare(folder, "mysql"), folder / "data", free_port()
    options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
    _run(account, [install, "--no-defaults", f"--datadir={data}", *options])
    first = folder / "first.sql"
    first.write_text("CREATE USER IF NOT EXISTS root@'127.0.0.1'; GRANT ALL PRIVILEGES ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n")
    first.chmod(0o644)
    settings = {
        "datadir": data,
        "port": port,
        "bind-address": "127.0.0.1",
        "socket": folder / "socket",
        "pid-file": folder / "server.pid",
        "init-file": first,
        "character-set-server": "utf8mb4",
        "max-connections": 200,
        "innodb-buffer-pool-size": "64M",
        "innodb-flush-log-at-trx-commit": 0,
        "innodb-use-native-aio": 0,
        "performance-schema": 0,
    }
    command = [server, "--no-defaults", "--skip-name-resolve", "--skip-log-bin", *(f"--{name}={value}" for name, value in settings.items())]
    _start(folder, owner, account, command, signal.SIGTERM, lambda: _mariadb_answers(port))
    return f"mysql://root@127.0.0.1:{port}/"


def start_redis(folder: Path, owner: int) -> str:
    """Start Redis, in memory only, and return its URL."""
    server = get_program("redis-server", "redis-server", "valkey-server")
    account, port = _prepare(folder, "redis"), free_port()
    command = [server, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "no"]
    _start(folder, owner, account, command, signal.SIGTERM, lambda: _redis_answers(port))
    return f"redis://127.0.0.1:{port}/0"


def stop(folder: Path) -> None:
    """Stop the server that was started in *folder*, and wait until it is gone."""
    pid_file = folder.with_suffix(".pid")
    os.kill(int(pid_file.read_text()), signal.SIGTERM)
    deadline = time.monotonic() + START_TIMEOUT_S
    while pid_file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _prepare(folder: Path, name: str) -> str:
    """Make *folder* and return the account to use: root's servers refuse to run as root, so root hands them to somebody smaller."""
    folder.mkdir(mode=0o755)
    if os.geteuid() != 0:
        return ""
    account = next(found for found in (name, "nobody") if _has_account(found))
    entry = pwd.getpwnam(account)
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return account


def _has_account(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _run(account: str, command: list[str]) -> None:
    options = {"user": account, "group": pwd.getpwnam(account).pw_gid, "extra_groups": []} if account else {}
    done: subprocess.CompletedProcess[str] = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise ServerFailed(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()[-2000:]}")


def _start(folder: Path, owner: int, account: str, command: list[str], stop_signal: int, answers: Callable[[], bool]) -> None:
    log, pid_file = folder / "server.log", folder.with_suffix(".pid")
    with log.open("wb") as out:
        arguments = [sys.executable, keeper.__file__, str(owner), account, str(int(stop_signal)), str(pid_file), *command]
        process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=folder, start_new_session=True
        )
    _keepers.append(process)
    deadline = time.monotonic() + START_TIMEOUT_S
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            process.terminate()
            raise ServerFailed(f"{Path(command[0]).name} did not start: {log.read_text(errors='replace').strip()[-2000:]}")
        time.sleep(0.05)


def _postgresql_answers(port: int, password: str | None) -> bool:
    import psycopg

    try:
        psycopg.connect(host="127.0.0.1", port=port, user="postgres", password=password, dbname="postgres", connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _mariadb_answers(port: int) -> bool:
    import pymysql

    try:
        pymysql.connect(host="127.0.0.1", port=port, user="root", connect_timeout=2).close()
    except pymysql.OperationalError:
        return False
    return True


def _redis_answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False
