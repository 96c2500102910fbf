"""Passwords are kept as argon2id hashes."""

from __future__ import annotations

import secrets
import threading
from functools import cache
from typing import TYPE_CHECKING

from qapla.errors import ValueRefused

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_LENGTH = 12
MAX_BYTES = 1024
AT_ONCE = 2  # a hash takes 64 MiB: many logins at the same time must not take all memory

_room = threading.Semaphore(AT_ONCE)


def hash_password(password: str) -> str:
    """Return the hash to keep.

    Raises:
        ValueRefused: it is too short or too long.
    """
    if len(password) < MIN_LENGTH:
        raise ValueRefused(f"the password has {len(password)} characters", hint=f"at least {MIN_LENGTH} are needed")
    if len(password.encode(errors="surrogatepass")) > MAX_BYTES:
        raise ValueRefused("the password is too long", hint=f"at most {MAX_BYTES} bytes")
    return _hash(password)


def is_right(password: str, password_hash: str | None) -> bool:
    """Tell whether *password* is the one of the hash.

    Takes the same time without a hash, so that nobody learns from the clock which accounts exist.
    """
    from argon2.exceptions import InvalidHashError, VerificationError

    with _room:
        try:
            right = _hasher().verify(password_hash or _nobodys_hash(), password.encode(errors="surrogatepass")[: MAX_BYTES + 1])
        except (VerificationError, InvalidHashError):
            return False
    return right and password_hash is not None


def is_stale(password_hash: str) -> bool:
    """Tell whether a new hash of the same password would be a better one: the parameters have grown since."""
    return _hasher().check_needs_rehash(password_hash)


def _hash(password: str) -> str:
    with _room:
        return _hasher().hash(password.encode(errors="surrogatepass"))


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _nobodys_hash() -> str:
    return _hasher().hash(secrets.token_bytes(16))
