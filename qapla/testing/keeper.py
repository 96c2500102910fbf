"""Keep one test server alive as long as the test run that asked for it, and not a second longer.

Run as a script: ``keeper.py OWNER_PID USER STOP_SIGNAL PID_FILE COMMAND…``. A server is started by whichever xdist worker needs it
first and outlives that worker; so somebody has to stop it when the whole run ends, also when the run was killed. PID_FILE is
removed when the server is gone.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

GRACE_S = 10


def is_alive(pid: int) -> bool:
    """Tell whether there is a process *pid*."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def keep(owner: int, user: str, stop_signal: int, pid_file: Path, command: list[str]) -> int:
    """Run *command* as *user* ("" for the caller's own) until it ends, the owner is gone, or SIGTERM arrives."""
    account = {"user": user, "group": user if user != "nobody" else "nogroup", "extra_groups": []} if user else {}
    stopping = False

    def stop(signum: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the test run, which then stops us
    pid_file.write_text(str(os.getpid()))
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, **account)  # type: ignore[call-overload]
    try:
        while server.poll() is None and not stopping and is_alive(owner):
            try:
                server.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
        if server.poll() is None:
            server.send_signal(stop_signal)
            try:
                server.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                server.kill()
        return server.wait()
    finally:
        pid_file.unlink(missing_ok=True)
        if not is_alive(owner):  # killed: nobody else is left to tidy up
            shutil.rmtree(pid_file.parent, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(keep(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]), sys.argv[5:]))
