"""Names of Python for names of a database: classes for tables, attributes for columns, whatever those are called.

A name that Python can have is kept as it is. Others are made of their letters and digits, and two that would become one get numbers.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from typing import TYPE_CHECKING

from qapla.database.models.naming import plural

if TYPE_CHECKING:
    from collections.abc import Collection

_LONGEST = 80
_ES = re.compile(r"(ss|x|ch|sh|zz|(?<![oa])us)es$")  # the plural has an "es" that the noun has not: boxes, statuses, but not houses


class Names:
    """Names of one place, a module or a class, each given once.

    Args:
        taken: those that nothing else may have there.
    """

    def __init__(self, taken: Collection[str] = ()) -> None:
        self._taken = set(taken)

    def is_free(self, name: str) -> bool:
        """Tell whether nothing has this name."""
        return name not in self._taken

    def give(self, wanted: str, *others: str) -> str:
        """Return *wanted*, else the first of *others* that is free, else *wanted* with a number; it is taken from now on."""
        found = next((name for name in (wanted, *others) if name not in self._taken), None)
        number = 2
        while found is None:
            numbered = f"{wanted}_{number}"
            found = numbered if numbered not in self._taken else None
            number += 1
        self._taken.add(found)
        return found


def class_name(table: str) -> str:
    """Return what the model of a table is called: ``order_lines`` is ``OrderLine``, ``2nd list`` is ``Table2ndList``."""
    text = plain(table)
    words = [word for word in re.split(r"[\W_]+", text.lower() if text.isupper() else text) if word]
    if words:
        words[-1] = singular(words[-1])
    name = "".join(word[0].upper() + word[1:] for word in words)
    if not name or not name[0].isalpha():
        name = f"Table{name}"
    return f"{name}Table" if keyword.iskeyword(name) or keyword.issoftkeyword(name) else name


def attribute_name(column: str) -> str:
    """Return what the attribute of a column is called: its own name where Python can have it."""
    name = column
    if not _is_usable(name):
        name = re.sub(r"\W+", "_", plain(column)).strip("_")
        if not name or not name[0].isalpha():
            name = f"column_{name}".rstrip("_")
    return f"{name}_" if keyword.iskeyword(name) else name


def _is_usable(name: str) -> bool:
    """Tell whether a name can stay: also after Python has normalised it, and without being private to its class."""
    return name.isidentifier() and not name.startswith("_") and plain(name) == name


def plain(name: str) -> str:
    """Return a name as Python reads it (PEP 3131), cut where it is very long."""
    return unicodedata.normalize("NFKC", name)[:_LONGEST]


def singular(word: str) -> str:
    """Return the noun whose plural is *word*: ``queries`` → ``query``; a word that is no plural stays as it is."""
    lower = word.lower()
    odd = next((one for one in ("person", "child", "man", "woman", "foot", "tooth", "mouse") if lower == plural(one)), None)
    if odd is not None:
        return odd.capitalize() if word[0].isupper() else odd
    if len(lower) < 4 or not lower.endswith("s") or lower.endswith(("ss", "us", "is")) or plural(lower) == lower:
        return word
    if lower.endswith("ies") and len(lower) > 4:
        return f"{word[:-3]}y"
    return word[: -2 if _ES.search(lower) else -1]
