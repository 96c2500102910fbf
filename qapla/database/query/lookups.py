"""The one table of operators: which kinds of columns each is for, its SQL on each engine, and what the manual says of it.

A new operator is a new row here and nothing else: the parser of URLs, the resolver, the compiler and the manual read this table.
A template has ``{}`` for the column's value and then ``{}`` for each operand. An engine that an operator has no SQL for refuses
it by name, with what to use instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from qapla.database.schema import kinds
from qapla.errors import NotOffered, QueryError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from qapla.database.schema.description import Kind

OperandForm = Literal[
    "value",  # read as the column's type
    "list",  # several of them
    "pattern",  # of LIKE; * is % too
    "regex",
    "keyword",  # one of KEYWORDS
    "raw",  # as PostgreSQL writes it: arrays, ranges, JSON
    "search",  # a text search query
]


def _kinds(found: Iterable[Kind], *more: Kind) -> frozenset[Kind]:
    return frozenset((*found, *more, "unknown"))  # the last: types that are in no table


KINDS: Mapping[str, frozenset[Kind]] = {  # of columns that an engine can have
    "postgresql": _kinds(kinds.POSTGRESQL.values(), "enum", "array", "range", "composite"),
    "mariadb": _kinds(kinds.MYSQL.values(), "boolean"),
    "mysql": _kinds(kinds.MYSQL.values(), "boolean"),
    "sqlite": _kinds(kinds.SQLITE.values(), *(kind for _, kind in kinds.AFFINITIES)),
}
TEXT_KINDS: frozenset[Kind] = frozenset({"text", "enum", "unknown"})
UNORDERED: frozenset[Kind] = frozenset({"geometry"})  # no value is before another
COMPARED: Mapping[str, frozenset[Kind]] = {  # where not every kind can be compared with what a caller writes
    "postgresql": KINDS["postgresql"] - {"composite"},
    "mariadb": KINDS["mariadb"] - {"geometry"},
    "mysql": KINDS["mysql"] - {"geometry"},
}
INCOMPARABLE: Mapping[str, frozenset[str]] = {"postgresql": frozenset({"xml", "point", "polygon"})}  # types without = and <
WRITTEN: Mapping[str, frozenset[Kind]] = {"postgresql": TEXT_KINDS - {"enum"}}  # PostgreSQL's enums are no texts
SETS: frozenset[Kind] = frozenset({"array", "range", "json", "unknown"})
SEARCHED: frozenset[Kind] = frozenset({"text", "json", "unknown"})
OVERLAPPING: frozenset[Kind] = frozenset({"array", "range", "unknown"})
JSON: frozenset[Kind] = frozenset({"json"})
RANGES: frozenset[Kind] = frozenset({"range", "unknown"})
EVERYWHERE = ("postgresql", "mariadb", "mysql", "sqlite")


@dataclass(frozen=True, slots=True)
class Operator:
    """One row of the table. ``kinds`` None: every kind; ``only`` says it for engines that have fewer.

    ``instead`` is the hint where an engine does not have it.
    """

    name: str
    text: str  # for the manual, after "rows whose value …"
    operand: OperandForm
    sql: Mapping[str, str]  # engine → template
    kinds: frozenset[Kind] | None = None
    instead: str = ""
    has_quantifiers: bool = False  # (any) and (all) of a list {…}
    has_argument: bool = False  # fts(english)
    only: Mapping[str, frozenset[Kind]] = field(default_factory=dict)

    def kinds_on(self, engine: str) -> frozenset[Kind]:
        """Return the kinds of columns of *engine* that it is for; of none where the engine has not got it."""
        if engine not in self.sql:
            return frozenset()
        wanted = self.only.get(engine, self.kinds)
        return KINDS[engine] if wanted is None else KINDS[engine] & wanted


def _all(template: str) -> dict[str, str]:
    return dict.fromkeys(EVERYWHERE, template)


def _mysql(template: str) -> dict[str, str]:
    return {"mariadb": template, "mysql": template}


def _contains(name: str, text: str, symbol: str, function: str) -> Operator:
    # PostgreSQL's own; of JSON elsewhere the same: our function on SQLite. On MariaDB and MySQL the renderer writes it, part by part.
    sql = {"postgresql": f"{{}} {symbol} {{}}", "sqlite": f"{function}({{}}, {{}})", **_mysql("{} {}")}
    only = dict.fromkeys(("mariadb", "mysql", "sqlite"), JSON)
    return Operator(name, text, "raw", sql, kinds=SETS, instead="filter the elements in a table of their own", only=only)


def _only_postgresql(name: str, text: str, symbol: str, kinds: frozenset[Kind], instead: str) -> Operator:
    return Operator(name, text, "raw", {"postgresql": f"{{}} {symbol} {{}}"}, kinds=kinds, instead=instead)


def _search(name: str, text: str, function: str) -> Operator:
    # A tsvector is searched as it is, any other column is made one, as PostgREST 14 does.
    template = {"postgresql": f"{{}} @@ {function}({{}})"}
    return Operator(name, text, "search", template, kinds=SEARCHED, instead="use ilike with *word*", has_argument=True)


_ROWS = (
    Operator("eq", "equals the operand", "value", _all("{} = {}"), has_quantifiers=True, only=COMPARED),
    Operator("neq", "differs from it", "value", _all("{} <> {}"), has_quantifiers=True, only=COMPARED),
    Operator("gt", "is greater", "value", _all("{} > {}"), has_quantifiers=True, only=COMPARED),
    Operator("gte", "is greater or equal", "value", _all("{} >= {}"), has_quantifiers=True, only=COMPARED),
    Operator("lt", "is less", "value", _all("{} < {}"), has_quantifiers=True, only=COMPARED),
    Operator("lte", "is less or equal", "value", _all("{} <= {}"), has_quantifiers=True, only=COMPARED),
    Operator(
        "like",
        "matches the pattern: % or * stands for any characters, _ for one, \\ takes their meaning away; letter case counts",
        "pattern",
        {
            "postgresql": "{} LIKE {}",
            "sqlite": "{} GLOB {}",  # its LIKE ignores case; the pattern is translated
            **_mysql("CONVERT({} USING utf8mb4) LIKE {} COLLATE utf8mb4_bin"),
        },
        kinds=TEXT_KINDS,
        has_quantifiers=True,
        only=WRITTEN,
    ),
    Operator(
        "ilike",
        "matches the pattern, letter case ignored",
        "pattern",
        {
            "postgresql": "{} ILIKE {}",
            "sqlite": "{} LIKE {} ESCAPE '\\'",
            **_mysql("LOWER(CONVERT({} USING utf8mb4)) LIKE LOWER({}) COLLATE utf8mb4_bin"),
        },
        kinds=TEXT_KINDS,
        has_quantifiers=True,
        only=WRITTEN,
    ),
    Operator(
        "match",
        "matches the regular expression of the engine (POSIX on PostgreSQL, PCRE on MariaDB, ICU on MySQL, Python's on SQLite)",
        "regex",
        {"postgresql": "{} ~ {}", "sqlite": "qapla_match({}, {})", **_mysql("CONVERT({} USING utf8mb4) COLLATE utf8mb4_bin REGEXP {}")},
        kinds=TEXT_KINDS,
        has_quantifiers=True,
        only=WRITTEN,
    ),
    Operator(
        "imatch",
        "matches the regular expression, letter case ignored",
        "regex",
        {
            "postgresql": "{} ~* {}",
            "sqlite": "qapla_imatch({}, {})",
            **_mysql("CONVERT({} USING utf8mb4) COLLATE utf8mb4_bin REGEXP CONCAT('(?i)', {})"),
        },
        kinds=TEXT_KINDS,
        has_quantifiers=True,
        only=WRITTEN,
    ),
    Operator("in", "is one of the list (a,b,\"c,d\")", "list", _all("{} IN ({})"), only=COMPARED),
    Operator("is", "is null, not_null, true, false or unknown", "keyword", _all("{}")),
    Operator(
        "isdistinct",
        "differs from the operand, NULL counting as a value",
        "value",
        {"postgresql": "{} IS DISTINCT FROM {}", "sqlite": "{} IS NOT {}", **_mysql("NOT ({} <=> {})")},
        only=COMPARED,
    ),
    _contains("cs", "contains all of it", "@>", "qapla_contains"),
    _contains("cd", "is contained in it", "<@", "qapla_contained"),
    _only_postgresql("ov", "overlaps it", "&&", OVERLAPPING, "filter the elements in a table of their own"),
    _only_postgresql("sl", "is a range wholly left of it", "<<", RANGES, "compare the bounds with lt"),
    _only_postgresql("sr", "is a range wholly right of it", ">>", RANGES, "compare the bounds with gt"),
    _only_postgresql("nxr", "is a range that does not extend to the right of it", "&<", RANGES, "compare the bounds with lte"),
    _only_postgresql("nxl", "is a range that does not extend to the left of it", "&>", RANGES, "compare the bounds with gte"),
    _only_postgresql("adj", "is a range next to it", "-|-", RANGES, "compare the bounds with eq"),
    _search("fts", "matches the text search query (words with & | !)", "to_tsquery"),
    _search("plfts", "has all the words", "plainto_tsquery"),
    _search("phfts", "has the phrase", "phraseto_tsquery"),
    _search("wfts", "matches a search as people type it (\"…\", or, -)", "websearch_to_tsquery"),
)

OPERATORS: Mapping[str, Operator] = {operator.name: operator for operator in _ROWS}
_ALLOWED = {(operator.name, engine): operator.kinds_on(engine) for operator in _ROWS for engine in EVERYWHERE}

KEYWORDS: Mapping[str, str] = {
    "null": "{} IS NULL",
    "not_null": "{} IS NOT NULL",
    "true": "{} IS TRUE",
    "false": "{} IS FALSE",
    "unknown": "{} IS NULL",  # IS UNKNOWN, of a boolean
}

def get_operator(name: str) -> Operator:
    """Return the operator called *name*.

    Raises:
        QueryError: there is none.
    """
    try:
        return OPERATORS[name]
    except KeyError:
        raise QueryError(f"operator {name[:40]!r} is not known", hint=nearest(name[:40], OPERATORS)) from None


def get_template(operator: Operator, engine: str, label: str) -> str:
    """Return the SQL of *operator* on *engine*.

    Raises:
        NotOffered: the engine does not have it; the hint says what to use instead.
    """
    template = operator.sql.get(engine)
    if template is None:
        raise NotOffered(f"operator {operator.name!r} is not offered by {label}", hint=operator.instead or None)
    return template


def check_kind(operator: Operator, engine: str, kind: Kind, column: str, type_name: str) -> None:
    """Refuse an operator for a column of a kind that it is not for.

    Raises:
        NotOffered: another engine has it for that kind; QueryError: none has (42883, as PostgreSQL says it).
    """
    if operator.operand in ("value", "list") and type_name in INCOMPARABLE.get(engine, ()):
        message = f"operator {operator.name!r} is not offered for column {column!r} of type {type_name!r}, of which no two can be compared"
        raise NotOffered(message, hint=f"compare its text: {column}::text")
    if kind in _ALLOWED.get((operator.name, engine), ()):
        return
    if engine in operator.only and (operator.kinds is None or kind in operator.kinds):
        raise NotOffered(
            f"operator {operator.name!r} is not offered for column {column!r} of type {type_name!r} here", hint=operator.instead or None
        )
    raise QueryError(
        f"operator {operator.name!r} is not for column {column!r} of type {type_name!r}",
        code="42883",
        hint="cast the column, or use eq, gt, gte, lt, lte, in or is",
    )
