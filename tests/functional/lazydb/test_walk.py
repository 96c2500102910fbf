"""Every kind of address × every method × every kind of caller: one policy is asked on all of them.

What a caller may is said once, in ``CALLERS``; what an address takes is said once, in ``ADDRESSES``; the answer follows from the two.
"""

from __future__ import annotations

import shutil
import sqlite3
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from webtest import TestApp

from lazydb.application import LazydbApplication
from lazydb.models import now
from qapla.database.spec import parse_url
from qapla.plugins.auth.tokens import make_token
from qapla.plugins.rest import contexts
from qapla.plugins.rest.services import METHODS, ROUTES
from tests.functional.lazydb.conftest import SHOP

if TYPE_CHECKING:
    from collections.abc import Iterator

Need = Literal["see", "read", "read all", "write"]
SECRET = "a secret of tests with more than 32 bytes"
ORDER = ("none", "read", "write")
DRY = {"Prefer": "tx=rollback"}


class Address(NamedTuple):
    """An address below that of a database; ``methods`` says what each takes, others do nothing for anybody."""

    kind: type
    path: str
    methods: dict[str, tuple[Need, Any]]
    missing: int | None = None  # what there is to find is not there


ROW = {"id": 9, "name": "Bo"}
ADDRESSES = [
    Address(contexts.Root, "", {"GET": ("see", None)}),
    Address(contexts.Health, "-/health", {"GET": ("see", None)}),
    Address(contexts.SchemaPage, "-/schema", {"GET": ("see", None)}),
    Address(contexts.SchemaPage, "-/schema/customer", {"GET": ("see", None)}),
    Address(contexts.Collection, "customer", {"GET": ("read", None), "POST": ("write", ROW)}),
    Address(contexts.Collection, "customer?select=id,order(id)", {"GET": ("read all", None)}),
    Address(contexts.Collection, "customer?order.total=gt.1&select=id,order()", {"GET": ("read all", None)}),
    Address(
        contexts.Collection,
        "customer?id=eq.9",
        {"GET": ("read", None), "PATCH": ("write", {"name": "x"}), "PUT": ("write", ROW), "DELETE": ("write", None)},
    ),
    Address(
        contexts.Row,
        "customer/1",
        {"GET": ("read", None), "PATCH": ("write", {"name": "x"}), "PUT": ("write", {"name": "x"})},
    ),
    Address(contexts.Row, "order/1", {"GET": ("read all", None), "DELETE": ("write", None)}),
    Address(contexts.Function, "rpc/anything", {"GET": ("see", None), "POST": ("see", {})}, missing=404),
    Address(contexts.Batch, "-/batch", {"POST": ("read", {"requests": [{"method": "GET", "path": "/customer"}]})}),
    Address(contexts.Batch, "-/batch?", {"POST": ("write", {"requests": [{"method": "POST", "path": "/customer", "body": ROW}]})}),
]


class Caller(NamedTuple):
    """Who asks, what this one may in databases whatever anybody may there, and what is refused before rights are asked."""

    name: str
    right: str = "none"
    known: bool = True
    refused: int | None = None
    unsafe_refused: int | None = None
    only: str | None = None  # the one table that the right is about


CALLERS = [
    Caller("nobody", known=False),
    Caller("reader", "read"),
    Caller("writer", "write"),
    Caller("reader of customers", "read", only="customer"),
    Caller("writer elsewhere"),
    Caller("expired", refused=401),
    Caller("unheard of", refused=401),
    Caller("somebody without bearer", refused=401),
    Caller("issued", refused=401),
    Caller("admin", "write"),
    Caller("admin of a form", "write", unsafe_refused=403),
]
DATABASES = {f"shop_{anybody}": {"anonymous": anybody, "writable": "true"} for anybody in ORDER}
DATABASES["shop_issued"] = {"anonymous": "none", "writable": "true", "jwt_secret": SECRET}


class Walk(NamedTuple):
    """A client and what each caller sends along."""

    web: TestApp
    headers: dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """Start lazydb with a database for each setting of ``anonymous``, and one with an issuer."""
    home = tmp_path_factory.mktemp("walk")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LAZYDB_HOME", str(home / "home"))
        patched.setenv("LAZYDB_SQLITE_FOLDERS", str(home))
        for name in ("LAZYDB_DATABASE_URL", "LAZYDB_SECRET_KEY", "LAZYDB_BROKER_URL", "LAZYDB_ADMIN_PASSWORD"):
            patched.delenv(name, raising=False)
        lazydb = LazydbApplication()
        web = TestApp(lazydb.run_uwsgi(), extra_environ={"HTTP_HOST": "localhost:6543"})
        connection = sqlite3.connect(home / "shop.sqlite")
        connection.executescript(SHOP)
        connection.close()
        for name, settings in DATABASES.items():
            shutil.copy(home / "shop.sqlite", home / f"{name}.sqlite")
            spec = parse_url(f"sqlite:///{home}/{name}.sqlite", origin=lazydb["connections"].origins["command line"])
            lazydb["connections"].add(spec, name=name, settings=settings)
        yield Walk(web, make_headers(lazydb, web))
        lazydb.stop()


def make_headers(lazydb: LazydbApplication, web: TestApp) -> dict[str, dict[str, str]]:
    """Return the headers of each caller."""
    rights: dict[str, dict[str, str]] = {
        "reader": {"*": "read"},
        "writer": {"*": "write"},
        "reader of customers": {f"{name}.customer": "read" for name in DATABASES},
        "writer elsewhere": {"elsewhere": "write"},
        "expired": {"*": "write"},
    }
    headers: dict[str, dict[str, str]] = {"nobody": {}, "somebody without bearer": {"Authorization": "Basic YTpi"}}
    for name, right in rights.items():
        token, digest = make_token("lazydb_")
        lazydb["accounts"].add_token(name, digest, right, now() - timedelta(seconds=1) if name == "expired" else None)
        headers[name] = {"Authorization": f"Bearer {token}"}
    headers["unheard of"] = {"Authorization": f"Bearer {make_token('lazydb_')[0]}"}
    issued = jwt.encode({"alg": "HS256"}, {"role": "anybody", "sub": "ada"}, OctKey.import_key(SECRET))
    headers["issued"] = {"Authorization": f"Bearer {issued}"}
    link, digest = make_token()
    lazydb["accounts"].add_login_link(lazydb["accounts"].add_user("admin").id, digest, 60)
    web.get(f"/admin/-/login?token={link}", status=303)
    page = web.get("/admin/")
    csrf = next(form["csrf_token"].value for form in page.forms.values() if "csrf_token" in form.fields)
    cookies = "; ".join(f"{name}={value}" for name, value in web.cookies.items())
    web.reset()
    headers["admin of a form"] = {"Cookie": cookies}
    headers["admin"] = {"Cookie": cookies, "X-CSRF-Token": csrf}
    return headers


def expect(caller: Caller, database: str, address: Address, method: str) -> set[int]:
    """Return the statuses that the answer may have."""
    anybody = DATABASES[database]["anonymous"]
    is_issued = database == "shop_issued" and caller.name == "issued"
    right, only = ("read", None) if is_issued else (caller.right, caller.only)
    if caller.refused is not None and not is_issued:
        return {caller.refused}
    if caller.unsafe_refused is not None and method not in ("GET", "HEAD", "OPTIONS"):
        return {caller.unsafe_refused}
    denied = 403 if caller.known else 401
    if max(right, anybody, key=ORDER.index) == "none":
        return {denied}
    if method == "OPTIONS":
        return {address.missing or 200}
    if method == "HEAD":
        method = "GET"
    whole = anybody if only is not None else max(right, anybody, key=ORDER.index)
    own = max(right, anybody, key=ORDER.index)
    if method not in address.methods:
        return {400, 403, 404, 405, denied} | ({201, 204, 409} if whole == "write" else set())
    need, _ = address.methods[method]
    has = {"see": True, "read": own != "none", "read all": whole != "none", "write": whole == "write"}[need]
    if not has:
        return {denied}
    return {address.missing} if address.missing is not None else {200, 201, 204}


def test_every_kind_of_address_is_walked() -> None:
    """A new kind of resource needs its line in the table."""
    kinds = {kind for _, _, found in ROUTES.values() for kind in found} - {contexts.Databases}

    assert kinds == {address.kind for address in ADDRESSES}


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
def test_answers_follow_from_the_rights(walk: Walk, caller: Caller) -> None:
    """In every database, at every address, by every method; who is refused learns nothing."""
    wrong = []
    for database in DATABASES:
        for address in ADDRESSES:
            for method in (*METHODS, "HEAD", "OPTIONS"):
                body = address.methods.get(method, (None, ROW))[1] if method in ("POST", "PATCH", "PUT") else None
                headers = {**DRY, **walk.headers[caller.name]}
                url = f"/api/{database}/{address.path}"
                make = {"json": body} if body is not None else {}
                answer = send(walk.web, method, url, headers, make.get("json"))
                expected = expect(caller, database, address, method)
                if answer.status_int not in expected or (answer.status_int in (401, 403) and "Ada" in answer.text):
                    wrong.append((database, method, address.path, answer.status_int, expected, answer.text[:150]))

    assert wrong == []


def send(web: TestApp, method: str, url: str, headers: dict[str, str], body: Any) -> Any:
    """Send one request; cookies are those in *headers*."""
    web.reset()
    if body is not None:
        return getattr(web, f"{method.lower()}_json")(url, body, headers=headers, expect_errors=True)
    return web.request(url, method=method, headers=headers, expect_errors=True)


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
def test_the_list_of_databases_follows_from_the_rights(walk: Walk, caller: Caller) -> None:
    """``/api/`` names those that the caller could read."""
    walk.web.reset()
    answer = walk.web.get("/api/", headers=walk.headers[caller.name], expect_errors=True)

    if caller.name == "issued":
        assert [entry["name"] for entry in answer.json] == ["shop_issued"]
    elif caller.refused is not None:
        assert answer.status_int == caller.refused
    else:
        open_ones = {name for name, settings in DATABASES.items() if settings["anonymous"] != "none" or caller.right != "none"}
        assert {entry["name"] for entry in answer.json} == open_ones


OWN_PAGES = ["", "-/connections/new", "-/exports", "-/tokens"]
PAGES = OWN_PAGES + [f"shop_write{rest}" for rest in ("", "/customer", "/customer/1", "/-/new/customer")]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
def test_the_admin_is_for_those_who_are_logged_in(walk: Walk, caller: Caller, path: str) -> None:
    """Tokens are for the API; anybody else is led to the login, whatever is there."""
    walk.web.reset()
    answer = walk.web.get(f"/admin/{path}", headers=walk.headers[caller.name], expect_errors=True)

    if caller.name.startswith("admin"):
        assert answer.status_int == 200
    else:
        assert answer.status_int in (303, 401, 403)
        assert "Ada" not in answer.text
