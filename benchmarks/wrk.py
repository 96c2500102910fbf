"""Servers that are started for a benchmark, and ``wrk`` (a Debian package), which asks them as often as it goes."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True)
class Ask:
    """One request. ``@N@`` in its body is another number each time."""

    path: str
    method: str = "GET"
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def lua(self) -> str:
        """Return it as ``wrk`` keeps it."""
        headers = "{" + ",".join(f"[{json.dumps(name)}]={json.dumps(value)}" for name, value in self.all_headers.items()) + "}"
        body = "nil" if self.body is None else json.dumps(self.body)
        if self.body is not None and NUMBER in self.body:
            return f"function() return wrk.format({json.dumps(self.method)},{json.dumps(self.path)},{headers},numbered({body})) end"
        return f"wrk.format({json.dumps(self.method)},{json.dumps(self.path)},{headers},{body})"

    @property
    def all_headers(self) -> dict[str, str]:
        """Return the headers, with the type of the body."""
        return {**({"Content-Type": "application/json"} if self.body is not None else {}), **self.headers}


@dataclass(frozen=True)
class Measured:
    """Requests per second, and microseconds of CPU per request in the server's processes."""

    per_second: float
    cpu_us: float


@dataclass(frozen=True)
class Server:
    """A server that runs: its port, and the process that we started."""

    port: int
    pid: int

    def cpu_s(self) -> float:
        """Return the CPU seconds of the process and its children so far."""
        ticks = 0
        for pid in (self.pid, *children(self.pid)):
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def get(self, ask: Ask) -> tuple[int, dict[str, str], bytes]:
        """Ask once; return status, headers and body."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            body = ask.body.replace(NUMBER, str(next_number())) if ask.body is not None else None
            connection.request(ask.method, ask.path, body, ask.all_headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def measure(self, asks: Sequence[Ask], seconds: float, connections: int) -> Measured:
        """Ask for each of *asks* in turn, again and again.

        Raises:
            SystemExit: not every answer was a good one.
        """
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            script.write(SCRIPT % (",\n".join(ask.lua for ask in asks), next_number()))
            script.flush()
            before = self.cpu_s()
            url = f"http://127.0.0.1:{self.port}"
            command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name, url]
            done = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            cpu = self.cpu_s() - before
        if "Non-2xx" in done or "Socket errors" in done:
            raise SystemExit(f"{asks[0].method} {asks[0].path} failed under load:\n{done}")
        requests = int(re.search(r"(\d+) requests in", done)[1])  # type: ignore[index]
        per_second = float(re.search(r"Requests/sec:\s+([\d.]+)", done)[1])  # type: ignore[index]
        return Measured(per_second, cpu / max(requests, 1) * 1e6)


NUMBER = "@N@"
SCRIPT = """
local asks, place, number
function numbered(body)
  number = number + 1
  return (body:gsub("@N@", tostring(number)))
end
function init(args)
  asks, place, number = {%s}, 0, %d
end
function request()
  place = place %% #asks + 1
  local ask = asks[place]
  return type(ask) == "function" and ask() or ask
end
"""


def next_number() -> int:
    """Return where the numbers of one measurement begin: not where those of another one are."""
    return 1_000_000 + int(time.time() * 10) % 20_000 * 100_000


def children(pid: int) -> list[int]:
    """Return the processes below *pid*."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *children(int(child))]
    return found


@contextmanager
def serving(arguments: Sequence[str], port: int, ask: Ask, folder: Path | None = None, **environment: str) -> Iterator[Server]:
    """Start a server and wait until it answers *ask* with 200."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(arguments, env={**os.environ, **environment}, stdout=log, stderr=log, cwd=folder)
        try:
            server = Server(port, process.pid)
            deadline = time.monotonic() + 60
            while not answers(server, ask):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise SystemExit(f"{arguments[:3]} does not answer:\n{log.read().decode()[-2000:]}")
                time.sleep(0.1)
            yield server
        finally:
            process.terminate()
            process.wait(15)


def answers(server: Server, ask: Ask) -> bool:
    """Tell whether *ask* is answered with 200."""
    try:
        return server.get(ask)[0] == 200
    except OSError:
        return False


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
