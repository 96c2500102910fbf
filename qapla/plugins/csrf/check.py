"""The check: of the origin for everybody, of the token for whom a cookie authenticates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qapla.errors import AccessError, InputError
from qapla.plugins.csrf.origins import find_foreign_origin

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
BY_BROWSERS = frozenset({"", "basic", "digest", "negotiate", "ntlm"})  # schemes that a browser sends by itself, once it knows how
HEADER, FIELD = "X-CSRF-Token", "csrf_token"
CHECKED = "qapla.csrf.checked"


class Csrf:
    """A ``CsrfCheck``.

    Args:
        origins: other origins whose pages may send anything.
        forms_below: the path below which the token may come in a form field; elsewhere bodies are not read here.
        cookie: name of the session's cookie; a request without it has no session, and costs no look at one.

    ``by_cookie`` and ``origins`` are what a plugin that knows more puts there.
    """

    def __init__(self, origins: Iterable[str] = (), forms_below: str = "/", cookie: str | None = None) -> None:
        self._trusted = frozenset(origins)
        self._forms_below = forms_below
        self._cookie = cookie
        self.by_cookie: Callable[[Any], bool] = self.has_session
        self.origins: Callable[[Any], Collection[str]] = lambda request: ()

    def check(self, request: Any) -> None:
        """Check an unsafe request, once.

        Raises:
            AccessError: it comes from another web page, or a cookie authenticates it and its token is missing or another one.
        """
        if request.method in SAFE_METHODS or CHECKED in request.__dict__:
            return
        if not has_credentials(request):
            self._check(request)
        request.__dict__[CHECKED] = True

    def check_token(self, request: Any) -> None:
        """Check the token of a form, or of the header ``X-CSRF-Token``.

        Raises:
            AccessError: it is missing or another one.
        """
        from pyramid.interfaces import ICSRFStoragePolicy

        supplied = request.headers.get(HEADER)
        if supplied is None and request.path_info.startswith(self._forms_below):
            supplied = read_token(request)
        policy = request.registry.getUtility(ICSRFStoragePolicy)
        if not isinstance(supplied, str) or not policy.check_csrf_token(request, supplied):
            raise AccessError(
                "the CSRF token is missing, or of another session",
                code="QAPLA403",
                hint="load the page again; programs send X-CSRF-Token, or better a token of their own",
            )

    def has_session(self, request: Any) -> bool:
        """Tell whether there is something in the session of *request*: that may be a login."""
        if self._cookie is not None and self._cookie not in request.environ.get("HTTP_COOKIE", ""):
            return False
        return bool(request.session)

    def _check(self, request: Any) -> None:
        origin = find_foreign_origin(request)
        foreign = origin is not None and origin not in self._trusted
        if self.by_cookie(request):
            if foreign:
                raise AccessError(f"writing from {origin!r} with the session of another page is not allowed", hint="use a token")
            self.check_token(request)
        elif foreign and not {origin, "*"} & set(self.origins(request)):
            # A form of any web page can post to a server on this machine, without asking first (no CORS preflight).
            raise AccessError(f"writing from {origin!r} is not allowed", hint="its administrator can add it to the origins that are")


def has_credentials(request: Any) -> bool:
    """Tell whether *request* has credentials that a program put there, and no browser by itself."""
    scheme = request.environ.get("HTTP_AUTHORIZATION", "").strip().partition(" ")[0].lower()
    return scheme not in BY_BROWSERS


def read_token(request: Any) -> str | None:
    """Return the token of a posted form; None without it, for an uploaded file, and for a body that is no form at all."""
    try:
        value = request.POST.get(FIELD)
    except (ValueError, InputError, DeprecationWarning):  # no boundary, bytes that are not UTF-8, another charset in two ways
        return None
    return value if isinstance(value, str) else None
