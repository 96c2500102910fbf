"""qapla.plugins.auth: who is asking, over HTTP"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from pyramid.csrf import get_csrf_token
from pyramid.response import Response
from webtest import TestApp

from qapla.application import Application
from qapla.errors import QaplaError
from qapla.plugin import Plugin
from qapla.plugins.auth.passwords import hash_password
from qapla.plugins.auth.plugin import AuthPlugin
from qapla.plugins.auth.tokens import make_token
from qapla.plugins.csrf.plugin import CsrfPlugin
from qapla.plugins.session.plugin import SessionPlugin
from qapla.ports import AccessToken, Account

PASSWORD = "correct horse battery"


class Accounts:
    """An account store in memory."""

    def __init__(self):
        self.users = {1: Account(1, "admin", HASH, 1), 2: Account(2, "linked", None, 1)}
        self.tokens, self.links, self.logins = {}, {}, []

    def find_user(self, user_id):
        """Find by id."""
        return self.users.get(user_id)

    def find_user_by_name(self, name):
        """Find by name."""
        return next((user for user in self.users.values() if user.name == name), None)

    def find_token(self, digest):
        """Find by digest."""
        return self.tokens.get(digest)

    def use_login_link(self, digest):
        """Use it up."""
        return self.users.get(self.links.pop(digest, 0))

    def set_password(self, user_id, password_hash, *, end_sessions=True):
        """Change it."""
        user = self.users[user_id]
        self.users[user_id] = replace(user, password_hash=password_hash, epoch=user.epoch + end_sessions)

    def note_login(self, user_id):
        """Note it."""
        self.logins.append(user_id)


HASH = hash_password(PASSWORD)


class Value(Plugin):
    """A plugin that is a value."""

    def __init__(self, key, value):
        self.key, self.value = key, value

    def start(self, app):
        """Return it."""
        return self.value


def who(request):
    """Answer who is asking."""
    return Response(f"{request.identity.kind} {request.identity.name}")


def token_of(request):
    """Answer the CSRF token, as a page would show it."""
    return Response(get_csrf_token(request))


def refused(error, request):
    """Show an error as REST does."""
    answer = Response(json_body=error.as_json(), status=error.status)
    answer.headers.update(error.headers)
    return answer


@pytest.fixture
def accounts():
    """Give the accounts of the application behind ``web``."""
    return Accounts()


@pytest.fixture
def web(accounts):
    """Give a client of an application with the admin's pages and logins."""

    class Small(Application):
        class MetaConfig:
            settings_module = "lazydb.settings"

        def append_app_plugins(self):
            self.add_app_plugin(Value("accounts", accounts))
            self.add_app_plugin(SessionPlugin())
            self.add_app_plugin(CsrfPlugin())
            self.add_app_plugin(AuthPlugin(prefix="/admin/-", home="/admin/"))

        def append_web_plugins(self):
            self.config.include("qapla.plugins.admin.pages")
            self.config.add_route("who", "/api/who")
            self.config.add_view(who, route_name="who")
            self.config.add_route("token", "/admin/token")
            self.config.add_view(token_of, route_name="token")
            self.config.add_exception_view(refused, context=QaplaError)

    app = Small()
    client = TestApp(app.run_web_tests({"web:hosts": ("db.example.org",)}))
    client.application = app
    yield client
    app.stop()


def sign_in(web, name="admin", password=PASSWORD, status=303, target="", **extra):
    """Fill in the form."""
    page = web.get(f"/admin/-/login{target}", **extra)
    form = page.forms["login"]
    form["name"], form["password"] = name, password
    return form.submit(status=status, **extra)


def csrf(web):
    """Return the CSRF token of the session."""
    return web.get("/admin/token").text


class TestPassword:
    """POST /admin/-/login"""

    def test_right(self, web, accounts):
        """The right password leads to the admin, and the session knows who it is."""
        answer = sign_in(web)

        assert answer.location.endswith("/admin/")
        assert web.get("/api/who").text == "user admin"
        assert accounts.logins == [1]

    @pytest.mark.parametrize(("name", "password"), [("admin", "wrong password"), ("nobody", PASSWORD), ("linked", ""), ("", "")])
    def test_wrong(self, web, name, password):
        """The answer does not tell whether name or password is wrong; the name is kept in the form."""
        answer = sign_in(web, name, password, status=401)

        assert "Name or password is not right." in answer.text
        assert answer.forms["login"]["name"].value == name
        assert web.get("/api/who").text == "anonymous anonymous"

    def test_too_often(self, web):
        """The sixth try has to wait, even with the right password."""
        for _ in range(5):
            sign_in(web, "admin", "wrong password", status=401)

        answer = sign_in(web, status=429)

        assert int(answer.headers["Retry-After"]) > 200
        assert "Too many logins have failed" in answer.text

    def test_without_csrf_token(self, web):
        """A form that another site made logs nobody in."""
        web.post("/admin/-/login", {"name": "admin", "password": PASSWORD}, status=403)

        assert web.get("/api/who").text == "anonymous anonymous"

    @pytest.mark.parametrize(
        ("kind", "body"),
        [("multipart/form-data", b"x"), ("application/x-www-form-urlencoded; charset=nonsense", b"name=%ff"), ("text/plain", b"\xff")],
    )
    def test_no_form_at_all(self, web, kind, body):
        """Malformed input is refused, never an error of ours."""
        web.post("/admin/-/login", body, content_type=kind, status=403)

    def test_large_form_is_refused_unread(self, web):
        """Strangers cannot keep the server busy with a form of many parts."""
        part = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'

        answer = web.post("/admin/-/login", part * 1000 + b"--b--", content_type="multipart/form-data; boundary=b", status=413)

        assert "too large" in answer.json["message"]

    def test_goes_on_where_one_came_from(self, web):
        """``next`` leads back, to pages of ours only."""
        assert sign_in(web, target="?next=/admin/shop%3Fa=1").location.endswith("/admin/shop?a=1")

    def test_foreign_next_leads_home(self, web):
        """No open redirect."""
        assert sign_in(web, target="?next=//evil.example/").location == "http://localhost/admin/"

    def test_cookie(self, web):
        """The cookie is for this server only and no script can read it; over https it stays there."""
        plain = web.get("/admin/-/login").headers["Set-Cookie"]
        tls = web.get("/admin/-/login", extra_environ={"wsgi.url_scheme": "https"}).headers["Set-Cookie"]

        assert re.search(r"HttpOnly.*SameSite=Lax", plain)
        assert "secure" not in plain.lower()
        assert "secure" in tls.lower()

    def test_session_is_another_one_after_login(self, web):
        """A CSRF token, and a session, from before the login is worth nothing afterwards."""
        before = web.get("/admin/-/login").forms["login"]["csrf_token"].value
        sign_in(web)

        web.post("/api/who", headers={"X-CSRF-Token": before}, status=403)

    def test_page_is_protected(self, web):
        """Strict CSP, no framing, no sniffing, not kept."""
        headers = web.get("/admin/-/login").headers

        assert "script-src 'self'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


class TestLink:
    """GET /admin/-/login?token=…"""

    def test_works_once(self, web, accounts):
        """The second use is told that it is one; the token is gone from the address."""
        token, digest = make_token()
        accounts.links[digest] = 2

        assert web.get(f"/admin/-/login?token={token}", status=303).location == "http://localhost/admin/"
        assert web.get("/api/who").text == "user linked"
        web.reset()
        assert "used already" in web.get(f"/admin/-/login?token={token}", status=410).text
        assert web.get("/api/who").text == "anonymous anonymous"

    def test_looking_ahead_uses_up_nothing(self, web, accounts):
        """What checks or prefetches links does not log in."""
        token, digest = make_token()
        accounts.links[digest] = 2

        web.head(f"/admin/-/login?token={token}")
        web.get(f"/admin/-/login?token={token}", headers={"Sec-Purpose": "prefetch;prerender"})

        assert accounts.links


class TestSession:
    """The session cookie"""

    def test_logout(self, web):
        """Afterwards nobody is logged in."""
        sign_in(web)
        token = csrf(web)

        web.post("/admin/-/logout", {"csrf_token": token}, status=303)

        assert web.get("/api/who").text == "anonymous anonymous"

    def test_logout_needs_the_csrf_token(self, web):
        """Another site cannot end a session."""
        sign_in(web)

        web.post("/admin/-/logout", status=303)

        assert web.get("/api/who").text == "user admin"

    def test_new_password_ends_sessions(self, web, accounts):
        """Whoever had the old one is out."""
        sign_in(web)

        accounts.set_password(1, HASH)

        assert web.get("/api/who").text == "anonymous anonymous"

    def test_removed_account_has_no_session(self, web, accounts):
        """It ends at once."""
        sign_in(web)

        del accounts.users[1]

        assert web.get("/api/who").text == "anonymous anonymous"

    def test_changed_cookie_is_nobody(self, web):
        """The signature has to fit."""
        sign_in(web)
        name, value = next(iter(web.cookies.items()))

        web.set_cookie(name, value.strip('"')[:-4] + "AAAA")

        assert web.get("/api/who").text == "anonymous anonymous"

    def test_session_ends_after_its_lifetime(self, web):
        """However much it is used."""
        sign_in(web)
        identifier = web.application["identifier"]
        now = identifier._clock
        identifier._clock = lambda: now() + 8 * 24 * 3600

        assert web.get("/api/who").text == "anonymous anonymous"

    def test_write_needs_the_csrf_token(self, web):
        """A session is not enough to write; a header with its token is."""
        sign_in(web)

        assert web.post("/api/who", status=403).json["code"] == "QAPLA403"
        assert web.post("/api/who", headers={"X-CSRF-Token": csrf(web)}).text == "user admin"

    def test_form_field_does_not_count_for_rest(self, web):
        """Bodies of REST requests are not read to find out who is asking."""
        sign_in(web)

        web.post("/api/who", {"csrf_token": csrf(web)}, status=403)

    def test_other_origin_cannot_write(self, web):
        """Not even with the token."""
        sign_in(web)
        headers = {"X-CSRF-Token": csrf(web), "Origin": "http://127.0.0.1:3000"}

        web.post("/api/who", headers=headers, status=403)


class TestAnonymous:
    """No credentials"""

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://db.example.org:81"},
            {"Sec-Fetch-Site": "cross-site"},
        ],
    )
    def test_other_sites_cannot_write(self, web, headers):
        """A web page must not write to a server on this machine behind its user's back."""
        assert web.get("/api/who", headers=headers).text == "anonymous anonymous"
        web.post("/api/who", headers=headers, status=403)

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Origin": "http://localhost"},
            {"Origin": "https://LOCALHOST:443"},
            {"Sec-Fetch-Site": "same-origin"},
            {"Origin": "https://db.example.org"},  # a proxy that puts its own name for us into Host
        ],
    )
    def test_programs_and_own_pages_can(self, web, headers):
        """Whoever is no other site's page is asked for rights only."""
        assert web.post("/api/who", headers=headers).text == "anonymous anonymous"


class TestToken:
    """Authorization: Bearer …"""

    @pytest.fixture
    def bearer(self, accounts):
        """Give a function that makes a token."""

        def make(expires_at=None):
            token, digest = make_token()
            accounts.tokens[digest] = AccessToken(7, "robot", expires_at)
            return {"Authorization": f"Bearer {token}"}

        return make

    def test_valid(self, web, bearer):
        """A token needs no CSRF token, and wins over a session."""
        sign_in(web)

        assert web.post("/api/who", headers=bearer()).text == "token robot"

    def test_expired(self, web, bearer):
        """It is told so."""
        answer = web.get("/api/who", headers=bearer(expires_at=1.0), status=401)

        assert answer.json["code"] == "PGRST303"
        assert answer.headers["WWW-Authenticate"] == "Bearer"

    @pytest.mark.parametrize("value", ["Bearer nonsense", "Bearer", "bearer ", "Basic YTpi", "", "Bearer " + "x" * 9000])
    def test_not_valid(self, web, value):
        """Credentials that are not valid are never anonymous."""
        assert web.get("/api/who", headers={"Authorization": value}, status=401).json["message"]

    def test_jwt_without_issuer(self, web):
        """The answer has PostgREST's code."""
        assert web.get("/api/who", headers={"Authorization": "Bearer eyJh.eyJz.c2ln"}, status=401).json["code"] == "PGRST301"
