"""**The** table of errors: each SQLSTATE with the status it is answered with, what is said, and what each engine calls it.

``faults`` reads it; the manual's page of errors is printed from it (``print_errors``). What an engine says and is not in here is XX000,
500. PostgreSQL has SQLSTATEs of its own, which are kept, whether they are in here or not; ``CLASSES`` has the status of the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of error.

    Args:
        code: the SQLSTATE.
        status: of the answer.
        text: what is said; ``{column}``, ``{constraint}`` and ``{table}`` become names where the engine tells them.
        mysql: error numbers of MariaDB and MySQL.
        sqlite: names of SQLite's result codes. texts: what its message has, as regular expressions, where the code is only SQLITE_ERROR.
        oracle: ORA and DPY codes.
        postgresql: what libpq says where there is no SQLSTATE yet: while it connects.
        answered: the code of the answer, where it is not the SQLSTATE.
    """

    code: str
    status: int
    text: str
    mysql: tuple[int, ...] = ()
    sqlite: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    oracle: tuple[str, ...] = ()
    postgresql: tuple[str, ...] = ()
    answered: str | None = None


_AWAY, _NO_TABLE = "PGRST000", "PGRST205"

CASES: tuple[Case, ...] = (
    Case(
        "23505",
        409,
        "duplicate key value violates unique constraint {constraint}",
        mysql=(1062, 1586, 1169),
        sqlite=("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_ROWID"),
        oracle=("ORA-00001",),
    ),
    Case(
        "23503",
        409,
        "the row violates foreign key constraint {constraint}",
        mysql=(1451, 1452, 1216, 1217),
        sqlite=("SQLITE_CONSTRAINT_FOREIGNKEY",),
        oracle=("ORA-02291", "ORA-02292"),
    ),
    Case(
        "23502",
        400,
        "null value in column {column} violates not-null constraint",
        mysql=(1048, 1364, 1263),
        sqlite=("SQLITE_CONSTRAINT_NOTNULL",),
        oracle=("ORA-01400", "ORA-01407"),
    ),
    Case(
        "23514",
        400,
        "the row violates check constraint {constraint}",
        mysql=(4025, 3819),
        sqlite=("SQLITE_CONSTRAINT_CHECK",),
        oracle=("ORA-02290",),
    ),
    Case("44000", 400, "the row would not be in the view through which it is written", (1369,), (), (), ("ORA-01402",)),
    Case(
        "22P02",
        400,
        "a value cannot be read as the type of column {column}",
        mysql=(1366, 1265, 1367, 3140, 4038, 1416),
        sqlite=("SQLITE_CONSTRAINT_DATATYPE", "SQLITE_MISMATCH"),
        texts=(r"cannot store \w+ value in", r"malformed JSON|JSON path|bad JSON"),  # the first of a STRICT table
        oracle=("ORA-01722",),
    ),
    Case("22003", 400, "a value is out of range for column {column}", (1264, 1690), (), (r"integer overflow",), ("ORA-01438", "ORA-01426")),
    Case("22001", 400, "a value is too long for column {column}", (1406,), (), (), ("ORA-12899",)),
    Case(
        "22007",
        400,
        "a value is no valid date or time for column {column}",
        mysql=(1292, 1411),
        oracle=("ORA-01861", "ORA-01843", "ORA-01830"),
    ),
    Case("22008", 400, "a date or a time is out of range", (1441,), (), (), ("ORA-01847", "ORA-01839")),
    Case("22012", 400, "division by zero", (1365,), (), (), ("ORA-01476",)),
    Case("22021", 400, "a text has characters that column {column} cannot hold", (1300, 3988), (), (r"could not decode",)),
    Case("2201B", 400, "a regular expression is not valid", (1139, 3692, 3685), (), (), ("ORA-12725",)),
    Case("21000", 500, "a subquery that must give one row gives several", (1242,), (), (), ("ORA-01427",)),
    Case("42P22", 400, "two texts have collations that cannot be compared", (1267, 1271)),
    Case(
        "428C9",
        400,
        "column {column} is made by the database and cannot be written",
        mysql=(1906, 3105),
        texts=(r"generated column",),
        oracle=("ORA-54013", "ORA-32795"),
    ),
    Case("42703", 400, "column {column} does not exist", (1054,), (), (r"no such column|has no column named",), ("ORA-00904",)),
    Case(
        "42P01",
        404,
        "table {table} does not exist",
        mysql=(1146, 1051, 1109, 1356, 1449),
        sqlite=("SQLITE_SCHEMA",),
        texts=(r"no such table",),
        oracle=("ORA-00942",),
        answered=_NO_TABLE,
    ),
    Case("42883", 404, "a function that is needed does not exist", (1305, 1630), (), (r"no such function",)),
    Case(
        "42501",
        403,
        "permission denied",
        mysql=(1044, 1142, 1143, 1227, 1370, 1419),
        sqlite=("SQLITE_AUTH", "SQLITE_PERM"),
        oracle=("ORA-01031",),
    ),
    Case(
        "25006",
        405,
        "cannot write: the connection, the table or the view is read only",
        mysql=(1290, 1792, 1836, 1288, 1348, 1471, 1393, 1394, 1395),
        sqlite=("SQLITE_READONLY",),
        texts=(r"because it is a view|may not be modified",),
        oracle=("ORA-16000", "ORA-01456"),
    ),
    Case("40P01", 500, "deadlock detected; nothing was changed", (1213,), (), (), ("ORA-00060",)),
    Case("40001", 500, "somebody else changed the row at the same time; nothing was changed", (1412, 1615, 1020), (), (), ("ORA-08177",)),
    Case(
        "55P03",
        504,
        "the statement waited too long for a lock that somebody else holds",
        mysql=(1205, 3572),
        sqlite=("SQLITE_BUSY", "SQLITE_LOCKED"),
        oracle=("ORA-00054", "ORA-30006"),
    ),
    Case(
        "57014",
        504,
        "the statement took longer than the connection allows",
        mysql=(1969, 3024, 1317),
        sqlite=("SQLITE_INTERRUPT",),
        oracle=("ORA-01013", "DPY-4024"),
    ),
    Case("P0001", 400, "what a trigger or a function says itself", (1644,), ("SQLITE_CONSTRAINT_TRIGGER",), (), ("ORA-20000",)),
    Case(
        "42601",
        500,
        "the statement is not understood by the database",
        mysql=(1136, 1064),
        texts=(r"syntax error|values for \d+ columns|has \d+ columns but",),
    ),
    Case("54000", 413, "a value or an answer is larger than the database takes", (1153, 1260, 1390), ("SQLITE_TOOBIG",)),
    Case("54001", 500, "the request is too complex for the database", (1436,), (), (r"too (many|large|deep|complex)|too big|overflow",)),
    Case(
        "53100",
        503,
        "the database's disk or table is full",
        mysql=(1021, 1114),
        sqlite=("SQLITE_FULL",),
        oracle=("ORA-01653", "ORA-01654"),
    ),
    Case("53200", 503, "the database is out of memory", (1037, 1038, 1041), ("SQLITE_NOMEM",), (), ("ORA-04030", "ORA-04031")),
    Case(
        "53300",
        503,
        "the database takes no more connections",
        mysql=(1040, 1203, 1226),
        oracle=("ORA-00018", "ORA-00020"),
        postgresql=(r"too many (clients|connections)|remaining connection slots",),
        answered=_AWAY,
    ),
    Case(
        "08001",
        503,
        "the database cannot be reached",
        mysql=(2002, 2003, 2005, 2026),
        sqlite=("SQLITE_CANTOPEN",),
        texts=(r"unable to open database",),
        oracle=("DPY-6005", "DPY-6000", "ORA-12541", "ORA-12514"),
        answered=_AWAY,
    ),
    Case(
        "08006",
        503,
        "the connection to the database was lost",
        mysql=(1053, 1927, 2006, 2013, 2014),
        oracle=("DPY-4011", "DPY-1001", "ORA-03113"),
        answered=_AWAY,
    ),
    Case(
        "28P01",
        503,
        "the login was refused",
        mysql=(1045, 1698),
        oracle=("ORA-01017",),
        postgresql=(r"authentication failed|pg_hba\.conf|no password supplied|role \".*\" does not exist",),
        answered=_AWAY,
    ),
    Case("28000", 503, "the login was refused", (1251,), answered=_AWAY),
    Case("3D000", 503, "the database does not exist", (1049,), postgresql=(r"database \".*\" does not exist",), answered=_AWAY),
    Case("58030", 500, "the database's storage failed", sqlite=("SQLITE_IOERR",)),
    Case("XX001", 500, "the database file is damaged, or not a database", sqlite=("SQLITE_CORRUPT", "SQLITE_NOTADB")),
)
BY_CODE: Mapping[str, Case] = {case.code: case for case in CASES}

# Classes of SQLSTATEs, and what differs within one, as PostgREST answers them. What is in neither table is 400.
CLASSES: Mapping[str, int] = {
    "42P17": 500, "53400": 500, "08": 503, "53": 503, "09": 500, "0L": 403, "0P": 403, "25": 500, "28": 403, "2D": 500, "38": 500,
    "39": 500, "3B": 500, "40": 500, "54": 500, "55": 500, "57": 500, "58": 500, "F0": 500, "HV": 500, "P0": 500, "XX": 500,
}  # fmt: skip

INTRODUCTION = """# Errors of databases

Every error of a database has a SQLSTATE, the same on every engine: PostgreSQL's own, and what the others say is mapped to it. The table
says which status it is answered with, and what it is called by each engine. Where a code stands in brackets, the answer's `code` is that
one. Neither answers nor logs have a password, and no answer has SQL or the row that was refused.

Functions and triggers raise errors of their own: those that they choose a SQLSTATE for keep it, the others are P0001. `PT402` is status
402; `PGRST` has the whole answer in it: the message is JSON with `code`, `message`, `details` and `hint`, the detail JSON with `status` and
`headers` (PostgreSQL, MariaDB, MySQL).

57014 by another limit than the connection's own, a role's `statement_timeout` or somebody's cancelling, is 500. 42501 is 401 for callers
without credentials. A deadlock is for the caller to try again, but for upserts on MariaDB and MySQL, which are tried again here.

| SQLSTATE | status | what it means | MariaDB, MySQL | SQLite | Oracle |
|---|--:|---|---|---|---|
"""
OTHERS = """
Other SQLSTATEs of PostgreSQL are answered by their class, as PostgREST does: """


def get_status(code: str) -> int:
    """Return the status that an error with this SQLSTATE is answered with."""
    case = BY_CODE.get(code)
    return case.status if case is not None else CLASSES.get(code) or CLASSES.get(code[:2], 400)


def print_errors() -> str:
    """Return the manual's page of errors, in Markdown."""
    lines = [_print_case(case) for case in CASES]
    others = ", ".join(f"{code}{'*' * (5 - len(code))} {status}" for code, status in CLASSES.items())
    return INTRODUCTION + "\n".join(lines) + "\n" + OTHERS + others + "; anything else 400.\n"


def _print_case(case: Case) -> str:
    code = f"{case.code} ({case.answered})" if case.answered else case.code
    text = case.text
    for name in ("column", "constraint", "table"):
        text = text.replace(f" {{{name}}}", "")
    sqlite = [*(name.removeprefix("SQLITE_") for name in case.sqlite), *(f"`{pattern}`".replace("|", "\\|") for pattern in case.texts)]
    cells = (code, str(case.status), text, ", ".join(map(str, case.mysql)), ", ".join(sqlite), ", ".join(case.oracle))
    return f"| {' | '.join(cells)} |"
