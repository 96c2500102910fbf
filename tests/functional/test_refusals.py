"""qapla.refusals: errors of ours as answers, in a plain Pyramid program"""

from __future__ import annotations

import pytest
from pyramid.config import Configurator
from webtest import TestApp

from qapla.errors import Conflict, DatabaseError, Unavailable

RAISED = {
    "taken": Conflict("the name '<b>shop</b>' is taken", hint="choose another"),
    "away": Unavailable("database 'main' is away", headers={"Retry-After": "5"}),
    "fault": DatabaseError("column geheim of relation salary"),
}


def answer(request):
    """Raise what is asked for."""
    if request.GET.get("a") or request.matchdict["what"] == "file":
        b"\xff".decode()
    raise RAISED[request.matchdict["what"]]


@pytest.fixture
def web():
    """Give a client of a program that includes the answers."""
    config = Configurator()
    config.include("qapla.refusals")
    config.add_route("raise", "/{what}")
    config.add_view(answer, route_name="raise")
    return TestApp(config.make_wsgi_app())


def test_sentence(web):
    """Text, which no browser takes for a page, or JSON for who asks."""
    text, values = web.get("/taken", status=409), web.get("/taken", headers={"Accept": "application/json"}, status=409)

    assert text.text == "the name '<b>shop</b>' is taken (choose another)\n"
    assert (text.content_type, text.headers["X-Content-Type-Options"]) == ("text/plain", "nosniff")
    assert values.json == {"code": "QAPLA409", "message": "the name '<b>shop</b>' is taken", "details": None, "hint": "choose another"}


def test_headers(web):
    """When to come back is told."""
    assert web.get("/away", status=503).headers["Retry-After"] == "5"


@pytest.mark.parametrize("accept", ["text/plain", "application/json"])
def test_fault_of_ours(web, caplog, accept):
    """What an engine says of a mistake of ours is for the log."""
    found = web.get("/fault", headers={"Accept": accept}, status=500)

    assert "geheim" not in found.text
    assert "internal error" in found.text
    assert "geheim" in caplog.text


@pytest.mark.parametrize("address", ["/taken?a=%ff", "/%ff"])
def test_address_is_not_utf8(web, address):
    """A mistake of who sent it, also in a program that looks at no address before its views do."""
    assert web.get(address, status=400).text == "the address is not UTF-8 (percent-encode it as UTF-8)\n"


def test_bytes_of_somebody_else(web):
    """A view that reads what is not UTF-8 has a mistake of its own."""
    with pytest.raises(UnicodeDecodeError):
        web.get("/file")
