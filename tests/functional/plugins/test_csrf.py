"""qapla.plugins.csrf: another site cannot use somebody's browser"""

from __future__ import annotations

import pytest
from pyramid.csrf import get_csrf_token
from pyramid.response import Response

from qapla.errors import SettingsError

CSRF = "qapla.plugins.csrf"
SECRET = {"session__secret": "s" * 32}
EVIL = {"Origin": "https://evil.example"}


def login(request):
    """Log somebody in, and answer the token."""
    request.session["user"] = 1
    return Response(get_csrf_token(request))


def write(request):
    """Change something."""
    return Response("written")


def hook(request):
    """Change something for a caller that is checked in another way."""
    return Response("hooked")


VIEWS = {"views": [login, write, hook], "options": {"login": {"require_csrf": False}, "hook": {"require_csrf": False}}}


@pytest.fixture
def web(make_web):
    """Give a client of a program whose views are checked."""
    return make_web(CSRF, **VIEWS, **SECRET)


class TestWithCookie:
    """Somebody whose cookie says who it is"""

    @pytest.fixture
    def token(self, web):
        """Give the token of somebody who is logged in."""
        return web.get("/login").text

    def test_needs_the_token(self, web, token):
        """In the header, or in the field of a form."""
        refusal = web.post("/write", status=403)

        assert "CSRF token is missing" in refusal.text
        assert web.post("/write", headers={"X-CSRF-Token": token}).text == "written"
        assert web.post("/write", {"csrf_token": token}).text == "written"

    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
    def test_every_method_that_writes(self, web, token, method):
        """Only reading is free."""
        getattr(web, method)("/write", status=403)
        assert web.get("/write").text == "written"

    def test_other_token(self, web, token):
        """That of another session is none."""
        web.post("/write", headers={"X-CSRF-Token": token[::-1] + "é"}, status=403)

    def test_token_is_not_enough_for_another_site(self, web, token):
        """A page of another site cannot write even if it got the token."""
        web.post("/write", headers={"X-CSRF-Token": token, **EVIL}, status=403)
        web.post("/write", headers={"X-CSRF-Token": token, "Sec-Fetch-Site": "cross-site"}, status=403)

    def test_own_pages(self, web, token):
        """Browsers name the origin of our own pages, too."""
        assert web.post("/write", headers={"X-CSRF-Token": token, "Origin": "http://localhost:80"}).text == "written"

    @pytest.mark.parametrize(
        ("kind", "body"),
        [("multipart/form-data", b"x"), ("application/x-www-form-urlencoded; charset=nonsense", b"a=%ff"), ("application/json", b"\xff{")],
    )
    def test_no_form_at_all(self, web, token, kind, body):
        """Malformed input is refused, never an error of ours."""
        web.post("/write", body, content_type=kind, status=403)

    def test_json_for_programs(self, web, token):
        """Who asks for JSON gets the error with its code."""
        assert web.post("/write", headers={"Accept": "application/json"}, status=403).json["code"] == "QAPLA403"

    def test_credentials_of_a_program(self, web, token):
        """A bearer token is sent by nobody's browser by itself; a password of the browser's own dialogue is."""
        assert web.post("/write", headers={"Authorization": "Bearer x", **EVIL}).text == "written"
        web.post("/write", headers={"Authorization": "Basic eDp5"}, status=403)

    def test_view_that_is_exempt(self, web, token):
        """``require_csrf=False`` is Pyramid's word for it."""
        assert web.post("/hook", headers=EVIL).text == "hooked"


class TestWithoutCookie:
    """Nobody in particular"""

    def test_programs(self, web):
        """There is nothing to steal."""
        assert web.post("/write").text == "written"

    @pytest.mark.parametrize("headers", [EVIL, {"Origin": "null"}, {"Origin": "http://["}, {"Sec-Fetch-Site": "cross-site"}])
    def test_other_sites(self, web, headers):
        """A page must not write to a server that only this browser can reach."""
        assert "is not allowed" in web.post("/write", headers=headers, status=403).text


class TestSettings:
    """csrf:…"""

    def test_trusted_origins(self, make_web):
        """Pages of a site of ours may write, with the token where a cookie says who it is."""
        web = make_web(CSRF, csrf__origins="https://app.example.org", **VIEWS, **SECRET)
        friend = {"Origin": "https://app.example.org"}

        web.post("/write", headers=friend)
        token = web.get("/login").text
        web.post("/write", headers=friend, status=403)
        web.post("/write", headers={**friend, "X-CSRF-Token": token})
        web.post("/write", headers={"X-CSRF-Token": token, **EVIL}, status=403)

    def test_fields_of_forms_only(self, make_web):
        """Elsewhere no body is read to find a token."""
        web = make_web(CSRF, csrf__forms_below="/pages/", **VIEWS, **SECRET)
        token = web.get("/login").text

        web.post("/write", {"csrf_token": token}, status=403)
        web.post("/write", headers={"X-CSRF-Token": token})

    @pytest.mark.parametrize("origins", ["foo", "https://app.example.org/", "https://app.example.org https://App.example.org"])
    def test_wrong_origins(self, make_web, origins):
        """What no browser sends as an origin is told at the start."""
        with pytest.raises(SettingsError, match="'csrf:origins'"):
            make_web(CSRF, csrf__origins=origins, **SECRET)

    def test_wrong_path(self, make_web):
        """It is told by its key."""
        with pytest.raises(SettingsError, match="'csrf:forms_below'"):
            make_web(CSRF, csrf__forms_below="pages", **SECRET)
