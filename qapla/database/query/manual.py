"""The manual's page of operators, printed from the tables of operators and of casts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qapla.database.dialects import get_engine
from qapla.database.query.casts import CASTS
from qapla.database.query.lookups import EVERYWHERE, KINDS, OPERATORS

if TYPE_CHECKING:
    from qapla.database.query.lookups import Operator

INTRODUCTION = """# Operators of filters

`column=operator.value`, `column=not.operator.value`; `(any)` and `(all)` take a list `{a,b}`: `name=like(any).{A*,B*}`.
The table says for which kinds of columns each engine has an operator. What an engine does not have is refused by name, 400
`QAPLA100`, never answered wrongly.

Texts are compared and sorted by the database's own collation: the usual ones of MariaDB and MySQL ignore case in `eq`, and blanks at
the end; those of PostgreSQL and SQLite do not. `like` distinguishes case on every engine, `ilike` on none.

A regular expression that is no such, or takes longer than a second with one value on SQLite, is refused with `2201B`.

JSON, a column or what `->` leads to, is compared as PostgreSQL compares `jsonb`, on every engine: null < texts < numbers < booleans <
arrays < objects, numbers by value. The operand is JSON: `data->a=eq.5`, `data->b=eq."five"`; `data->>b=eq.five` compares the text.
MariaDB and MySQL compare with single values; arrays and objects only where they are `cs` (contained), and have single values inside.

PostgreSQL's `xml`, `point` and `polygon` cannot be compared, nor sorted by; their text can: `place::text=eq.(1,2)`.
"""
CAST_INTRODUCTION = """
## Casts

`select=total::text,data->>size::integer`, and in aggregates on either side: `data->>size::integer.sum()::text`. What cannot be cast is
an error (400) with the same SQLSTATE on every engine: 22P02 (22007 of dates), out of range 22003 (22008 of dates). MariaDB and MySQL
cannot say which value it was.

"""


def print_operators() -> str:
    """Return the page, in Markdown."""
    labels = " | ".join(get_engine(engine).label for engine in EVERYWHERE)
    head = [f"| operator | the rows whose value … | {labels} | instead |", "|---|---|" + "---|" * len(EVERYWHERE) + "---|"]
    rows = [_print_operator(operator) for operator in OPERATORS.values()]
    return "\n".join([INTRODUCTION, *head, *rows]) + "\n" + CAST_INTRODUCTION + _print_casts(labels)


def _print_operator(operator: Operator) -> str:
    kinds = " | ".join(_print_kinds(operator, engine) for engine in EVERYWHERE)
    text = operator.text.replace("|", "\\|")
    return f"| `{operator.name}` | {text} | {kinds} | {operator.instead} |"


def _print_kinds(operator: Operator, engine: str) -> str:
    kinds = operator.kinds_on(engine)
    if not kinds:
        return "–"
    missing = KINDS[engine] - kinds
    if len(missing) <= 1:
        return "every kind" + "".join(f" but {kind}" for kind in missing)
    return ", ".join(sorted(kinds - {"unknown"})) + (", others" if "unknown" in kinds else "")


def _print_casts(labels: str) -> str:
    lines = [f"| to | also written | {labels} |", "|---|---|" + ":-:|" * len(EVERYWHERE)]
    for name, cast in CASTS.items():
        if name == cast.name:
            marks = " | ".join("yes" if engine in cast.engines else "–" for engine in EVERYWHERE)
            lines.append(f"| `{name}` | {', '.join(f'`{other}`' for other in cast.names)} | {marks} |")
    return "\n".join(lines) + "\n"
