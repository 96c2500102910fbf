"""Compare a column's server default in the database with the one in its model; Alembic's ``compare_server_default``.

An engine gives a default back in its own words (``'it''s'::character varying``, ``1`` for ``TRUE``, ``current_timestamp()``). What is the
same in other words is no difference; where words are not enough, Alembic is asked, which lets PostgreSQL compare the two.
"""

from __future__ import annotations

import re
from typing import Any

CAST = re.compile(r"::[a-z_][\w .]*(\(\d+(,\s*\d+)?\))?(\[\])?$", re.IGNORECASE)
QUOTED = re.compile(r"[NE]?'((?:[^']|'')*)'", re.IGNORECASE)
NOW = dict.fromkeys(("now()", "current_timestamp", "current_timestamp()"), "now()")
SYNONYMS = {"true": "1", "false": "0", **NOW}


def differ(context: Any, inspected: Any, column: Any, there: str | None, default: Any, rendered: str | None) -> bool | None:
    """Tell whether the defaults differ; None leaves the answer to Alembic.

    Args:
        there: the default in the database, as SQL; None for none.
        default: the model's ``server_default``.
        rendered: the same as SQL.
    """
    argument = getattr(default, "arg", None)
    if there is None or argument is None or rendered is None:
        return None
    if isinstance(argument, str):
        # Alembic renders this one without doubling its quotes, and PostgreSQL could not read it.
        return plain(there) != _synonym(argument)
    return False if plain(there) == plain(rendered) else None


def plain(sql: str) -> str:
    """Return a default without what engines add to it: parentheses, casts, quotes."""
    text = sql.strip()
    while text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    text = CAST.sub("", text).strip()
    found = QUOTED.fullmatch(text)
    return _synonym(found[1].replace("''", "'") if found else text)


def _synonym(text: str) -> str:
    return SYNONYMS.get(text.lower(), text)
