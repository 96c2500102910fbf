"""Render Chameleon templates as pages of the admin: the renderer of every ``.pt``, whichever plugin or application it belongs to.

A template fills the slots of ``layout`` and uses the macros of ``parts``; both are in its namespace, so that nobody has to know where
they live. ``pyramid_chameleon`` does the same with two ways to translate and ``pkg_resources``; this is what of it is needed.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chameleon import PageTemplateFile
from pyramid.csrf import get_csrf_token
from pyramid.i18n import TranslationStringFactory, get_localizer
from pyramid.path import AssetResolver
from pyramid.response import Response
from pyramid.threadlocal import get_current_request
from translationstring import ChameleonTranslate

from qapla.errors import NotFound, QaplaError
from qapla.ports import ANONYMOUS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyramid.config import Configurator

_ = TranslationStringFactory("qapla")

STATIC = "qapla.plugins.admin:static/"
FOLDER = Path(__file__).parent / "static"
TEMPLATES = Path(__file__).parent / "templates"
_SURROGATE = re.compile("[\ud800-\udfff]")
FOR_EVER_S = 365 * 24 * 3600
THEMES = ("light", "dark")

# No inline script and no inline style, nothing from elsewhere; Bootstrap's own drawings are data: images.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}

BOOLEAN_ATTRIBUTES = frozenset(
    "autofocus checked disabled hidden inert multiple novalidate open readonly required reversed selected".split()  # noqa: SIM905
)


class Html(str):
    """Text that is markup already; templates insert it as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


def includeme(config: Configurator) -> None:
    """Let ``renderer="….pt"`` make a page, and serve the admin's static files for ever under addresses that change with them."""
    config.add_renderer(".pt", make_renderer)
    config.add_route("admin.own", "/admin/-/static/{name:[a-z]+\\.(css|js|svg)}")
    config.add_view(send_own, route_name="admin.own", request_method="GET")
    config.add_static_view("admin/-/static/vendor", f"{STATIC}vendor", cache_max_age=FOR_EVER_S, content_encodings=["gzip"])


def make_renderer(info: Any) -> Callable[[Any, Mapping[str, Any]], str]:
    """Return the renderer of one template (Pyramid's renderer factory)."""
    path = AssetResolver(info.package).resolve(info.name).abspath()

    def render(value: Mapping[str, Any] | None, system: Mapping[str, Any]) -> str:
        request = system["request"]
        if request.response.content_type == "text/html":
            request.response.headers.update(HEADERS)
        return make_whole(load(path)(**{**namespace(request), "context": system.get("context"), **(value or {})}))

    return render


def make_whole(page: str) -> str:
    """Return *page* so that it can be sent: JSON of a database may have half of a surrogate pair in it, which no UTF-8 has."""
    return page if page.isascii() else _SURROGATE.sub("\ufffd", page)


def render_fragment(name: str, request: Any, **values: Any) -> Html:
    """Return one of the admin's own templates as markup to be put into another."""
    return Html(load(str(TEMPLATES / name))(**{**namespace(request), **values}))


@cache
def load(path: str) -> PageTemplateFile:
    """Return the template at *path*, compiled at its first use and again when its file changes."""
    return PageTemplateFile(path, translate=ChameleonTranslate(translate), boolean_attributes=BOOLEAN_ATTRIBUTES, auto_reload=True)


def translate(text: Any) -> str:
    """Return *text* in the language of the request that is being answered."""
    request = get_current_request()
    return get_localizer(request).translate(text) if request is not None else str(text)


def namespace(request: Any) -> dict[str, Any]:
    """Return what every template can use."""
    theme = request.cookies.get("theme")

    def asset(path: str) -> str:
        query = {"v": digest(path)}
        if path.startswith("vendor/"):
            return request.static_path(f"{STATIC}{path}", _query=query)
        return request.route_path("admin.own", name=path, _query=query)

    def icon(name: str, label: str | None = None) -> Html:
        spoken = f'role="img" aria-label="{_attribute(label)}"' if label else 'aria-hidden="true"'
        if not assets_built():
            return Html(_attribute(label) if label else "")  # a link that is only an icon still has its word
        return Html(f'<svg class="icon" {spoken}><use href="{asset("vendor/icons.svg")}#{name}"/></svg>')

    return {
        "_": _,
        "request": request,
        "layout": load(str(TEMPLATES / "layout.pt")),
        "parts": load(str(TEMPLATES / "parts.pt")).macros,
        "asset": asset,
        "icon": icon,
        "assets_built": assets_built(),
        "theme": theme if theme in THEMES else None,
        "csrf_token": lambda: get_csrf_token(request),
        "product": request.registry.get("qapla.admin.product", "qapla"),
        "user": getattr(request, "identity", None) if not getattr(request, "exception", None) else _identity(request),
        "notices": lambda: take_notices(request),
        # what a page may set
        "title": None,
        "crumbs": (),
        "served": None,
        "scripts": (),
        "styles": (),
    }


def _identity(request: Any) -> Any:
    """Return who asked, for an error page; credentials that are not valid are nobody's."""
    try:
        return request.identity
    except QaplaError:
        return ANONYMOUS


OWN = {"admin.css": "text/css", "admin.js": "text/javascript", "icon.svg": "image/svg+xml"}


def send_own(request: Any) -> Response:
    """Send one of the files that are ours and not built: packed here, so that a packed one can never be older than its source."""
    name = request.matchdict["name"]
    if name not in OWN:
        raise NotFound("there is no such file")
    is_packed = "gzip" in request.headers.get("Accept-Encoding", "")
    response = Response(_pack(name, digest(name)) if is_packed else (FOLDER / name).read_bytes(), content_type=OWN[name], charset="utf-8")
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["X-Content-Type-Options"] = "nosniff"
    if is_packed:
        response.headers["Content-Encoding"] = "gzip"
    response.cache_control.max_age = FOR_EVER_S
    return response


@lru_cache(maxsize=len(OWN))
def _pack(name: str, _digest: str) -> bytes:
    return gzip.compress((FOLDER / name).read_bytes(), 9, mtime=0)


def assets_built() -> bool:
    """Tell whether ``scripts/assets`` has run: its manifest is the last thing it writes."""
    return (FOLDER / "vendor" / "manifest.json").exists()


_digests: dict[str, tuple[float, str]] = {}


def digest(path: str) -> str:
    """Return a short hash of a static file, which makes its address its own. Read again when the file changes."""
    file = FOLDER / path
    try:
        changed_at = file.stat().st_mtime
    except FileNotFoundError:
        return "0"
    known = _digests.get(path)
    if known is None or known[0] != changed_at:
        known = _digests[path] = (changed_at, hashlib.blake2b(file.read_bytes(), digest_size=6).hexdigest())
    return known[1]


def notify(request: Any, message: str, kind: str = "success") -> None:
    """Show *message* on the next page. *kind* is one of success, info, warning, danger."""
    request.session.flash({"kind": kind, "message": message}, allow_duplicate=False)


def take_notices(request: Any) -> list[dict[str, str]]:
    """Return the messages left for this page, and forget them."""
    try:
        return request.session.pop_flash()
    except Exception:  # no session is set up, or it cannot be read: a page without messages
        return []


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
