"""``Password``: text that is hashed when it is assigned, and can be compared but not read.

::

    class User(models.Model):
        password = models.Password()

    user = User(password="correct horse")
    user.password.verify("correct horse")   # True
    user.password                           # Password(***)
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from qapla.database.models.field import Field, Refused
from qapla.errors import ConfigurationError, ModelError, nearest

if TYPE_CHECKING:
    from types import ModuleType

    from argon2 import PasswordHasher
    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine

METHODS = ("argon2", "bcrypt")
MAX_BYTES = 1024
BCRYPT_MAX_BYTES = 72  # bcrypt looks at no more
BCRYPT = ("$2a$", "$2b$", "$2y$")


class Hashed:
    """The hash of a password. ``hash`` is what the database keeps; nothing prints it."""

    __slots__ = ("_hash",)

    def __init__(self, hashed: str) -> None:
        self._hash = hashed

    @property
    def hash(self) -> str:
        """Return the hash, for a program that moves it elsewhere."""
        return self._hash

    def verify(self, password: str) -> bool:
        """Tell whether *password* is the one that was hashed.

        Raises:
            ConfigurationError: the hash is one of bcrypt, which is not installed.
        """
        given = password.encode(errors="surrogatepass")
        if self._hash.startswith(BCRYPT):
            return len(given) <= BCRYPT_MAX_BYTES and bool(_bcrypt().checkpw(given, self._hash.encode()))
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            return len(given) <= MAX_BYTES and _hasher().verify(self._hash, given)
        except (VerificationError, InvalidHashError):
            return False

    @property
    def is_stale(self) -> bool:
        """Tell whether a new hash of the same password would be a better one: of bcrypt, or of older parameters."""
        return self._hash.startswith(BCRYPT) or _hasher().check_needs_rehash(self._hash)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            raise TypeError("a password is not compared with ==; use .verify(text)")
        return isinstance(other, Hashed) and self._hash == other._hash

    def __hash__(self) -> int:
        return hash(self._hash)

    def __repr__(self) -> str:
        return "Password(***)"

    __str__ = __repr__


class HashedText(TypeDecorator[Hashed]):
    """A column of hashes."""

    is_secret = True  # shown by no reader of tables: REST, frames
    impl = sa.String(255)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Return the hash; text that was never hashed does not get into the database."""
        if value is not None and not isinstance(value, Hashed):
            raise TypeError("a password is kept as its hash; assign it to a row")
        return None if value is None else value.hash

    def process_result_value(self, value: Any, dialect: Dialect) -> Hashed | None:
        """Return what can be verified."""
        return None if value is None else Hashed(value)


class Password(Field):
    """A password, kept as its hash.

    Args:
        method: what hashes new ones: ``argon2``, or ``bcrypt`` where that is installed. Both are verified.
        min_length: how many characters it needs at least.
    """

    words = "a password"

    def __init__(self, method: str = "argon2", *, min_length: int = 1, **options: Any) -> None:
        for name in ("unique", "index", "choices", "primary_key"):
            if options.get(name):
                raise ModelError(f"Password cannot have {name}", hint="two hashes of one password are different")
        super().__init__(**options)
        if method not in METHODS:
            raise ModelError(f"method {method!r} of Password is not known", hint=nearest(str(method), METHODS) or "'argon2' or 'bcrypt'")
        if method == "bcrypt":
            _bcrypt()
        self.method, self.min_length = method, min_length

    def sql_type(self) -> TypeEngine[Any]:
        """Return the type of the hash."""
        return HashedText()

    def read(self, value: Any) -> Hashed:
        """Return the hash of *value*; a ``Hashed`` stays as it is."""
        if isinstance(value, Hashed):
            return value
        if not isinstance(value, str):
            raise Refused("give text")
        if len(value) < self.min_length:
            raise Refused(f"at least {self.min_length} characters are needed")
        given = value.encode(errors="surrogatepass")
        limit = BCRYPT_MAX_BYTES if self.method == "bcrypt" else MAX_BYTES
        if len(given) > limit:
            raise Refused(f"{self.method} takes at most {limit} bytes")
        if self.method == "bcrypt":
            return Hashed(_bcrypt().hashpw(given, _bcrypt().gensalt()).decode())
        return Hashed(_hasher().hash(given))

    def shown(self, value: Any) -> str:
        """Return the type only."""
        return f"a value ({type(value).__name__})"


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher()


def _bcrypt() -> ModuleType:
    try:
        import bcrypt
    except ImportError as error:
        raise ConfigurationError("bcrypt is not installed", hint="pip install 'qapla[bcrypt]', or use argon2") from error
    return bcrypt
