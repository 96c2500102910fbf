"""Log in, by password or by one-time link, and log out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.httpexceptions import HTTPSeeOther

from qapla.errors import AccessError, QaplaError, TooLarge
from qapla.plugins.auth import passwords
from qapla.plugins.auth.fields import is_small, read_field
from qapla.plugins.auth.page import show_page
from qapla.plugins.auth.redirects import safe_target
from qapla.plugins.auth.tokens import digest
from qapla.ports import ANONYMOUS

if TYPE_CHECKING:
    from pyramid.config import Configurator

    from qapla.ports import Account

MAX_NAME = 200


def includeme(config: Configurator) -> None:
    """Add the pages."""
    config.add_view(show_login, route_name="auth.login", request_method="GET")
    config.add_view(use_link, route_name="auth.login", request_method="GET", request_param="token")
    # These two look at the token themselves: what is wrong with it is said on the page.
    config.add_view(log_in, route_name="auth.login", request_method="POST", require_csrf=False)
    config.add_view(log_out, route_name="auth.logout", request_method="POST", require_csrf=False)


def show_login(request: Any) -> Any:
    """Show the form, or go on when somebody is logged in already."""
    if request.identity.kind == "user":
        return _go_on(request)
    return _form(request)


def use_link(request: Any) -> Any:
    """Log in by the secret of a link, which works once. What only looks ahead (link checkers, browsers that prefetch) uses up nothing."""
    if request.method == "HEAD" or request.headers.get("Sec-Purpose", "").startswith("prefetch"):
        return _form(request)
    token = request.GET.get("token", "")
    account = request.registry["qapla.auth.accounts"].use_login_link(digest(token)) if len(token) <= MAX_NAME else None
    if account is None:
        return _form(request, "This login link has been used already, or is too old.", status=410)
    return _begin(request, account)


def log_in(request: Any) -> Any:
    """Log in by name and password."""
    if not is_small(request):
        raise TooLarge("the login form is too large")
    name, password = (read_field(request, "name") or "")[:MAX_NAME], read_field(request, "password") or ""
    try:
        request.app["csrf"].check_token(request)
        request.registry["qapla.auth.throttle"].check(name, request.remote_addr or "")
    except QaplaError as error:
        request.response.headers.update(error.headers)
        message = "The page was too old, or your browser keeps no cookies. Please try again." if error.code == "QAPLA403" else f"{error}."
        return _form(request, message[:1].upper() + message[1:], name=name, status=error.status)
    account = _find_account(request, name, password)
    if account is None:
        request.registry["qapla.auth.throttle"].fail(name, request.remote_addr or "")
        return _form(request, "Name or password is not right.", name=name, status=401)
    request.registry["qapla.auth.throttle"].succeed(name, request.remote_addr or "")
    return _begin(request, account)


def log_out(request: Any) -> Any:
    """End the session."""
    try:
        request.identity  # noqa: B018 - checks the CSRF token of whoever is logged in
    except AccessError:
        return HTTPSeeOther(_home(request))  # nothing of another site, and no old page, ends a session
    request.session.invalidate()
    return HTTPSeeOther(request.route_path("auth.login"))


def _find_account(request: Any, name: str, password: str) -> Account | None:
    accounts = request.registry["qapla.auth.accounts"]
    account: Account | None = accounts.find_user_by_name(name)
    if not passwords.is_right(password, account.password_hash if account else None) or account is None:
        return None
    if account.password_hash and passwords.is_stale(account.password_hash):
        accounts.set_password(account.id, passwords.hash_password(password), end_sessions=False)
    return account


def _begin(request: Any, account: Account) -> Any:
    request.app["identifier"].log_in(request, account.id, account.epoch)
    request.registry["qapla.auth.accounts"].note_login(account.id)
    return _go_on(request)


def _go_on(request: Any) -> Any:
    answer = HTTPSeeOther(safe_target(_wanted(request), _home(request)))
    answer.headers["Referrer-Policy"] = "no-referrer"  # the address of a login link goes nowhere
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _form(request: Any, problem: str | None = None, name: str = "", status: int = 200) -> Any:
    request.response.status = status
    request.identity = ANONYMOUS  # what the page shows; whoever was logged in may be somebody else in a moment
    request.add_response_callback(_keep_nowhere)
    values = {"title": "Sign in", "problem": problem, "name": name, "target": safe_target(_wanted(request), "")}
    return show_page(request, values)


def _keep_nowhere(request: Any, response: Any) -> None:
    response.headers["Cache-Control"] = "no-store"


def _home(request: Any) -> str:
    return f"{request.script_name}{request.registry['qapla.auth.home']}"


def _wanted(request: Any) -> str | None:
    return request.GET.get("next") or read_field(request, "next")
