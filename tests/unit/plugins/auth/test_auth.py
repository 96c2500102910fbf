"""qapla.plugins.auth: passwords, tokens, throttle, redirects"""

from __future__ import annotations

import pytest

from qapla.errors import AccessError, ValueRefused
from qapla.plugins.auth.passwords import hash_password, is_right, is_stale
from qapla.plugins.auth.redirects import safe_target
from qapla.plugins.auth.throttle import PER_ACCOUNT, PER_ADDRESS, WINDOW_S, Throttle
from qapla.plugins.auth.tokens import digest, is_jwt, make_token


class TestPasswords:
    """hash_password, is_right"""

    def test_hash_and_verify(self):
        """Only the right password fits; the hash is argon2id and says so."""
        kept = hash_password("correct horse battery")

        assert kept.startswith("$argon2id$")
        assert is_right("correct horse battery", kept)
        assert not is_right("correct horse batterz", kept)
        assert not is_stale(kept)

    @pytest.mark.parametrize("kept", [None, "", "no hash at all", "$argon2id$broken"])
    def test_without_a_hash_nothing_is_right(self, kept):
        """An account without a password takes none."""
        assert not is_right("anything at all", kept)

    @pytest.mark.parametrize("password", ["short", "x" * 1025])
    def test_too_short_or_too_long(self, password):
        """The error names the length, not the password."""
        with pytest.raises(ValueRefused) as caught:
            hash_password(password)
        assert password not in str(caught.value)

    def test_odd_text(self):
        """Any text is a password, also one that is not valid UTF-8."""
        assert is_right("\udcff🎵 twelve chars", hash_password("\udcff🎵 twelve chars"))


class TestTokens:
    """make_token, digest, is_jwt"""

    def test_only_the_digest_is_kept(self):
        """Tokens are random, long, and found by their SHA-256."""
        one, other = make_token("ldb_"), make_token("ldb_")

        assert one[0] != other[0]
        assert one[0].startswith("ldb_")
        assert len(one[0]) >= 43
        assert one[1] == digest(one[0])
        assert not is_jwt(one[0])

    @pytest.mark.parametrize(("text", "jwt"), [("eyJh.eyJz.c2ln", True), ("eyJh.eyJz.", True), ("a.b", False), ("a b.c.d", False)])
    def test_jwt(self, text, jwt):
        """A JSON Web Token has three parts."""
        assert is_jwt(text) is jwt


class TestThrottle:
    """Throttle"""

    @pytest.fixture
    def now(self):
        """Give a clock that stands still."""
        return [1000.0]

    @pytest.fixture
    def throttle(self, now):
        """Give a throttle on that clock."""
        return Throttle(clock=lambda: now[0], size=50)

    def test_account(self, throttle, now):
        """After some failures an account waits, from this address only, and not for ever."""
        for _ in range(PER_ACCOUNT):
            throttle.check("Admin", "1.2.3.4")
            throttle.fail("Admin", "1.2.3.4")

        with pytest.raises(AccessError, match="too many") as caught:
            throttle.check("admin", "1.2.3.4")
        assert (caught.value.status, caught.value.headers["Retry-After"]) == (429, str(WINDOW_S + 1))
        throttle.check("admin", "5.6.7.8")
        throttle.check("other", "1.2.3.4")
        now[0] += WINDOW_S
        throttle.check("admin", "1.2.3.4")

    def test_address(self, throttle):
        """Whoever tries many names waits, too."""
        for number in range(PER_ADDRESS):
            throttle.fail(f"user{number}", "1.2.3.4")

        with pytest.raises(AccessError):
            throttle.check("another", "1.2.3.4")

    def test_success_forgets(self, throttle):
        """The right password clears what was wrong before."""
        for _ in range(PER_ACCOUNT):
            throttle.fail("admin", "1.2.3.4")

        throttle.succeed("admin", "1.2.3.4")

        throttle.check("admin", "1.2.3.4")

    def test_memory_is_bounded(self, throttle):
        """The oldest are forgotten first."""
        for number in range(1000):
            throttle.fail("admin", f"10.0.0.{number}")

        assert len(throttle._failures) <= 50


@pytest.mark.parametrize("target", ["/admin/shop?x=1&y=%2F", "/", "/admin/-/jump?q=//x"])
def test_safe_targets(target):
    """A path on this server is fine."""
    assert safe_target(target, "/admin/") == target


@pytest.mark.parametrize(
    "target",
    [None, "", "//evil.example", "/\\evil", "https://evil.example", "javascript:x", "/a\r\nX: y", "/\t/evil", "/a b", "/\x00", "/" * 3000],
)
def test_unsafe_targets(target):
    """Anything else leads home."""
    assert safe_target(target, "/admin/") == "/admin/"
