"""Which columns of a view show a table's column as it is, as PostgreSQL keeps it: the rule that a view is.

The parser notes with every column of a SELECT which column of which table it is, through subqueries and joins; casts and what is computed
have none, columns of a view upon a view have those of the view.
"""

from __future__ import annotations

import re

# what a view is made of, as the server keeps it; tables have no such rule
RULES = """
SELECT r.ev_class::bigint, r.ev_action::text FROM pg_catalog.pg_rewrite r
WHERE r.ev_class = ANY(%s::oid[]) AND r.ev_type = '1' AND r.rulename = '_RETURN'
"""
RULES_AT_ONCE = 100  # tens of kilobytes each
_BRACES = re.compile(r"\\.|[{}]")
_TARGET = re.compile(r":resno (\d+) .* :resorigtbl (\d+) :resorigcol (\d+) :resjunk false\Z", re.DOTALL)


def find_sources(tree: str) -> dict[int, tuple[int, int]]:
    """Return, by the number of a view's column, the table and the column there that it shows as it is.

    Args:
        tree: the view's query as ``pg_rewrite`` keeps it, ``({QUERY … :targetList ({TARGETENTRY …} …) …})``; a backslash is before
            every brace that belongs to a name.
    """
    found: dict[int, tuple[int, int]] = {}
    depth, start = 0, 0
    for match in _BRACES.finditer(tree):
        if match[0] == "{":
            depth += 1
            start = match.end() if depth == 2 else start
        elif match[0] == "}":
            if depth == 2 and tree.startswith("TARGETENTRY ", start):
                entry = _TARGET.search(tree, tree.rfind(" :resno ", start, match.start()), match.start())
                if entry is not None and entry[2] != "0":
                    found[int(entry[1])] = int(entry[2]), int(entry[3])
            depth -= 1
    return found
