"""Sign with one secret, believe several: the one that signs now, and those that did before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from webob.cookies import SignedSerializer

if TYPE_CHECKING:
    from collections.abc import Sequence

SALT = "pyramid.session."


class Signer:
    """A serializer of WebOb whose output nobody else can make.

    Args:
        secrets: the first signs, all of them are believed.
        serializer: makes bytes of what is signed.
    """

    def __init__(self, secrets: Sequence[str], serializer: Any) -> None:
        self._signers = [SignedSerializer(secret, SALT, "sha512", serializer=serializer) for secret in secrets]

    def dumps(self, value: Any) -> bytes:
        """Return *value* with its signature."""
        signed: bytes = self._signers[0].dumps(value)
        return signed

    def loads(self, signed: bytes) -> Any:
        """Return the value.

        Raises:
            ValueError: none of the secrets has signed it.
        """
        for signer in self._signers[:-1]:
            try:
                return signer.loads(signed)
            except ValueError:
                continue
        return self._signers[-1].loads(signed)


class PlainText:
    """A serializer for ids."""

    def dumps(self, text: str) -> bytes:
        """Return *text* as bytes."""
        return text.encode()

    def loads(self, text: bytes) -> str:
        """Return the text."""
        return text.decode()
