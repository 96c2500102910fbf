"""Keys of entities: the values of ``key_attrs``, and the text ``name:part:…`` that a store knows them by.

What would be a separator, a brace (Redis Cluster chooses a slot by what stands in braces), a percent sign or a control character inside
of a part is written as in a URL, ``%3A``; so two different keys are never the same text. A part is text, a whole number, a UUID, a date, a
Decimal or an Enum; no part is empty.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from qapla.errors import EntityRefused

UNSAFE = re.compile(r"[:%{}\x00-\x1f\x7f]")
ESCAPED = re.compile("%([0-9A-F]{2})")


@dataclass(frozen=True, slots=True)
class Key:
    """The key of one entity; two of the same text are the same.

    Attributes:
        text: the key as stores have it, ``person:john_doe``.
        repository: the name of its repository.
        attrs: the attributes whose values are the parts.
        values: those values.
    """

    text: str
    repository: str = field(compare=False)
    attrs: tuple[str, ...] = field(compare=False)
    values: tuple[Any, ...] = field(compare=False)

    @property
    def path(self) -> str:
        """Return the text without the name of the repository."""
        return self.text.partition(":")[2]


def make_key(repository: str, attrs: tuple[str, ...], values: tuple[Any, ...]) -> Key:
    """Make a key of the *values* of *attrs*.

    Raises:
        EntityRefused: a value is missing, empty, or of a kind that is no part of a key.
    """
    parts = [repository, *(_read(repository, name, value) for name, value in zip(attrs, values, strict=True))]
    return Key(":".join([escape(part) for part in parts]), repository, attrs, values)


def escape(part: str) -> str:
    """Write *part* so that no separator is in it."""
    return part if UNSAFE.search(part) is None else UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", part)


def read_key(text: str, repository: str, attrs: tuple[str, ...]) -> Key:
    """Return the key whose text is *text*. Its values are text.

    Raises:
        ValueError: there is none.
    """
    _, *parts = text.split(":")
    if len(parts) != len(attrs):
        raise ValueError("a key of other parts")
    return Key(text, repository, attrs, tuple(ESCAPED.sub(lambda found: chr(int(found[1], 16)), part) for part in parts))


def marker_of(text: str) -> str:
    """Return the key of what is said about the key *text*: that nothing is behind it. Redis Cluster keeps both in one slot."""
    return f"marker:{{{text}}}"


def subject_of(text: str) -> str:
    """Return the key that a marker is about; of any other key itself."""
    return text[len("marker:{") : -1] if text.startswith("marker:{") else text


def _read(repository: str, name: str, value: Any) -> str:
    if type(value) is str and value and value.isascii():
        return value
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        text = str(value)
    elif (isinstance(value, int) and not isinstance(value, bool)) or isinstance(value, UUID | date | Decimal):
        text = value.isoformat() if isinstance(value, date) else str(value)
    elif value is None:
        raise EntityRefused(f"an entity of {repository!r} has no {name!r}, which is part of its key", repository=repository)
    else:
        kind = type(value).__name__
        hint = "text, whole numbers, UUIDs, dates, Decimals and Enums are"
        raise EntityRefused(f"{name!r} of {repository!r} cannot be part of a key: it is of type {kind!r}", hint=hint, repository=repository)
    if not text:
        raise EntityRefused(f"{name!r} of {repository!r} is empty, and is part of its key", repository=repository)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise EntityRefused(f"{name!r} of {repository!r} is no valid text, and is part of its key", repository=repository) from None
    return text
