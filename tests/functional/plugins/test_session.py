"""qapla.plugins.session: what is remembered from one request to the next"""

from __future__ import annotations

import pytest
from pyramid.response import Response

from qapla.errors import PluginError, SettingsError
from qapla.plugins.session.options import Options
from qapla.testing.processes import free_port

SESSION = "qapla.plugins.session"
OLD, NEW = "o" * 32, "n" * 32


def visit(request):
    """Count visits."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    return Response(str(request.session["visits"]))


def look(request):
    """Answer what is remembered."""
    return Response(str(request.session.get("visits")))


def renew(request):
    """Begin a new session, as a login does."""
    request.session.invalidate()
    request.session["visits"] = 100
    return Response("")


def forget(request):
    """End the session."""
    request.session.invalidate()
    return Response("")


def late(request):
    """Count a visit while somebody logs out elsewhere."""
    request.session["visits"] += 1
    for key in request.redis.scan_iter("session:*"):
        request.redis.delete(key)
    return Response("")


VIEWS = [visit, look, renew, forget, late]


@pytest.fixture(params=["cookie", "redis"])
def make_session(request, make_web):
    """Give a function that makes a client of a program with sessions, in each store; settings win over those given here."""

    def make(**settings):
        includes, given = [SESSION], {"session__secret": NEW, "session__store": request.param}
        if request.param == "redis":
            includes = ["qapla.plugins.redis", SESSION]
            given["redis__default__url"] = request.getfixturevalue("redis_url")
        return make_web(*includes, views=VIEWS, **{**given, **settings})

    return make


def cookie(web):
    """Return the value of the session's cookie."""
    return web.cookies["session"].strip('"')


class TestStores:
    """In a cookie, and in Redis"""

    def test_remembers(self, make_session):
        """What one request leaves the next one finds; somebody else finds nothing."""
        web = make_session()

        assert [web.get("/visit").text for _ in range(3)] == ["1", "2", "3"]
        web.reset()
        assert web.get("/look").text == "None"

    def test_nothing_is_set_for_nothing(self, make_session):
        """Who is only read for has no cookie."""
        assert "Set-Cookie" not in make_session().get("/look").headers

    def test_cookie(self, make_session):
        """No script can read it, other sites send it with links only, and over https it stays there."""
        plain = make_session().get("/visit").headers["Set-Cookie"]
        tls = make_session().get("/visit", extra_environ={"wsgi.url_scheme": "https"}).headers["Set-Cookie"]

        assert "httponly" in plain.lower()
        assert "samesite=lax" in plain.lower()
        assert ("secure" in plain.lower(), "secure" in tls.lower()) == (False, True)

    def test_settings_of_the_cookie(self, make_session):
        """Name, SameSite and Secure can be said."""
        web = make_session(session__cookie="shop", session__samesite="none", session__secure="true")

        header = web.get("/visit").headers["Set-Cookie"].lower()

        assert header.startswith("shop=")
        assert "samesite=none" in header
        assert "secure" in header

    @pytest.mark.parametrize("change", [lambda value: value[:-4] + "AAAA", lambda value: "nonsense", lambda value: ""])
    def test_forged_cookie_is_nobody(self, make_session, change):
        """The signature has to fit."""
        web = make_session()
        web.get("/visit")

        web.set_cookie("session", change(cookie(web)))

        assert web.get("/look").text == "None"

    def test_secret_can_be_replaced(self, make_session):
        """While both are there, sessions of the old one go on; without it they have ended."""
        before = make_session(session__secret=OLD)
        before.get("/visit")
        both, after = make_session(session__secret=f"{NEW} {OLD}"), make_session()

        for web in (both, after):
            web.set_cookie("session", cookie(before))

        assert both.get("/visit").text == "2"
        assert after.get("/look").text == "None"

    def test_ends_when_idle(self, make_session, monkeypatch):
        """After the timeout nothing is remembered."""
        web = make_session(session__timeout_s="60")
        web.get("/visit")
        import time

        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 61)

        assert web.get("/look").text == "None"


class TestRedis:
    """session:store = redis"""

    @pytest.fixture
    def web(self, make_web, redis_url):
        """Give a client of a program with sessions in Redis."""
        settings = {"session__secret": NEW, "session__store": "redis", "redis__default__url": redis_url}
        web = make_web("qapla.plugins.redis", SESSION, views=VIEWS, **settings)
        web.redis = web.application["redis"]["default"]
        for key in web.redis.scan_iter("session:*"):
            web.redis.delete(key)
        return web

    def test_cookie_is_only_an_id(self, web):
        """What is remembered is at the server, as JSON, and goes by itself."""
        web.get("/visit")

        (key,) = web.redis.scan_iter("session:*")
        assert b'"visits"' in web.redis.get(key)
        assert 0 < web.redis.ttl(key) <= 12 * 3600

    def test_renewed_session_has_another_id(self, web):
        """A session that somebody fixed before the login is worth nothing after it."""
        web.get("/visit")
        before, key = cookie(web), next(web.redis.scan_iter("session:*"))

        web.get("/renew")

        assert cookie(web) != before
        assert not web.redis.exists(key)
        web.set_cookie("session", before)
        assert web.get("/look").text == "None"

    def test_ended_session_is_gone(self, web):
        """Whoever kept the cookie has nothing."""
        web.get("/visit")
        before = cookie(web)

        web.get("/forget")
        web.set_cookie("session", before)

        assert list(web.redis.scan_iter("session:*")) == []
        assert web.get("/look").text == "None"

    def test_ended_meanwhile(self, web):
        """A request that was under way at a logout does not bring the session back."""
        web.get("/visit")
        before = cookie(web)

        web.get("/late")

        assert list(web.redis.scan_iter("session:*")) == []
        assert "session" not in web.cookies
        web.set_cookie("session", before)
        assert web.get("/look").text == "None"

    def test_redis_away(self, make_web):
        """Who asks for a session is told to come back."""
        url = f"redis://127.0.0.1:{free_port()}/0"
        settings = {"session__secret": NEW, "session__store": "redis", "redis__default__url": url}
        web = make_web("qapla.plugins.redis", SESSION, views=VIEWS, **settings)
        web.set_cookie("session", "x")

        first = web.get("/visit", status=503)

        assert first.headers["Retry-After"] == "5"

    def test_needs_redis(self, make_web):
        """Without clients of Redis there are no sessions in it."""
        with pytest.raises(PluginError, match=r"'session' keeps sessions in Redis and needs 'redis'"):
            make_web(SESSION, session__secret=NEW, session__store="redis")


class TestSettings:
    """session:…"""

    @pytest.mark.parametrize(
        ("settings", "told"),
        [
            ({}, r"'session:secret' is missing .*at least 32 characters"),
            ({"session__secret": "short"}, r"'session:secret' .* is wrong .*at least 32"),
            ({"session__secret": f"{NEW} short"}, "'session:secret'"),
            ({"session__secret": NEW, "session__store": "memory"}, r"'session:store' .*cookie or redis"),
            ({"session__secret": NEW, "session__samesite": "some"}, r"'session:samesite' .*lax, strict, none"),
            ({"session__secret": NEW, "session__samesite": "none"}, "set 'session:secure' to true"),
            ({"session__secret": NEW, "session__secure": "perhaps"}, "'session:secure'"),
            ({"session__secret": NEW, "session__timeout_s": "0"}, "'session:timeout_s'"),
            ({"session__secret": NEW, "session__cookie": "a b;c"}, "'session:cookie' .*a name of letters"),
        ],
    )
    def test_wrong_ones_are_told_at_the_start(self, make_web, settings, told):
        """By their key; no secret is made up, and none is shown."""
        with pytest.raises(SettingsError, match=told) as caught:
            make_web(SESSION, **settings)

        assert NEW not in str(caught.value)

    def test_secrets_are_not_shown(self):
        """Not by the value of the plugin, either."""
        assert NEW not in repr(Options("session", "cookie", 60, "Lax", None, (NEW,)))
