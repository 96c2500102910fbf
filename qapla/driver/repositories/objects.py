"""Documents as one JSON object, whose fields stay the text that they are."""

from __future__ import annotations

import json

import msgspec

from qapla.driver.repositories.encoding import UNREADABLE
from qapla.driver.repositories.entity import Document


def join(document: Document) -> str:
    """Return a document as one JSON object."""
    return "{" + ",".join(f"{json.dumps(name)}:{text.decode()}" for name, text in document.items()) + "}"


def split(text: str) -> Document:
    """Return the document of a JSON object.

    Raises:
        ValueError: it is none.
    """
    try:
        return {name: bytes(part) for name, part in msgspec.json.decode(text, type=dict[str, msgspec.Raw]).items()}
    except UNREADABLE:  # NaN, Infinity
        found = json.loads(text)
        if not isinstance(found, dict):
            raise ValueError("no JSON object") from None
        return {name: json.dumps(value, ensure_ascii=False).encode() for name, value in found.items()}

