"""What stands between the web server and the application: request ids, the access log, proxies, the root path.

Plain WSGI, a few microseconds per request. What a request must never be (a path that is not UTF-8, say) is refused by the
application, so that it holds under any server.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import secrets
import time
from typing import TYPE_CHECKING, Any

from lazydb.logs import ACCESS, current_request

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    Environ = dict[str, Any]
    StartResponse = Callable[..., Any]
    Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]

PROBES = ("/healthz", "/readyz")  # asked every few seconds by supervisors
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class Front:
    """Wrap *application*.

    Args:
        trusted_proxies: addresses and networks whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed.
        root_path: where a proxy has put the application, "/lazydb"; whether the proxy cuts it off or not makes no difference.
    """

    def __init__(self, application: Wsgi, trusted_proxies: tuple[str, ...] = (), root_path: str = "") -> None:
        self._application = application
        self._trusted = tuple(ipaddress.ip_network(proxy, strict=False) for proxy in trusted_proxies)
        self._root = root_path.rstrip("/")

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request_id = environ.get("HTTP_X_REQUEST_ID", "")
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = environ["HTTP_X_REQUEST_ID"] = secrets.token_hex(8)
        if self._trusted:
            self._believe(environ)
        if self._root:
            self._move(environ)
        return _Exchange(environ, start_response, request_id).run(self._application)

    def _believe(self, environ: Environ) -> None:
        """Take the client's address and scheme from a proxy that is trusted: the last address that is not itself such a proxy."""
        if not self._trusts(environ.get("REMOTE_ADDR", "")):
            return
        hops = [hop.strip() for hop in environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
        client = next((hop for hop in reversed(hops) if not self._trusts(hop)), hops[0] if hops else None)
        if client and len(client) <= 45:
            environ["REMOTE_ADDR"] = client
        scheme = environ.get("HTTP_X_FORWARDED_PROTO")
        if scheme in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme

    def _trusts(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._trusted)

    def _move(self, environ: Environ) -> None:
        path = environ.get("PATH_INFO", "")
        if path == self._root or path.startswith(self._root + "/"):
            environ["PATH_INFO"] = path[len(self._root) :] or "/"
        environ["SCRIPT_NAME"] = self._root


class _Exchange:
    """One request and its answer: names it in every log record, and logs it when the answer is complete."""

    __slots__ = ("_begin", "_environ", "_id", "_start", "_status")

    def __init__(self, environ: Environ, start_response: StartResponse, request_id: str) -> None:
        self._environ = environ
        self._start = start_response
        self._id = request_id
        self._begin = time.perf_counter()
        self._status = "-"

    def run(self, application: Wsgi) -> Iterable[bytes]:
        token = current_request.set(self._id)
        try:
            body = application(self._environ, self._start_response)
            if isinstance(body, (list, tuple)):
                self._log("done")
                return list(body)
            return _Body(body, self)
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
                current_request.set(self._id)
                try:
                    part = next(parts)
                except StopIteration:
                    ended = "done"
                    return
                except Exception:
                    logging.getLogger(__name__).exception("the answer broke off")
                    raise
                yield part
        finally:
            self._log(ended)

    def _start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        self._status = status[:3]
        headers.append(("X-Request-Id", self._id))
        return self._start(status, headers, exc_info)

    def _log(self, ended: str) -> None:
        level = logging.DEBUG if self._environ.get("PATH_INFO") in PROBES else logging.INFO
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
        ACCESS.log(level, "%s", message, extra={"fields": fields})


class _Body:
    """A streamed body with the ``close`` that every WSGI server calls."""

    __slots__ = ("_body", "_parts")

    def __init__(self, body: Iterable[bytes], exchange: _Exchange) -> None:
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
