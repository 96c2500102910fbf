"""One request and its answer in the log: an id for both, and a line when the answer is complete.

Plain WSGI around Pyramid's execution policy, so that it sees what happens before there is a request (a foreign ``Host`` is refused) and
after there is an answer (a streamed body ends, or breaks off). A few microseconds per request.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import TYPE_CHECKING, Any

from qapla.ports import current_request

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Iterator

    Environ = dict[str, Any]
    StartResponse = Callable[..., Any]
    Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]

ACCESS = logging.getLogger("qapla.access")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def around(policy: Callable[[Environ, Any], Any], quiet: Collection[str] = ()) -> Callable[[Environ, Any], Wsgi]:
    """Return *policy*, an execution policy of Pyramid, with every exchange named and logged."""

    def run(environ: Environ, router: Any) -> Wsgi:
        def answer(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            body: Iterable[bytes] = policy(environ, router)(environ, start_response)
            return body

        return lambda environ, start_response: Exchange(environ, start_response, quiet).run(answer)

    return run


class Exchange:
    """One request and its answer: names it in every log record, and logs it when the answer is complete.

    Args:
        quiet: paths whose answers are logged at level debug only.
    """

    __slots__ = ("_begin", "_environ", "_id", "_quiet", "_start", "_status")

    def __init__(self, environ: Environ, start_response: StartResponse, quiet: Collection[str] = ()) -> None:
        request_id = environ.get("HTTP_X_REQUEST_ID", "")
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = environ["HTTP_X_REQUEST_ID"] = secrets.token_hex(8)
        self._environ = environ
        self._start = start_response
        self._id = request_id
        self._quiet = quiet
        self._begin = time.perf_counter()
        self._status = "-"

    def run(self, application: Wsgi) -> Iterable[bytes]:
        """Answer by *application*, a WSGI application."""
        token = current_request.set(self._id)
        try:
            body = application(self._environ, self._start_response)
            if isinstance(body, (list, tuple)):
                self._log("done")
                return list(body)
            return Body(body, self)
        except BaseException:
            self._log("failed")
            raise
        finally:
            current_request.reset(token)

    def iterate(self, body: Iterable[bytes]) -> Generator[bytes]:
        """Yield a streamed body; the server may take each part in another context."""
        parts = iter(body)
        ended = "cut"
        try:
            while True:
                token = current_request.set(self._id)
                try:
                    part = next(parts)
                except StopIteration:
                    ended = "done"
                    return
                except Exception:
                    logging.getLogger(__name__).exception("the answer broke off")
                    raise
                finally:
                    current_request.reset(token)
                yield part
        finally:
            self._log(ended)

    def _start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        self._status = status[:3]
        headers.append(("X-Request-Id", self._id))
        return self._start(status, headers, exc_info) if exc_info else self._start(status, headers)

    def _log(self, ended: str) -> None:
        level = logging.DEBUG if self._environ.get("PATH_INFO") in self._quiet else logging.INFO
        if not ACCESS.isEnabledFor(level):
            return
        environ, milliseconds = self._environ, (time.perf_counter() - self._begin) * 1000
        fields = {
            "method": environ["REQUEST_METHOD"],
            "path": environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""),
            "status": self._status,
            "milliseconds": round(milliseconds, 1),
            "client": environ.get("REMOTE_ADDR", ""),
        }
        note = "" if ended == "done" else f" ({ended})"
        message = f"{fields['method']} {fields['path']!a} {self._status} {milliseconds:.0f} ms{note}"
        ACCESS.log(level, "%s", message, extra={"fields": fields, "request_id": self._id})


class Body:
    """A streamed body with the ``close`` that every WSGI server calls."""

    __slots__ = ("_body", "_parts")

    def __init__(self, body: Iterable[bytes], exchange: Exchange) -> None:
        self._body = body
        self._parts = exchange.iterate(body)

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def close(self) -> None:
        """Let go of the body, however far it was read."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._parts.close()
