"""A line to a server that can fall silent, be cut and be mended: what networks do.

::

    with Line("127.0.0.1", 5432) as line:
        url = url.set(port=line.port)
        line.silence()
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

from qapla.testing.processes import free_port

LOOK_S = 0.02


class Line:
    """Carries what clients of its port and a server say to each other.

    Args:
        host: of the server.
        port: of the server.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._pairs: list[_Pair] = []
        self._is_silent = False
        self.port = free_port()
        self._open()

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *error: object) -> None:
        self.cut()

    def silence(self) -> None:
        """Take connections and whatever is said, and carry nothing: nobody is told that nobody listens."""
        self._is_silent = True
        for pair in self._pairs:
            pair.is_silent = True

    def cut(self) -> None:
        """Refuse new connections, and drop those there are."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()

    def drop(self) -> None:
        """Drop the connections there are; new ones are taken."""
        for pair in self._pairs:
            pair.close()
        self._pairs.clear()

    def mend(self, *, old: bool = True) -> None:
        """Carry everything again, what was said meanwhile, too. Without *old* connections of before stay silent for ever."""
        self._is_silent = False
        if self._listener.fileno() < 0:
            self._open()
        for pair in self._pairs:
            pair.is_silent = pair.is_silent and not old

    def _open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))  # the same port each time
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near = listener.accept()[0]
            except OSError:
                return
            try:
                far = socket.create_connection(self._target)
            except OSError:
                near.close()
                continue
            self._pairs.append(_Pair(near, far, self._is_silent))


class _Pair:
    """One connection, and the one that it goes on in."""

    def __init__(self, near: socket.socket, far: socket.socket, is_silent: bool) -> None:
        self.is_silent = is_silent
        self._is_closed = False
        self._ends = (near, far)
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def close(self) -> None:
        self._is_closed = True
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                self._wait()
                sink.sendall(piece)
        self._wait()
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _wait(self) -> None:
        while self.is_silent and not self._is_closed:
            time.sleep(LOOK_S)
