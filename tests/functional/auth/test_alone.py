"""qapla.plugins.auth in an application that is not lazydb: its own accounts, no admin"""

from __future__ import annotations

import pytest
from pyramid.config import Configurator
from pyramid.response import Response
from webtest import TestApp

from qapla.errors import PluginError
from qapla.plugin import Plugin
from qapla.plugins.auth.passwords import hash_password
from qapla.plugins.auth.plugin import AuthPlugin
from qapla.ports import Account
from qapla.web import include_plugin

PASSWORD = "correct horse battery"


class Members(Plugin):
    """A store of one account, with what a login asks for."""

    key = "members"

    def start(self, app):
        """Make the account."""
        self.account = Account(7, "ada", hash_password(PASSWORD), 1)
        return self

    def find_user(self, user_id):
        """Find by id."""
        return self.account if user_id == 7 else None

    def find_user_by_name(self, name):
        """Find by name."""
        return self.account if name == "ada" else None

    def find_token(self, digest):
        """Know no token."""

    def note_login(self, user_id):
        """Note nothing."""


def who(request):
    """Answer who is asking."""
    return Response(request.identity.name)


@pytest.fixture
def make_web():
    """Give a function that makes a client of a plain Pyramid program with members."""
    registries = []

    def make(auth, *, with_members=True):
        config = Configurator(settings={"qapla.session.secret": "s" * 32})
        if with_members:
            include_plugin(config, Members())
        include_plugin(config, auth)
        config.add_route("who", "/who")
        config.add_view(who, route_name="who")
        registries.append(config.registry)
        return TestApp(config.make_wsgi_app())

    yield make
    for registry in registries:
        registry["qapla.app"].stop()


def sign_in(web, path, password=PASSWORD, status=303):
    """Fill in the form."""
    form = web.get(path).forms["login"]
    form["name"], form["password"] = "ada", password
    return form.submit(status=status)


def test_login_on_a_plain_page(make_web):
    """Sessions and CSRF come along; the page needs nothing of the admin, and is as strict."""
    web = make_web(AuthPlugin("members", home="/who"))
    page = web.get("/login")

    answer = sign_in(web, "/login").follow()

    assert answer.text == "ada"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"


def test_wrong_password(make_web):
    """It is said on the page."""
    answer = sign_in(make_web(AuthPlugin("members")), "/login", "wrong password", status=401)

    assert "Name or password is not right." in answer.text
    assert answer.forms["login"]["name"].value == "ada"


def test_writes_need_the_token_of_the_session(make_web):
    """Before the login an own page may post as nobody; afterwards only with its token."""
    web = make_web(AuthPlugin("members"))
    web.get("/login")

    assert web.post("/who").text == "anonymous"
    sign_in(web, "/login")
    assert "CSRF" in web.post("/who", status=403).text


def test_pages_elsewhere(make_web):
    """Below a path of one's own."""
    web = make_web(AuthPlugin("members", prefix="/members/", home="/who"))

    assert sign_in(web, "/members/login").location == "http://localhost/who"
    token = web.get("/members/login?next=/who", status=303).follow()
    assert token.text == "ada"


def test_page_of_ones_own(make_web, tmp_path):
    """A template of the application gets what the page has to show."""
    auth = AuthPlugin("members", template="json")

    assert make_web(auth).get("/login").json == {"title": "Sign in", "problem": None, "name": "", "target": ""}


def test_refusals_are_told(make_web):
    """Credentials that are not valid are 401 in a program that knows nothing of our errors."""
    answer = make_web(AuthPlugin("members")).get("/who", headers={"Authorization": "Bearer nonsense"}, status=401)

    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "the token is not valid" in answer.text


def test_without_accounts(make_web):
    """What is missing is named."""
    with pytest.raises(PluginError, match=r"'identifier' .* needs 'accounts'"):
        make_web(AuthPlugin(), with_members=False)
