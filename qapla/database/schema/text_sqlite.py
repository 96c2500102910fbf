"""What SQLite keeps as text only: the names of foreign keys stand nowhere but in the CREATE TABLE statement."""

from __future__ import annotations

import re

TOKEN = re.compile(
    r"""
    --[^\n]*(?:\n|\Z) | /\*.*?(?:\*/|\Z)                                             # comments
  | (?P<text>'(?:[^']|'')*')
  | (?P<quoted>"(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\])
  | (?P<word>[^\W\d][\w$]*)
  | (?P<mark>[(),])
    """,
    re.VERBOSE | re.DOTALL,
)
ASCII_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def folded(name: str) -> str:
    """Return a name as SQLite compares it: ASCII letters without case, all others as they are."""
    return name.translate(ASCII_LOWER)


def constraint_names(sql: str) -> list[str | None]:
    """Return the name of each foreign key of a CREATE TABLE statement, in the order of their REFERENCES.

    A name is what follows CONSTRAINT and belongs to the constraint that comes next; a comma outside of brackets ends it.
    """
    found: list[str | None] = []
    name: str | None = None
    depth, wants_name = 0, False
    for match in TOKEN.finditer(sql):
        word = match["word"].upper() if match["word"] else ""
        if wants_name and (match["word"] or match["quoted"] or match["text"]):
            name, wants_name = unquoted(match[0]), False
        elif match["mark"]:
            depth += {"(": 1, ")": -1}.get(match["mark"], 0)
            if match["mark"] == "," and depth == 1:
                name = None
        elif word == "CONSTRAINT":
            wants_name = True
        elif word == "REFERENCES":
            found.append(name)
            name = None
        elif word in ("PRIMARY", "UNIQUE", "CHECK", "NOT", "DEFAULT", "COLLATE", "GENERATED") and depth == 1:
            name = None
    return found


def unquoted(name: str) -> str:
    """Return an identifier without its quotes."""
    first = name[0]
    if first == "[":
        return name[1:-1]
    if first in "\"'`":
        return name[1:-1].replace(first * 2, first)
    return name
