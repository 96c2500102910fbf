"""Who has no right on a database learns nothing of it but its name, on any way to it."""

from __future__ import annotations

import pytest

from lazydb.plugins import FIRST_ADMIN
from qapla.plugins.auth.tokens import make_token


@pytest.fixture
def add_shop(lazydb, shop_path):
    """Register the shop, writable: an admin may do everything in it."""
    connections = lazydb["connections"]
    from qapla.database.spec import parse_url

    spec = parse_url(f"sqlite:///{shop_path}", origin=connections.origins["command line"])
    return connections.add(spec, settings={"writable": True})


@pytest.fixture
def outsider(lazydb, stranger, add_shop):
    """A browser in which somebody is logged in who may nothing."""
    token, digest = make_token()
    lazydb["accounts"].add_user(FIRST_ADMIN)
    lazydb["accounts"].add_login_link(lazydb["accounts"].add_user("eve", role="user").id, digest, 60)
    stranger.get(f"/admin/-/login?token={token}", status=303)
    return stranger


@pytest.fixture
def headers(lazydb, add_shop):
    """The token of a program that may read another database."""
    token, digest = make_token()
    lazydb["accounts"].add_token("nightly", digest, {"other": "read"})
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    "path",
    [
        "", "/customer", "/custmer", "/customer/1", "/-/new/customer", "/-/edit/customer/1", "/-/csv/customer",
        "/-/pick/order?column=customer_id",
    ],
)
def test_user_sees_no_page(outsider, path):
    """Each page of the admin is refused, and names no table or column that the address does not name itself."""
    answer = outsider.get(f"/admin/shop{path}", status=403)

    assert not {"email", "note", "did you mean"} & set(answer.html.select_one("main").text.split())


@pytest.mark.parametrize("path", ["", "customer", "custmer", "customer/1/2", "-/schema", "-/schema/customer", "-/health", "rpc/now"])
def test_token_gets_no_answer(stranger, headers, path):
    """Each resource of the REST API is refused before the rest of its path is looked at."""
    answer = stranger.get(f"/api/shop/{path}", headers=headers, status=403)

    assert answer.json == {"code": "42501", "message": "permission denied for database shop", "details": None, "hint": None}


def test_nobody_is_told_the_name_of_what_is_closed(stranger, headers):
    """The hint at a database of a similar name is for those who may see it."""
    assert stranger.get("/api/shp/", headers=headers, status=404).json["hint"] is None
    assert stranger.get("/api/shp/", status=404).json["hint"] is None
