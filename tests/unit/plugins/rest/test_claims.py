"""What a JSON web token says, and which keys may have signed it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from qapla.errors import InputError, NotAuthenticated, QueryError
from qapla.plugins.rest.claims import check_claims, find_role, parse_path
from qapla.plugins.rest.issuers import ALGORITHMS, MOST_TOKENS, Issuer, get_issuer, read_keys

NOW = 1_700_000_000.0
SECRET = "a secret of tests with more than 32 bytes"
RSA_KEY, EC_KEY, ED_KEY = RSAKey.generate_key(2048), ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519")


class Registry(jws.JWSRegistry):
    """Signs with whatever a test wants."""

    def get_alg(self, name: str) -> Any:
        """Return it without a warning."""
        return self.algorithms[name]


def sign(key: Any, algorithm: str, claims: Any, **header: Any) -> str:
    """Return a token."""
    registry = Registry(algorithms=[algorithm], strict_check_header=False)
    return jws.serialize_compact({"alg": algorithm, **header}, json.dumps(claims), key, [algorithm], registry)


def raw(header: bytes, payload: bytes, signature: str = "") -> str:
    """Return a token of any parts."""
    first, second = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (header, payload))
    return f"{first}.{second}.{signature}"


def public(key: Any, **more: Any) -> dict[str, Any]:
    """Return what is public of a key."""
    return {**key.as_dict(private=False), **more}


SET = json.dumps({"keys": [public(RSA_KEY, kid="r"), public(EC_KEY, kid="e"), public(ED_KEY, kid="d"), {"kty": "unheard of"}]})


class TestClaims:
    """Times and audience"""

    @pytest.mark.parametrize(
        ("claims", "message"),
        [
            ({"exp": NOW - 31}, "JWT expired"),
            ({"nbf": NOW + 31}, "JWT not yet valid"),
            ({"iat": NOW + 31}, "JWT issued at future"),
            ({"exp": "soon"}, "The JWT 'exp' claim must be a number"),
            ({"nbf": True}, "The JWT 'nbf' claim must be a number"),
            ({"iat": [1]}, "The JWT 'iat' claim must be a number"),
            ({"aud": "others"}, "JWT not in audience"),
            ({"aud": ["others", "them"]}, "JWT not in audience"),
            ({"aud": {"x": 1}}, "The JWT 'aud' claim must be a string or an array of strings"),
            ({"aud": ["us", 1]}, "The JWT 'aud' claim must be a string or an array of strings"),
            ({"exp": NOW - 31, "nbf": NOW + 31}, "JWT expired"),
        ],
    )
    def test_refuses(self, claims: dict[str, Any], message: str) -> None:
        """The first that is wrong is told, in the answer and in its challenge."""
        with pytest.raises(NotAuthenticated) as caught:
            check_claims(claims, "us", NOW)

        assert (caught.value.code, caught.value.message, caught.value.status) == ("PGRST303", message, 401)
        assert caught.value.headers["WWW-Authenticate"] == f'Bearer error="invalid_token", error_description="{message}"'

    @pytest.mark.parametrize(
        "claims",
        [
            {},
            {"exp": NOW - 30, "nbf": NOW + 30, "iat": NOW + 30},
            {"exp": None, "aud": None},
            {"exp": 10**400},
            {"aud": "us"},
            {"aud": ["them", "us"]},
            {"aud": []},
        ],
    )
    def test_takes(self, claims: dict[str, Any]) -> None:
        """Half a minute is no difference, and what is not said is not asked."""
        check_claims(claims, "us", NOW)


class TestRole:
    """The path to the role"""

    CLAIMS = {
        "role": "web",
        "count": 7,
        "realm_access": {"roles": ["offline", "shop_editor"]},
        "https://example.org/role": "far",
        "group": "/admin",
        "café": "x",
    }

    @pytest.mark.parametrize(
        ("path", "role"),
        [
            (".role", "web"),
            (".realm_access.roles[1]", "shop_editor"),
            (".realm_access.roles[9]", None),
            ('."https://example.org/role"', "far"),
            ('.realm_access.roles[?(@ == "offline")]', "offline"),
            ('.realm_access.roles[?(@ != "offline")]', "shop_editor"),
            ('.realm_access.roles[?(@ ^== "shop_")]', "shop_editor"),
            ('.realm_access.roles[?(@ ==^ "editor")]', "shop_editor"),
            ('.realm_access.roles[?(@ *== "p_e")]', "shop_editor"),
            ('.realm_access.roles[?(@ == "x")]', None),
            (".group[1:]", "admin"),
            (".group[1:-1]", "admi"),
            (".realm_access.roles[1][:4]", "shop"),
            (".café", "x"),
            (".count", "7"),
            (".realm_access", '{"roles":["offline","shop_editor"]}'),
            (".nothing.at.all", None),
            (".role.more", None),
            ('.role[?(@ == "web")]', None),
        ],
    )
    def test_is_found(self, path: str, role: str | None) -> None:
        """Keys, indexes, slices of a text, and the first of a list for which a comparison holds."""
        assert find_role(self.CLAIMS, path) == role

    @pytest.mark.parametrize(
        "path", ["", "role", ".", ".a-b", ".a[", ".a[-1]", '.a[?(@ == "x")].b', '.a[?(@ ~ "x")]', '."a', "[0]", ".a" * 40]
    )
    def test_is_refused_where_it_cannot_be_read(self, path: str) -> None:
        """A setting that is wrong is told when it is made."""
        with pytest.raises(QueryError, match="is no path"):
            parse_path(path)


class TestIssuer:
    """Signatures"""

    @pytest.mark.parametrize(
        ("key", "algorithm", "header"),
        [
            (RSA_KEY, "RS256", {"kid": "r"}),
            (RSA_KEY, "PS512", {}),
            (EC_KEY, "ES256", {"kid": "e"}),
            (ED_KEY, "EdDSA", {"kid": "d"}),
            (ED_KEY, "Ed25519", {"x-anything": 1}),
        ],
    )
    def test_takes_the_keys_of_a_set(self, key: Any, algorithm: str, header: dict[str, Any]) -> None:
        """Each with the algorithms of its kind, by its id or without one."""
        assert get_issuer(SET, False).read(sign(key, algorithm, {"role": "web"}, **header)) == {"role": "web"}

    def test_takes_texts_also_in_base64(self) -> None:
        """The padding and the alphabet may be those of URLs."""
        encoded = base64.urlsafe_b64encode(SECRET.encode()).decode().replace("=", ".")

        for issuer in (get_issuer(SECRET, False), get_issuer(encoded, True)):
            assert issuer.read(sign(OctKey.import_key(SECRET), "HS384", {"a": 1})) == {"a": 1}

    @pytest.mark.parametrize(
        ("token", "message"),
        [
            (raw(b'{"alg":"none"}', b'{"role":"web"}'), "Wrong or unsupported encoding algorithm"),
            (raw(b'{"alg":"NONE"}', b'{"role":"web"}'), "Wrong or unsupported encoding algorithm"),
            (raw(b'{"alg":["RS256"]}', b"{}", "x"), "Wrong or unsupported encoding algorithm"),
            (raw(b'{"kid":"r"}', b"{}", "x"), "Wrong or unsupported encoding algorithm"),
            (sign(OctKey.import_key("x" * 40), "HS256", {}), "No suitable key or wrong key type"),
            (sign(RSA_KEY, "RS256", {}, kid="e"), "No suitable key or wrong key type"),
            (sign(RSA_KEY, "RS256", {}, kid="../../etc"), "No suitable key or wrong key type"),
            (raw(b'{"alg":"RS256","kid":["r"]}', b"{}", "x"), "No suitable key or wrong key type"),
            (sign(RSAKey.generate_key(2048), "RS256", {}, kid="r"), "No suitable key or wrong key type"),
            (raw(b'{"alg":"RS256","crit":["exp"]}', b"{}", "x"), "Wrong or unsupported encoding algorithm"),
            (raw(b'{"alg":"RS256","b64":false}', b"{}", "x"), "Wrong or unsupported encoding algorithm"),
            (sign(RSA_KEY, "RS256", {})[:-8] + "AAAAAAAA", "No suitable key or wrong key type"),
            (sign(RSA_KEY, "RS256", {}) + "=", "No suitable key or wrong key type"),
            (raw(b"[" * 4000, b"{}", "x"), "JWT cryptographic operation failed"),
            ("é.e30.x", "JWT cryptographic operation failed"),
            ("..", "JWT cryptographic operation failed"),
        ],
    )
    def test_refuses(self, token: str, message: str) -> None:
        """Neither the token's algorithm nor its key id decides what it is checked with."""
        with pytest.raises(NotAuthenticated) as caught:
            get_issuer(SET, False).read(token)

        assert (caught.value.code, caught.value.message) == ("PGRST301", message)

    def test_is_not_confused_by_a_public_key(self) -> None:
        """What is public of a key is no secret to sign with."""
        pem = RSA_KEY.as_pem(private=False)
        import hashlib
        import hmac

        text = raw(b'{"alg":"HS256"}', b'{"role":"web"}').rpartition(".")[0]
        forged = f"{text}.{base64.urlsafe_b64encode(hmac.digest(pem, text.encode(), hashlib.sha256)).rstrip(b'=').decode()}"

        with pytest.raises(NotAuthenticated, match="No suitable key"):
            get_issuer(SET, False).read(forged)
        with pytest.raises(InputError, match="public key"):
            read_keys(pem.decode())

    @pytest.mark.parametrize("payload", ["[]", '"x"', "7", '{"exp": NaN}', "{", "[" * 5000])
    def test_refuses_what_is_no_object(self, payload: str) -> None:
        """It was signed, and says nothing."""
        key = OctKey.import_key(SECRET)
        token = jws.serialize_compact({"alg": "HS256"}, payload, key, ["HS256"])

        with pytest.raises(NotAuthenticated, match="Parsing claims failed") as caught:
            get_issuer(SECRET, False).read(token)
        assert caught.value.code == "PGRST303"

    @pytest.mark.parametrize(
        "secret",
        [
            "geheim",
            "{",
            '{"keys": []}',
            '{"kty": "oct", "k": "c2hvcnQ"}',
            json.dumps(public(EC_KEY, use="enc")),
            json.dumps(public(EC_KEY, alg="ES512")),
            json.dumps(public(RSAKey.generate_key(2048), key_ops=["sign"])),
            '{"kty": "RSA", "n": "AQAB", "e": "AQAB"}',
        ],
    )
    def test_needs_a_key(self, secret: str) -> None:
        """One that is too weak, or for something else, is none; the message does not show it."""
        with pytest.raises(InputError) as caught:
            read_keys(secret)

        assert secret not in str(caught.value) or len(secret) == 1

    def test_keeps_to_the_algorithm_that_a_key_names(self) -> None:
        """``alg`` of a key narrows what its kind allows."""
        issuer = Issuer(read_keys(json.dumps(public(RSA_KEY, alg="RS512"))))

        assert issuer.read(sign(RSA_KEY, "RS512", {})) == {}
        with pytest.raises(NotAuthenticated):
            issuer.read(sign(RSA_KEY, "RS256", {}))

    def test_remembers_a_bounded_number(self) -> None:
        """Old tokens make room."""
        issuer = Issuer([OctKey.import_key(SECRET)])
        for number in range(MOST_TOKENS + 5):
            issuer.read(sign(OctKey.import_key(SECRET), "HS256", {"n": number}))

        assert len(issuer._known) == MOST_TOKENS

    def test_knows_no_algorithm_without_a_signature(self) -> None:
        """The list is closed."""
        assert not {"none", "HS1", "RS1"} & ALGORITHMS
