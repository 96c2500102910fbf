"""JSON web tokens of a connection's issuer beside our own tokens, and how much a caller may ask."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

if TYPE_CHECKING:
    from tests.functional.rest.conftest import Client

SECRET = "a secret of tests with more than 32 bytes"


def token(**claims: Any) -> dict[str, str]:
    """Return the header of somebody with a token of the issuer."""
    return {"Authorization": "Bearer " + jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET))}


@pytest.fixture
def issued(sqlite_web: Client) -> Client:
    """Give a database, of an engine without roles, that takes tokens of an issuer."""
    sqlite_web.serve(sqlite_web.served, anonymous="none", jwt_secret=SECRET, jwt_aud="shop")
    return sqlite_web


class TestIssued:
    """A database with an issuer"""

    @pytest.mark.usefixtures("nothing_else")
    def test_lets_tokens_in(self, issued: Client) -> None:
        """Where the engine has no roles, with the right that the connection gives them."""
        issued.get("/api/shop/order", headers=token(aud="shop"), status=200)
        issued.post_json("/api/shop/log", {"text": "x"}, headers=token(aud="shop"), status=403)
        assert [entry["name"] for entry in issued.get("/api/", headers=token(aud="shop")).json] == ["shop"]

        issued.serve(issued.served, anonymous="none", jwt_secret=SECRET, jwt_right="none")
        assert issued.get("/api/shop/order", headers=token(), status=403).json["code"] == "42501"

    @pytest.mark.parametrize(
        ("headers", "code", "message"),
        [
            (token(exp=int(time.time()) - 60), "PGRST303", "JWT expired"),
            (token(aud="others"), "PGRST303", "JWT not in audience"),
            ({"Authorization": "Bearer a.b"}, "PGRST301", "Expected 3 parts in JWT; got 2"),
            ({"Authorization": "Bearer a.b.c.d"}, "PGRST301", "Expected 3 parts in JWT; got 4"),
            ({"Authorization": "Bearer "}, "PGRST301", "Empty JWT is sent in Authorization header"),
            ({"Authorization": "Bearer a.b.c"}, "PGRST301", "JWT cryptographic operation failed"),
            ({"Authorization": "Bearer " + "a." * 2 + "c" * 20_000}, "PGRST301", "JWT cryptographic operation failed"),
        ],
    )
    def test_refuses_with_a_challenge(self, issued: Client, headers: dict[str, str], code: str, message: str) -> None:
        """401 with PostgREST's codes and words, also where anonymous callers are welcome."""
        issued.serve(issued.served, anonymous="read", jwt_secret=SECRET, jwt_aud="shop")

        answer = issued.get("/api/shop/order", headers=headers, status=401)

        assert (answer.json["code"], answer.json["message"]) == (code, message)
        challenge = f'Bearer error="invalid_token", error_description="{message}"'
        assert answer.headers.getall("WWW-Authenticate") == [challenge]

    def test_takes_our_own_tokens_too(self, issued: Client) -> None:
        """They have no dots."""
        issued.get("/api/shop/order", headers={"Authorization": "Bearer good"}, status=200)
        issued.get("/api/shop/order", headers={"Authorization": "bearer bad"}, status=401)

    def test_forgets_nothing_of_a_token_that_has_ended(self, issued: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        """A token that was good is looked at each time."""
        headers = token(aud="shop", exp=int(time.time()) + 100)
        issued.get("/api/shop/order", headers=headers, status=200)
        later = time.time() + 200
        monkeypatch.setattr("qapla.plugins.rest.callers.time.time", lambda: later)

        assert issued.get("/api/shop/order", headers=headers, status=401).json["message"] == "JWT expired"

    def test_refuses_after_another_secret_was_set(self, issued: Client) -> None:
        """What the old one signed is worth nothing."""
        headers = token(aud="shop")
        issued.get("/api/shop/order", headers=headers, status=200)
        issued.serve(issued.served, anonymous="none", jwt_secret=SECRET + "!")

        issued.get("/api/shop/order", headers=headers, status=401)


def test_a_database_without_issuer_takes_no_such_tokens(sqlite_web: Client) -> None:
    """401 PGRST301; as PostgREST, where a connection is to be like it, 500 PGRST300."""
    sqlite_web.serve(sqlite_web.served, anonymous="read")
    assert sqlite_web.get("/api/shop/order", headers=token(), status=401).json["code"] == "PGRST301"

    sqlite_web.serve(sqlite_web.served, anonymous="read", as_postgrest=True)
    answer = sqlite_web.get("/api/shop/order", headers=token(), status=500)
    assert (answer.json["code"], answer.json["message"]) == ("PGRST300", "Server lacks JWT secret")


class TestLimit:
    """``requests_per_minute``"""

    def test_is_each_callers_own(self, sqlite_web: Client) -> None:
        """429 with Retry-After for who asked too much, on every path of the database; the others go on."""
        sqlite_web.serve(sqlite_web.served, anonymous="read", requests_per_minute=40, jwt_secret=SECRET)
        mine = token(sub=f"ada {time.time_ns()}")

        statuses = [sqlite_web.get("/api/shop/order?limit=1", headers=mine, expect_errors=True).status_int for _ in range(90)]
        answer = sqlite_web.get("/api/shop/-/health", headers=mine, status=429)

        assert set(statuses) == {200, 429}
        assert answer.json["code"] == "QAPLA429"
        assert 1 <= int(answer.headers["Retry-After"]) <= 61
        sqlite_web.get("/api/shop/order", headers=token(sub=f"bo {time.time_ns()}"), status=200)

    def test_counts_tokens_that_are_not_valid(self, sqlite_web: Client) -> None:
        """By their address: guessing is bounded, too."""
        sqlite_web.serve(sqlite_web.served, anonymous="none", requests_per_minute=5)
        where = {"REMOTE_ADDR": f"2001:db8:{time.time_ns() % 65536:x}::1"}
        headers = {"Authorization": "Bearer bad"}

        statuses = [sqlite_web.get("/api/shop/", headers=headers, extra_environ=where, expect_errors=True).status_int for _ in range(12)]

        assert set(statuses) == {401, 429}
