"""Operands of filters: the text of a request as the value that is bound.

PostgreSQL reads a text by the type of the column it is compared with, and says in its own words what is wrong with it; there only
what no text can hold is refused here. Elsewhere ``values.read_text`` reads it, so that a filter and a write mean the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qapla.database.query import values
from qapla.database.query.lookups import KEYWORDS
from qapla.errors import QueryError, ValueRefused

if TYPE_CHECKING:
    from qapla.database.query.lookups import Operator
    from qapla.database.schema.description import Column


def read_operand(operator: Operator, text: str, column: Column, engine: str, *, is_plain: bool) -> object:
    """Return what is bound for *text*.

    Args:
        is_plain: the column itself is compared; otherwise a step into its JSON or a cast, whose values are text here.

    Raises:
        ValueRefused: it cannot be read as the column's type (22P02, 22003, 22007, 22008, 22021, 22025).
    """
    if operator.operand in ("value", "list") and is_plain and engine != "postgresql":
        return values.read_text(text, column.type, engine)
    check_text(text, column.name)
    return read_pattern(operator.name, text, engine) if operator.operand == "pattern" else text


def read_keyword(text: str, column: Column, *, is_plain: bool) -> str:
    """Return the keyword after ``is.``.

    Raises:
        QueryError: there is no such keyword, or the column is not boolean.
    """
    keyword = text.lower()
    if keyword not in KEYWORDS:
        raise QueryError(f"'is.{text[:40]}' is not known", hint="is.null, is.not_null, is.true, is.false or is.unknown")
    if keyword in ("true", "false", "unknown") and is_plain and column.type.kind != "boolean":
        raise QueryError(
            f"'is.{keyword}' is for booleans, and column {column.name!r} is of type {column.type.name!r}", code="42804", hint="use eq"
        )
    return keyword


def check_text(text: str, subject: str) -> None:
    """Refuse what no text of a database can hold.

    Raises:
        ValueRefused: 22021.
    """
    if "\0" in text:
        raise ValueRefused(f"the operand for {subject!r} has a NUL character in it", code="22021")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueRefused(f"the operand for {subject!r} is not valid Unicode", code="22021") from None


def read_pattern(operator: str, text: str, engine: str) -> str:
    """Return a pattern of ``like`` or ``ilike`` as the engine wants it; ``*`` stands for ``%``, as no URL likes a bare ``%``.

    Raises:
        ValueRefused: 22025, it ends in the middle of an escape.
    """
    if (len(text) - len(text.rstrip("\\"))) % 2:
        raise ValueRefused(f"pattern {text[:60]!r} must not end with the escape character", code="22025", hint="write \\\\ for a backslash")
    return write_pattern(operator, text.replace("*", "%"), engine)


def write_pattern(operator: str, pattern: str, engine: str) -> str:
    """Return a pattern of SQL's ``LIKE``, whose ``*`` is one, as the engine wants it for ``like`` or ``ilike``."""
    return _as_glob(pattern) if operator == "like" and engine == "sqlite" else pattern


def contain_pattern(word: str) -> str:
    """Return the pattern of ``LIKE`` for texts that contain *word*."""
    escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _as_glob(pattern: str) -> str:
    """Return the same pattern for ``GLOB``, the only comparison of SQLite in which the case of letters counts."""
    glob: list[str] = []
    characters = iter(pattern)
    for character in characters:
        if character == "%":
            glob.append("*")
        elif character == "_":
            glob.append("?")
        else:
            plain = next(characters, "") if character == "\\" else character
            glob.append(f"[{plain}]" if plain in ("*", "?", "[") else plain)
    return "".join(glob)
