"""Secrets at rest: AES-GCM under a key that only this installation has, each secret bound to the place where it is kept.

Sealed text is ``v1.<key id>.<nonce and ciphertext>``. The place (a connection's id and host) is authenticated with it, so a sealed
password that is copied to another row, or whose host is changed in the database, does not open there.

The key is ``LAZYDB_SECRET_KEY``, or a file in ``LAZYDB_HOME`` that is made at the first start (mode 0600). The file may have several
lines: the first key seals, every one opens, which is what ``rotation`` needs on its way.
"""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from qapla.errors import SecretLost, SettingsError
from qapla.plugin import Plugin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qapla.application import Application

MIN_LENGTH = 32
KEY_FILE = "secret.key"
ENTER_AGAIN = "enter the password again"
VERSION = "v1"


class Sealing:
    """A ``SecretBox``. The first of *keys*, texts of at least 32 characters, seals; all of them open.

    Args:
        seen: told every secret that passes, so that logs can mask it.
        reread: returns the keys as they are now; asked when text was sealed with an unknown one, by a process that has rotated.
    """

    def __init__(
        self,
        keys: Sequence[str],
        seen: Callable[[str], None] = lambda secret: None,
        reread: Callable[[], Sequence[str]] | None = None,
    ) -> None:
        self._seen = seen
        self._reread = reread
        self._use(keys)

    def _use(self, keys: Sequence[str]) -> None:
        self._keys = {self._id(key): self._derive(key, b"lazydb sealing") for key in keys}
        self._current = self._id(keys[0])
        self._master = keys[0]

    def refresh(self) -> None:
        """Read the keys again, where that is possible."""
        if self._reread is not None:
            self._use(self._reread())

    def seal(self, secret: str, bound_to: str) -> str:
        """Return *secret* encrypted, as text with the id of its key in front."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._seen(secret)
        nonce = os.urandom(12)
        sealed = AESGCM(self._keys[self._current]).encrypt(nonce, secret.encode(), self._aad(self._current, bound_to))
        return f"{VERSION}.{self._current}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, bound_to: str) -> str:
        """Return the secret.

        Raises:
            SecretLost: the key is another one, or the text was moved from another place.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        version, _, rest = sealed.partition(".")
        key_id, _, body = rest.partition(".")
        if key_id not in self._keys:
            self.refresh()
        if version != VERSION or key_id not in self._keys:
            raise SecretLost("the password was sealed with another secret key", hint=ENTER_AGAIN)
        try:
            data = base64.urlsafe_b64decode(body)
            secret = AESGCM(self._keys[key_id]).decrypt(data[:12], data[12:], self._aad(key_id, bound_to)).decode()
        except (InvalidTag, ValueError) as error:
            raise SecretLost("the sealed password is not the one of this place", hint=ENTER_AGAIN) from error
        self._seen(secret)
        return secret

    def is_current(self, sealed: str) -> bool:
        """Tell whether *sealed* was made with the key that seals now."""
        return sealed.startswith(f"{VERSION}.{self._current}.")

    def derive(self, purpose: str) -> bytes:
        """Return 32 bytes for another use of the key, such as signing sessions; other purposes give other bytes."""
        return self._derive(self._master, f"lazydb {purpose}".encode())

    @staticmethod
    def _aad(key_id: str, bound_to: str) -> bytes:
        return f"{VERSION}.{key_id}.{bound_to}".encode()

    @classmethod
    def _id(cls, key: str) -> str:
        return cls._derive(key, b"lazydb key id").hex()[:12]

    @staticmethod
    def _derive(key: str, purpose: bytes) -> bytes:
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(key.encode())


class SealingPlugin(Plugin):
    """The secret key of this installation.

    Adds      ``app["sealing"]``, a ``SecretBox``.
    Settings  ``lazydb:secret_key``, text of at least 32 characters; ``lazydb:home``, the folder of the key file otherwise.
    """

    key = "sealing"
    requires = ("logging",)

    def start(self, app: Application) -> Sealing:
        """Read the key, or make it at the first start."""
        secrets = app["logging"].secrets
        home = app.settings.require("lazydb:home", "the folder that lazydb keeps its files in")
        given = app.settings.get("lazydb:secret_key")

        def read() -> list[str]:
            keys = read_keys(given, home)
            for key in keys:
                secrets.add(key)
            return keys

        return Sealing(read(), secrets.add, read if given is None else None)


def read_keys(given: str | None, home: str) -> list[str]:
    """Return the keys, the one that seals first: the *given* one, or those in the key file of *home*, made when it is missing.

    Raises:
        SettingsError: a key is too short.
    """
    if given is not None:
        if len(given) < MIN_LENGTH:
            raise SettingsError(f"LAZYDB_SECRET_KEY has {len(given)} characters", hint=f"any text of at least {MIN_LENGTH}")
        return [given]
    path = Path(home) / KEY_FILE
    if not path.exists():
        _make_key_file(path)
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    keys = path.read_text().split()
    if not keys or any(len(key) < MIN_LENGTH for key in keys):
        hint = "put it back from a backup, or remove it and enter all passwords again"
        raise SettingsError(f"the key file {str(path)!r} is damaged", hint=hint)
    return keys


def make_key() -> str:
    """Return a new random key."""
    return secrets.token_urlsafe(48)


def write_keys(path: Path, keys: Sequence[str]) -> None:
    """Put *keys* into the key file, in whole or not at all."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    _write_private(fresh, keys)
    fresh.replace(path)


def _make_key_file(path: Path) -> None:
    """Make the file with a new key. Of several processes that start at once one wins, and the others read its key."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    _write_private(fresh, [make_key()])
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


def _write_private(path: Path, keys: Sequence[str]) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.writelines(f"{key}\n" for key in keys)
        file.flush()
        os.fsync(file.fileno())
