"""The manual's page of operators, printed from the table of operators."""

from __future__ import annotations

from qapla.database.dialects import get_engine
from qapla.database.query.lookups import EVERYWHERE, OPERATORS

INTRODUCTION = """# Operators of filters

`column=operator.value`, `column=not.operator.value`; `(any)` and `(all)` take a list `{a,b}`: `name=like(any).{A*,B*}`.
An operator that an engine does not have is refused by name, 400 `QAPLA100`, never answered wrongly.

Texts are compared and sorted by the database's own collation: the usual ones of MariaDB and MySQL ignore case in `eq`, those of
PostgreSQL and SQLite do not. `like` distinguishes case on every engine, `ilike` on none.
"""


def print_operators() -> str:
    """Return the page, in Markdown."""
    labels = [get_engine(engine).label for engine in EVERYWHERE]
    lines = [f"| operator | the rows whose value … | {' | '.join(labels)} | instead |", "|---|---|" + ":-:|" * len(labels) + "---|"]
    for operator in OPERATORS.values():
        marks = " | ".join("yes" if engine in operator.sql else "–" for engine in EVERYWHERE)
        text = operator.text.replace("|", "\\|")
        lines.append(f"| `{operator.name}` | {text} | {marks} | {operator.instead} |")
    return INTRODUCTION + "\n" + "\n".join(lines) + "\n"
