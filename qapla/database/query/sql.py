"""SQL text in parts: what is ours, what is an identifier, what is a value's place.

Nothing that a caller typed can get into the text: a ``Name`` is quoted by the rules of the engine (and comes from the introspected
schema), a ``Slot`` becomes a placeholder. Parts are put together once per shape of a query, so that clarity counts here, not speed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qapla.database.dialects import Engine

_PLAIN = re.compile(r"[A-Za-z0-9_ {}\[\]:,.\"-]*\Z")


@dataclass(frozen=True, slots=True)
class Name:
    """An identifier."""

    name: str


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of the operand with this index; one operand may have several places."""

    index: int


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant text, written so that no session setting can change its meaning."""

    text: str


Part = str | Name | Slot | Literal


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL."""

    parts: tuple[Part, ...]

    def __bool__(self) -> bool:
        return bool(self.parts)


def sql(template: str, *arguments: Sql | Part) -> Sql:
    """Return *template* with each ``{}`` replaced by the next of *arguments*."""
    texts = template.split("{}")
    if len(texts) != len(arguments) + 1:
        raise ValueError(f"template {template!r} takes {len(texts) - 1} arguments, not {len(arguments)}")
    parts: list[Part] = [texts[0]]
    for argument, text in zip(arguments, texts[1:], strict=True):
        parts.extend(argument.parts if isinstance(argument, Sql) else (argument,))
        parts.append(text)
    return Sql(tuple(part for part in parts if part != ""))


def join(separator: str, pieces: Iterable[Sql | Part]) -> Sql:
    """Return *pieces* with *separator* between them."""
    parts: list[Part] = []
    for index, piece in enumerate(pieces):
        if index:
            parts.append(separator)
        parts.extend(piece.parts if isinstance(piece, Sql) else (piece,))
    return Sql(tuple(parts))


def name(*names: str | None) -> Sql:
    """Return an identifier, qualified by all but the last of *names*; None is left out."""
    return join(".", [Name(each) for each in names if each is not None])


def where(tests: Sequence[Sql]) -> Sql:
    """Return WHERE with all of *tests*; nothing where there is none."""
    return sql(" WHERE {}", join(" AND ", tests)) if tests else NOTHING


def write(piece: Sql, engine: Engine) -> tuple[str, tuple[int, ...]]:
    """Return the text of *piece* for the driver of *engine*, and the operands' indexes in the order of its placeholders."""
    texts: list[str] = []
    order: list[int] = []
    doubles_percent = engine.placeholder == "%s"
    for part in piece.parts:
        if isinstance(part, Slot):
            order.append(part.index)
            texts.append(engine.placeholder)
            continue
        text = part if isinstance(part, str) else _quoted(part, engine)
        texts.append(text.replace("%", "%%") if doubles_percent else text)
    return "".join(texts), tuple(order)


def _quoted(part: Name | Literal, engine: Engine) -> str:
    if isinstance(part, Name):
        quote = engine.quote
        return quote + part.name.replace(quote, quote * 2) + quote
    if _PLAIN.match(part.text):
        return f"'{part.text}'"
    # Bytes in hex: a backslash in a plain literal depends on the SQL mode of MariaDB.
    return engine.hex_text.format(part.text.encode().hex())


NOTHING = Sql(())
TRUE, FALSE = sql("1 = 1"), sql("1 = 0")
