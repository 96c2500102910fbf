"""What things are called when nobody says: tables after models, the many rows behind a row after their model."""

from __future__ import annotations

import re

from sqlalchemy.sql.elements import quoted_name

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SAME = frozenset({"series", "species", "sheep", "fish", "news", "equipment", "information", "data", "money"})
_IRREGULAR = {"person": "people", "child": "children", "man": "men", "woman": "women", "foot": "feet", "tooth": "teeth", "mouse": "mice"}

_RESERVED = frozenset({"nothing", "returning"})  # by SQLite, as SQLAlchemy does not know


def quoted(name: str) -> str:
    """Return *name* as a table or a column can have it: SQLAlchemy quotes what it has to, but for two words that it does not know."""
    return quoted_name(name, True) if name.lower() in _RESERVED else name


def table_name(model_name: str) -> str:
    """Return the name of the table of a model: ``Choice`` → ``choice``, ``HTTPLogLine`` → ``http_log_line``."""
    return _HUMP.sub("_", model_name).lower()


def plural(word: str) -> str:
    """Return the plural of an English noun; of the last word where there are several with ``_`` between.

    Example: ``choice`` → ``choices``, ``query`` → ``queries``, ``box`` → ``boxes``, ``sales_person`` → ``sales_people``.
    """
    rest, line, last = word.rpartition("_")
    return rest + line + _plural(last)


def _plural(word: str) -> str:
    if word in _SAME:
        return word
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("y") and word[-2:-1] not in ("", *"aeiou"):
        return f"{word[:-1]}ies"
    if word.endswith("is") and len(word) > 3:
        return f"{word[:-2]}es"
    return f"{word}es" if word.endswith(("s", "x", "z", "ch", "sh")) else f"{word}s"
