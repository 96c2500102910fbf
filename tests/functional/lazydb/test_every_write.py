"""Every page that takes a POST, found by asking Pyramid, so that no new one is forgotten"""

from __future__ import annotations

import re
import sqlite3

from qapla.database.spec import parse_url

VALUES = {"database": "shop", "name": "shop", "target": "customer/1", "rest": "customer", "slash": "/", "job": "none", "export": "none"}
OPEN = {"auth.login", "auth.logout"}  # these answer by a page; what they do without a token is tested with them
WRITES = ("POST", "PUT", "PATCH", "DELETE")


def list_writes(application):
    """Return (route, path, method) of every view that changes something."""
    introspector = application.config.registry.introspector
    patterns = {found["introspectable"]["name"]: found["introspectable"]["pattern"] for found in introspector.get_category("routes")}
    found = set()
    for entry in introspector.get_category("views"):
        view = entry["introspectable"]
        methods = view["request_methods"] or ()
        for method in (methods,) if isinstance(methods, str) else methods:
            if method in WRITES and view["route_name"] in patterns:
                path = re.sub(r"{(\w+)(:[^{}]*)?}", lambda match: VALUES[match[1]], patterns[view["route_name"]])
                found.add((view["route_name"], "/" + path.lstrip("/"), method))
    return sorted(found)


def send_all(client, writes):
    """Send a small form to each; return the status of each answer."""
    sent = {"body": b"name=x", "content_type": "application/x-www-form-urlencoded", "status": "*"}
    return {(route, method): client.request(path, method=method, **sent).status_int for route, path, method in writes if route not in OPEN}


def add_shop(application, path):
    """Serve the shop, writable."""
    application["connections"].add(parse_url(f"sqlite:///{path}"), name="shop", settings={"writable": "true"})


def read_all(path):
    """Return everything that is in the shop."""
    connection = sqlite3.connect(path)
    found = list(connection.iterdump())
    connection.close()
    return found


def test_without_csrf_token_a_session_changes_nothing(lazydb, browser, shop_path):
    """The admin's cookie alone, which another site can make a browser send, is refused everywhere."""
    add_shop(lazydb, shop_path)
    before, writes = read_all(shop_path), list_writes(lazydb)

    answers = send_all(browser, writes)

    assert {key: status for key, status in answers.items() if status not in (403, 405)} == {}
    assert list(answers.values()).count(403) >= 12
    assert read_all(shop_path) == before
    assert lazydb["connections"].find("shop") is not None


def test_without_login_nothing_changes(lazydb, stranger, shop_path):
    """Whoever is not logged in is led to the login or told 401."""
    add_shop(lazydb, shop_path)
    before = read_all(shop_path)

    answers = send_all(stranger, list_writes(lazydb))

    assert {key: status for key, status in answers.items() if status not in (303, 401, 405)} == {}
    assert read_all(shop_path) == before
