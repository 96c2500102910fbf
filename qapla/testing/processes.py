"""Start a real PostgreSQL, MariaDB or Redis on a free port, in a folder of its own, as a user without rights.

Each ``start_…`` prepares a data folder, starts the server under its keeper (``keeper.py``) and returns its URL once it answers.
Nothing here survives a test run: data is not synced to disk, and the folder goes with the run.

What faults look like: ``kill(folder)`` takes a server away as ``kill -9`` does, ``start_again(folder)`` brings it back at the same address,
``start_replica`` makes a PostgreSQL that follows another one.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

from qapla.testing import keeper
from qapla.testing.packages import get_program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

START_TIMEOUT_S = 60
PORTS = range(31_000, 32_768)  # below those at which connections begin, and which those get who listen on port 0
KEPT = "server.json"  # how a server was started, for starting it again
POSTGRESQL_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "max_prepared_transactions": "20",
    "shared_buffers": "64MB",
}
_keepers: dict[int, tuple[int, subprocess.Popen[bytes]]] = {}  # by the id of their process, each with that of its owner


class ServerFailed(Exception):
    """A server did not start; the end of its log is in the message."""


@contextmanager
def server_folder() -> Iterator[Path]:
    """Lend a folder for servers of one's own, each in a folder inside of it; at the end they are stopped and it goes.

    Not one of pytest's: the servers are other users, who may not look into those.
    """
    folder = Path(tempfile.mkdtemp(prefix="qapla-servers-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        for pid_file in folder.glob("*.pid"):
            stop(pid_file.with_suffix(""))
        shutil.rmtree(folder, ignore_errors=True)


def start_postgresql(folder: Path, owner: int, *, password: str | None = None, settings: Mapping[str, str] | None = None) -> str:
    """Start PostgreSQL with the superuser ``postgres`` and return its URL.

    Two-phase commit is on, as the tests of several databases need it. Without a *password* everybody is let in.
    """
    initdb = get_program("postgresql", "initdb")
    account, data, port = _prepare(folder, "postgres"), folder / "data", free_port()
    login = ["-A", "trust"]
    if password is not None:
        (folder / "password").write_text(password)
        login = ["-A", "scram-sha-256", "--pwfile", str(folder / "password")]
    _run(account, [initdb, "-D", str(data), "-U", "postgres", *login, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
    _start_postgresql(folder, owner, account, port, settings or {}, password)
    secret = "" if password is None else f":{quote(password, safe='')}"
    return f"postgresql://postgres{secret}@127.0.0.1:{port}/postgres"


def start_replica(folder: Path, owner: int, primary_url: str, *, settings: Mapping[str, str] | None = None) -> str:
    """Start a PostgreSQL that follows the one at *primary_url* and answers reads only; return its URL.

    The primary is one that ``start_postgresql`` started, or any other that lets its superuser replicate.
    """
    basebackup, primary = get_program("postgresql", "pg_basebackup"), urlsplit(primary_url)
    account, port = _prepare(folder, "postgres"), free_port()
    command = [basebackup, "-D", str(folder / "data"), "-d", f"{primary_url.rpartition('/')[0]}/", "-R", "-X", "stream", "-c", "fast"]
    _run(account, [*command, "--no-sync"])
    _start_postgresql(folder, owner, account, port, settings or {}, primary.password)
    return urlunsplit(primary._replace(netloc=f"{primary.netloc.rpartition(':')[0]}:{port}"))


def _start_postgresql(
    folder: Path, owner: int, account: str, port: int, settings: Mapping[str, str], password: str | None
) -> None:
    all_settings = {**POSTGRESQL_SETTINGS, "unix_socket_directories": str(folder), **settings}
    options = [part for name, value in all_settings.items() for part in ("-c", f"{name}={value}")]
    command = [get_program("postgresql", "postgres"), "-D", str(folder / "data"), "-p", str(port), *options]
    _start(folder, owner, account, command, signal.SIGINT, ["postgresql", port, password])


def start_mariadb(folder: Path, owner: int, *, settings: Mapping[str, str] | None = None) -> str:
    """Start MariaDB with the user ``root`` without a password and return its URL.

    What was committed survives ``kill``.
    """
    server = get_program("mariadb-server", "mariadbd", "mysqld")
    install = get_program("mariadb-server", "mariadb-install-db", "mysql_install_db")
    account, data, port = _prepare(folder, "mysql"), folder / "data", free_port()
    options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
    _run(account, [install, "--no-defaults", f"--datadir={data}", *options])
    first = folder / "first.sql"
    first.write_text("CREATE USER IF NOT EXISTS root@'127.0.0.1'; GRANT ALL PRIVILEGES ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n")
    first.chmod(0o644)
    all_settings: dict[str, object] = {
        "datadir": data,
        "tmpdir": folder,  # the account may not write into that of the system
        "port": port,
        "bind-address": "127.0.0.1",
        "socket": folder / "socket",
        "pid-file": folder / "server.pid",
        "init-file": first,
        "character-set-server": "utf8mb4",
        "max-connections": 200,
        "innodb-buffer-pool-size": "64M",
        "innodb-flush-log-at-trx-commit": 2,
        "innodb-use-native-aio": 0,
        "performance-schema": 0,
        **(settings or {}),
    }
    options = [f"--{name}={value}" for name, value in all_settings.items()]
    command = [server, "--no-defaults", "--skip-name-resolve", "--skip-log-bin", *options]
    _start(folder, owner, account, command, signal.SIGTERM, ["mariadb", port])
    return f"mysql://root@127.0.0.1:{port}/"


def start_redis(folder: Path, owner: int, *, settings: Mapping[str, str] | None = None) -> str:
    """Start Redis, in memory only, and return its URL."""
    server = get_program("redis-server", "redis-server", "valkey-server")
    account, port = _prepare(folder, "redis"), free_port()
    all_settings = {"port": str(port), "bind": "127.0.0.1", "dir": str(folder), "save": "", "appendonly": "no", **(settings or {})}
    command = [server, *(part for name, value in all_settings.items() for part in (f"--{name}", value))]
    _start(folder, owner, account, command, signal.SIGTERM, ["redis", int(all_settings["port"])])
    return f"redis://127.0.0.1:{all_settings['port']}/0"


def stop(folder: Path) -> None:
    """Stop the server that was started in *folder*, and wait until it is gone."""
    pid_file = folder.with_suffix(".pid")
    keeper_pid = int(pid_file.read_text())
    os.kill(keeper_pid, signal.SIGTERM)
    deadline = time.monotonic() + START_TIMEOUT_S
    while pid_file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    _reap(keeper_pid)


def kill(folder: Path) -> None:
    """Kill the server that was started in *folder*, and every process of it, with SIGKILL; wait until all are gone."""
    pid_file = folder.with_suffix(".pid")
    keeper_pid = int(pid_file.read_text())
    server = list(_descendants(keeper_pid))
    for pid in server:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + START_TIMEOUT_S
    while (pid_file.exists() or any(_runs(pid) for pid in server)) and time.monotonic() < deadline:
        time.sleep(0.02)
    _reap(keeper_pid)


def start_again(folder: Path, owner: int | None = None) -> None:
    """Start the server that was stopped or killed in *folder*: same data, same address. It answers when this returns."""
    kept = json.loads((folder / KEPT).read_text())
    if owner is not None:
        kept["owner"] = owner
    _start(folder, kept["owner"], kept["account"], kept["command"], kept["stop_signal"], kept["probe"])


def _reap(pid: int) -> None:
    """Wait for a keeper that is ending, if it is one of this process."""
    _, process = _keepers.pop(pid, (0, None))
    if process is not None:
        process.wait(START_TIMEOUT_S)


@atexit.register
def _end_keepers() -> None:
    """End the servers that this process owns. Those that it has started for the whole run go on, and nobody here waits for them."""
    ours = [process for owner, process in _keepers.values() if owner == os.getpid()]
    for process in ours:
        process.terminate()
    for process in ours:
        process.wait(START_TIMEOUT_S)
    for _, process in _keepers.values():
        if process.poll() is None:
            process.returncode = 0  # else it would be warned of


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"  # nobody has to have waited for it
    except OSError:
        return False


def _descendants(pid: int) -> Iterator[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield int(child)
        yield from _descendants(int(child))


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on now, and that is given to no other process for a long while.

    One that the system chooses may be somebody else's by the time a server listens on it, or comes back to it.
    """
    with (Path(tempfile.gettempdir()) / f"qapla-port-{os.geteuid()}").open("a+") as kept:
        fcntl.flock(kept, fcntl.LOCK_EX)
        kept.seek(0)
        last = int(kept.read() or random.choice(PORTS))
        for step in range(1, len(PORTS) + 1):
            port = PORTS[(last - PORTS.start + step) % len(PORTS)]
            with suppress(OSError), socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
                kept.truncate(0)
                kept.write(str(port))
                return port
    raise ServerFailed(f"no port is free between {PORTS.start} and {PORTS.stop - 1}")


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


def _start(folder: Path, owner: int, account: str, command: list[str], stop_signal: int, probe: list[Any]) -> None:
    """Start *command* under a keeper and wait until it answers to *probe*: name, port and whatever else the name needs."""
    kept = {"owner": owner, "account": account, "command": command, "stop_signal": int(stop_signal), "probe": probe}
    (folder / KEPT).write_text(json.dumps(kept))
    log, pid_file = folder / "server.log", folder.with_suffix(".pid")
    with log.open("ab") as out:
        arguments = [sys.executable, keeper.__file__, str(owner), account, str(int(stop_signal)), str(pid_file), *command]
        process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=folder, start_new_session=True
        )
    _keepers[process.pid] = owner, process
    deadline = time.monotonic() + START_TIMEOUT_S
    name, *rest = probe
    while not PROBES[name](*rest):
        if process.poll() is not None or time.monotonic() > deadline:
            process.terminate()
            _reap(process.pid)
            raise ServerFailed(f"{Path(command[0]).name} did not start: {log.read_text(errors='replace').strip()[-2000:]}")
        time.sleep(0.05)


def _postgresql_answers(port: int, password: str | None = None) -> bool:
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


PROBES = {"postgresql": _postgresql_answers, "mariadb": _mariadb_answers, "redis": _redis_answers}
