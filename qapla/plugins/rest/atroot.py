"""Answer one database's API at the root of the server, as PostgREST does, beside its place below ``/api/``.

Paths that are the application's own (``/admin``, ``/api``, ``/healthz``, …) stay what they are; a table that is called like one of them is
at ``/api/{database}/`` only. Addresses in answers (``Location``, ``Link``) are those that the request came by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

KEY = "qapla.rest.at_root"  # in the environment of a request that came by the root


class AtRoot:
    """A WSGI application around another one.

    Args:
        own: the first parts of paths that are left alone.
        root_path: the path below which the server is seen, where a proxy does not cut it off.
    """

    def __init__(self, application: Callable[..., Any], database: str, own: Iterable[str], root_path: str = "") -> None:
        self._application = application
        self._prefix = f"/api/{database}"
        self._own = frozenset(own)
        self._root = root_path.rstrip("/")

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """Answer a request; one that is for nobody else is for the database."""
        path = environ.get("PATH_INFO", "")
        if self._root and (path == self._root or path.startswith(f"{self._root}/")):
            path = path[len(self._root) :]
        if path.removeprefix("/").partition("/")[0] not in self._own:
            environ["PATH_INFO"] = self._prefix + (path or "/")
            environ[KEY] = True
        return self._application(environ, start_response)
