"""What the tables of SQLite are built of: it stands in the text of their CREATE statements and nowhere else."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from qapla.database.schema.construction import Built, Check, Computed, Index, Part
from qapla.database.schema.description import TableName
from qapla.database.schema.text_sqlite import folded, unquoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from qapla.database.schema.description import DatabaseSchema, Table

TOKEN = re.compile(
    r"""
    (?P<space>\s+ | --[^\n]*(?:\n|\Z) | /\*.*?(?:\*/|\Z))
  | (?P<text>'(?:[^']|'')*')
  | (?P<quoted>"(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\])
  | (?P<word>[^\W\d][\w$]*)
  | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)
STATEMENTS = """
SELECT type, name, tbl_name, sql FROM main.sqlite_master WHERE sql IS NOT NULL AND type IN ('table', 'index') ORDER BY tbl_name, name
"""
TABLE_CONSTRAINTS = frozenset({"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"})


class Token(NamedTuple):
    """A piece of SQL: what it is, its text, where it begins and ends."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        """Return a keyword in capitals; nothing for everything else."""
        return self.text.upper() if self.kind == "word" else ""

    @property
    def is_name(self) -> bool:
        """Tell whether it can be the name of something."""
        return self.kind in ("word", "quoted", "text")


def read_built(connection: Connection, schema: DatabaseSchema) -> dict[TableName, Built]:
    """Read the CREATE statements and say what each table is built of."""
    tables = {folded(table.name.name): table for table in schema.tables if table.kind == "table"}
    texts: dict[str, str] = {}
    indexes: dict[str, list[Index]] = {}
    for kind, name, table, sql in connection.exec_driver_sql(STATEMENTS).fetchall():
        own = folded(table)
        if own not in tables:
            continue
        if kind == "table":
            texts[own] = sql
        else:
            indexes.setdefault(own, []).append(read_index(name, sql, tables[own]))
    return {tables[own].name: read_table(sql, tables[own], indexes.get(own, ())) for own, sql in texts.items()}


def read_table(sql: str, table: Table, indexes: Sequence[Index] = ()) -> Built:
    """Return what a CREATE TABLE statement says beyond columns and keys."""
    parts, rest = split_list(sql)
    words = [token.word for token in rest]
    columns = {folded(column.name): column.name for column in table.columns}
    checks: list[Check] = []
    computed: dict[str, Computed] = {}
    collations: dict[str, tuple[str | None, str | None]] = {}
    autoincrement = False
    for part in parts:
        checks += find_checks(sql, part)
        if not part or part[0].word in TABLE_CONSTRAINTS:
            continue
        name = columns.get(folded(unquoted(part[0].text)))
        if name is None:
            continue
        outer = list(at_top(part))
        if expression := find_computed(sql, part):
            computed[name] = Computed(expression, any(token.word == "STORED" for token in outer))
        for this, following in pairwise(outer):
            if this.word == "COLLATE" and following.is_name:
                collations[name] = (None, unquoted(following.text))
        autoincrement = autoincrement or any(token.word == "AUTOINCREMENT" for token in outer)
    options = {"autoincrement": True} if autoincrement else {}
    options |= {"with_rowid": False} if "WITHOUT" in words else {}
    options |= {"strict": True} if "STRICT" in words else {}
    deferrable = find_deferrable(parts, columns)
    return Built(
        indexes=tuple(indexes), checks=tuple(checks), computed=computed, collations=collations, deferrable=deferrable, options=options
    )


def read_index(name: str, sql: str, table: Table) -> Index:
    """Return an index out of its CREATE INDEX statement."""
    parts, rest = split_list(sql)
    columns = {folded(column.name): column.name for column in table.columns}
    found = []
    for part in parts:
        column = columns.get(folded(unquoted(part[0].text))) if part and part[0].is_name else None
        words = [token.word for token in part[1:]]
        if column is not None and words in ([], ["ASC"], ["DESC"]):
            found.append(Part(column, sorting=("desc",) if words == ["DESC"] else ()))
        else:
            found.append(Part(sql[part[0].start : part[-1].end], is_column=False))
    options = (("where", sql[rest[1].start : rest[-1].end]),) if rest and rest[0].word == "WHERE" and len(rest) > 1 else ()
    unique = any(token.word == "UNIQUE" for token in tokens(sql)[:2])
    return Index(name, tuple(found), unique, options)


def tokens(sql: str) -> list[Token]:
    """Return the pieces of a statement without spaces and comments."""
    found = (Token(match.lastgroup or "mark", match[0], match.start(), match.end()) for match in TOKEN.finditer(sql))
    return [token for token in found if token.kind != "space"]


def split_list(sql: str) -> tuple[list[list[Token]], list[Token]]:
    """Return the parts of the first list in brackets, and what comes behind it."""
    parts: list[list[Token]] = [[]]
    depth = 0
    pieces = tokens(sql)
    for place, token in enumerate(pieces):
        if token.text == ")":
            depth -= 1
            if depth == 0:
                return [part for part in parts if part], pieces[place + 1 :]
        if depth == 1 and token.text == ",":
            parts.append([])
        elif depth:
            parts[-1].append(token)
        if token.text == "(":
            depth += 1
    return [part for part in parts if part], []


def at_top(part: Sequence[Token]) -> Iterator[Token]:
    """Yield the pieces that are in no brackets of their own."""
    depth = 0
    for token in part:
        if token.text == "(":
            depth += 1
        elif token.text == ")":
            depth -= 1
        elif depth == 0:
            yield token


def in_brackets(sql: str, part: Sequence[Token], place: int) -> str | None:
    """Return what is between the bracket at *place* and the one that closes it."""
    depth = 0
    for token in part[place:]:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0:
            return sql[part[place].end : token.start].strip()
    return None


def top_places(part: Sequence[Token]) -> Iterator[int]:
    """Yield the places of the pieces that are in no brackets of their own, opening brackets among them."""
    depth = 0
    for place, token in enumerate(part):
        if token.text == ")":
            depth -= 1
        if depth == 0:
            yield place
        if token.text == "(":
            depth += 1


def find_checks(sql: str, part: Sequence[Token]) -> Iterator[Check]:
    """Yield the CHECKs of a column or of the table, each with its name where it has one."""
    places = list(top_places(part))
    for number, place in enumerate(places):
        if part[place].word != "CHECK" or place + 1 >= len(part) or part[place + 1].text != "(":
            continue
        before = places[number - 2] if number >= 2 else None
        named = before is not None and part[before].word == "CONSTRAINT"
        condition = in_brackets(sql, part, place + 1)
        if condition:
            yield Check(unquoted(part[place - 1].text) if named else None, condition)


def find_computed(sql: str, part: Sequence[Token]) -> str | None:
    """Return the expression of a column that is computed."""
    for place in top_places(part):
        if place and part[place].word == "AS" and place + 1 < len(part) and part[place + 1].text == "(":
            return in_brackets(sql, part, place + 1)
    return None


def find_deferrable(parts: Sequence[Sequence[Token]], columns: Mapping[str, str]) -> dict[tuple[str, ...], str | None]:
    """Return which foreign keys may wait for the commit, by their columns, and how they begin."""
    found: dict[tuple[str, ...], str | None] = {}
    for part in parts:
        words = [token.word for token in part]
        if "REFERENCES" not in words or "DEFERRABLE" not in words or words[words.index("DEFERRABLE") - 1] == "NOT":
            continue
        own = part[: words.index("REFERENCES")]
        if "KEY" in words[: len(own)] and part[0].word in TABLE_CONSTRAINTS:
            own = [token for token in own[words.index("KEY") + 1 :] if token.is_name]
        else:
            own = own[:1]
        names = (unquoted(token.text) for token in own)
        begins = words[words.index("INITIALLY") + 1] if "INITIALLY" in words[:-1] else None
        found[tuple(columns.get(folded(name), name) for name in names)] = begins
    return found
