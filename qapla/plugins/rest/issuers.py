"""Check the signature of JSON web tokens with the keys of one issuer (``jwt_secret``).

A key says which algorithms there are, never the token: a text or ``oct`` key takes HS256, HS384 and HS512, an RSA key RS… and PS…,
a curve its own one. ``none`` is nobody's. A token that was verified is remembered by its hash, and its claims are looked at each time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import threading
from collections import OrderedDict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, JWKRegistry, OctKey, OKPKey, RSAKey

from qapla.errors import InputError
from qapla.plugins.rest.claims import refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joserfc.jwk import Key

    from qapla.plugins.rest.claims import Claims

HMAC = frozenset({"HS256", "HS384", "HS512"})
RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
CURVES: Mapping[str, frozenset[str]] = {
    "P-256": frozenset({"ES256"}),
    "P-384": frozenset({"ES384"}),
    "P-521": frozenset({"ES512"}),
    "Ed25519": frozenset({"EdDSA", "Ed25519"}),
}
ALGORITHMS = HMAC | RSA | frozenset().union(*CURVES.values())
MIN_RSA_BITS = 2048
MIN_SECRET_BITS = 256  # RFC 7518 §3.2
MOST_KEYS = 32  # that a token without kid is tried with
MOST_TOKENS = 1000  # remembered for one issuer
_URL_SAFE = str.maketrans("-_.", "+/=")
_BASE64 = re.compile(rb"[A-Za-z0-9_-]*")
_TEXT = json.JSONDecoder(parse_constant=lambda name: _no_number(name))


class _Registry(jws.JWSRegistry):
    """Takes headers that nobody registered (``crit`` is refused before), and EdDSA by its old name, which it warns of."""

    max_header_length = 8192

    def get_alg(self, name: str) -> Any:
        """Return the algorithm, which is the only one allowed."""
        if self.allowed is None or name not in self.allowed:
            raise UnsupportedAlgorithmError
        return self.algorithms[name]


class Issuer:
    """The keys of one issuer; safe for threads."""

    def __init__(self, keys: list[Key]) -> None:
        self._keys = [(key, algorithms) for key in keys if (algorithms := algorithms_of(key))]
        self._known: OrderedDict[bytes, Claims] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, token: str) -> Claims:
        """Return the claims of a token that one of the keys has signed; whether they hold now is another question.

        Raises:
            NotAuthenticated: PGRST301, it is no token of this issuer; PGRST303, what was signed is no JSON object.
        """
        digest = hashlib.sha256(token.encode()).digest()
        with self._lock:
            found = self._known.get(digest)
            if found is not None:
                self._known.move_to_end(digest)
                return found
        claims = _read_claims(self._verify(token))
        with self._lock:
            self._known[digest] = claims
            while len(self._known) > MOST_TOKENS:
                self._known.popitem(last=False)
        return claims

    def forget(self, token: str) -> None:
        """Forget a token that has expired."""
        with self._lock:
            self._known.pop(hashlib.sha256(token.encode()).digest(), None)

    def _verify(self, token: str) -> bytes:
        """Return the payload, as it was signed."""
        header = _read_header(token)
        algorithm, key_id = header.get("alg"), header.get("kid")
        if algorithm == "none":
            raise refuse(_BAD_ALGORITHM, "PGRST301", "JWT is unsecured but expected 'alg' was not 'none'")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS or "crit" in header or "b64" in header:
            raise refuse(_BAD_ALGORITHM, "PGRST301")
        fitting = [key for key, algorithms in self._keys if algorithm in algorithms and (key_id is None or key.kid in (None, key_id))]
        if not fitting:
            raise refuse(_NO_KEY, "PGRST301", "No suitable key was found to decode the JWT")
        registry = _Registry(algorithms=[algorithm], strict_check_header=False)
        for key in fitting[:MOST_KEYS]:
            try:
                return bytes(jws.deserialize_compact(token, key, [algorithm], registry).payload)
            except (JoseError, ValueError):  # another key's, or broken
                continue
        raise refuse(_NO_KEY, "PGRST301", "None of the keys was able to decode the JWT")


_BAD_ALGORITHM = "Wrong or unsupported encoding algorithm"
_NO_KEY = "No suitable key or wrong key type"


@lru_cache(maxsize=64)
def get_issuer(secret: str, is_base64: bool) -> Issuer:
    """Return the issuer whose ``jwt_secret`` is *secret*: a JWK, a set of them, or a text, perhaps in base64.

    Raises:
        InputError: no key can be made of it.
    """
    return Issuer(read_keys(secret, is_base64))


def read_keys(secret: str, is_base64: bool = False) -> list[Key]:
    """Return the keys in ``jwt_secret``; of a set those that can check signatures.

    Raises:
        InputError: there is none. The message does not show it.
    """
    text = secret.strip()
    if not text.startswith("{"):
        return [_text_key(_decode(secret) if is_base64 else secret.encode())]
    try:
        found = _TEXT.decode(text)
    except (ValueError, RecursionError):
        raise InputError("jwt_secret looks like JSON, but is none") from None
    listed = found.get("keys")
    many = listed if isinstance(listed, list) else [found]
    keys = [key for data in many if isinstance(data, dict) and (key := _find_key(data)) is not None]
    if not keys:
        raise InputError("jwt_secret has no key that can check signatures", hint=f"RSA keys have {MIN_RSA_BITS} bits or more")
    return keys


def algorithms_of(key: Key) -> frozenset[str]:
    """Return what *key* can check, by its kind and by what it says itself."""
    if isinstance(key, OctKey):
        own = HMAC
    elif isinstance(key, RSAKey):
        own = RSA
    else:
        own = CURVES.get(str(key.get("crv")), frozenset()) if isinstance(key, ECKey | OKPKey) else frozenset()
    said = key.get("alg")
    return own & {str(said)} if said is not None else own


def _find_key(data: dict[str, Any]) -> Key | None:
    """Return the key of a JWK, or None when it is for something else, too weak, or of an unknown kind."""
    operations = data.get("key_ops")
    if data.get("use", "sig") != "sig" or (isinstance(operations, list) and "verify" not in operations):
        return None
    raw = {"RSA": data.get("n"), "oct": data.get("k")}.get(str(data.get("kty")))
    if raw is not None and _size_bits(raw) < (MIN_RSA_BITS if data["kty"] == "RSA" else MIN_SECRET_BITS):
        return None
    try:
        key = JWKRegistry.import_key(data)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return key if algorithms_of(key) else None


def _size_bits(text: object) -> int:
    """Return how many bits the number has that *text* is in base64, up to a byte."""
    try:
        raw = base64.b64decode(str(text).translate(_URL_SAFE) + "===")
    except (binascii.Error, ValueError):
        return 0
    return len(raw.lstrip(b"\0")) * 8


def _text_key(raw: bytes) -> Key:
    if len(raw) * 8 < MIN_SECRET_BITS:
        raise InputError("jwt_secret is too short to be safe", hint=f"it needs {MIN_SECRET_BITS // 8} bytes")
    try:
        return OctKey.import_key(raw)
    except (JoseError, ValueError):  # a public key, with which anybody could sign
        raise InputError("jwt_secret is a public key as text", hint="give it as a JWK") from None


def _decode(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.strip().translate(_URL_SAFE), validate=True)
    except (binascii.Error, ValueError):
        raise InputError("jwt_secret is not base64") from None


def _read_header(token: str) -> dict[str, Any]:
    first = token.partition(".")[0].encode()
    try:
        if not _BASE64.fullmatch(first):
            raise ValueError
        header = _TEXT.decode(base64.urlsafe_b64decode(first + b"=" * (-len(first) % 4)).decode())
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise refuse("JWT cryptographic operation failed", "PGRST301")
    return header


def _read_claims(payload: bytes) -> Claims:
    try:
        claims = _TEXT.decode(payload.decode())
    except (ValueError, RecursionError):
        claims = None
    if not isinstance(claims, dict):
        raise refuse("Parsing claims failed", "PGRST303")
    return claims


def _no_number(name: str) -> Any:
    raise ValueError(name)
