"""Tokens for programs, and the secrets of one-time login links: random, and kept as SHA-256 only.

A hash that is slow on purpose is for passwords, which people choose; nobody guesses 256 random bits.
"""

from __future__ import annotations

import hashlib
import re
import secrets

_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*", re.ASCII)
MAX_LENGTH = 8192


def make_token(prefix: str = "") -> tuple[str, str]:
    """Make a token; return it, to be shown once, and its digest, to be kept."""
    token = prefix + secrets.token_urlsafe(32)
    return token, digest(token)


def digest(token: str) -> str:
    """Return the SHA-256 of *token*, in hex."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def is_jwt(token: str) -> bool:
    """Tell whether *token* has the form of a JSON Web Token."""
    return len(token) <= MAX_LENGTH and _JWT.fullmatch(token) is not None
