"""A test server ends with the run that started it, however that ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import pytest

from qapla.testing import keeper
from qapla.testing.packages import get_program
from qapla.testing.processes import server_folder

if TYPE_CHECKING:
    from pathlib import Path


def wait_for(condition: object, limit_s: float = 10) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("how", ["the owner is killed", "the keeper is told"])
def test_server_ends_with_its_run(tmp_path: Path, how: str) -> None:
    """No server is left behind; after a killed run its folder goes, too."""
    folder, mark = tmp_path / "run", tmp_path / "server.pid"
    folder.mkdir()
    server = ["sh", "-c", f"echo $$ > {mark}; exec sleep 600"]
    with subprocess.Popen(["sleep", "600"]) as owner:
        command = [sys.executable, keeper.__file__, str(owner.pid), "", str(int(signal.SIGTERM)), str(folder / "it.pid"), *server]
        with subprocess.Popen(command) as kept:
            wait_for(lambda: mark.exists() and mark.read_text().strip())

            (owner if how == "the owner is killed" else kept).send_signal(signal.SIGTERM)
            if how == "the owner is killed":
                owner.wait()
            kept.wait(15)
        owner.kill()

    assert not keeper.is_alive(int(mark.read_text()))
    assert folder.exists() is (how != "the owner is killed")
    assert not (folder / "it.pid").exists()


@pytest.mark.parametrize("owner", ["os.getpid()", "os.getppid()"], ids=["its own", "of the whole run"])
def test_a_process_ends_without_a_warning(owner: str) -> None:
    """What a process owns ends before it does; what it has started for the run goes on, and nobody is told that it still runs."""
    get_program("redis-server", "redis-server", "valkey-server")
    with server_folder() as folder:
        program = f"""
            import os, sys
            from pathlib import Path
            from qapla.testing import processes
            processes.start_redis(Path({str(folder)!r}) / "redis", {owner})
        """

        done = subprocess.run(
            [sys.executable, "-W", "always::ResourceWarning", "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True
        )

        assert (done.stdout, done.stderr) == ("", "")
        assert (folder / "redis.pid").exists() is (owner == "os.getppid()")
