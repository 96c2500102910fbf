"""Errors of every engine as SQLSTATEs."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from qapla.database.faults import translate
from qapla.database.sqlstates import BY_CODE, CASES, Case, print_errors
from qapla.errors import DatabaseError, ReadOnly, TimedOut, Unavailable


class MariadbError(Exception):
    """As PyMySQL raises them."""


class OracleError(Exception):
    """As python-oracledb raises them."""


class SqliteError(Exception):
    """As sqlite3 raises them."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.sqlite_errorname = name


def mariadb(number: int, text: str) -> Any:
    """Translate an error of MariaDB."""
    return translate("mariadb", MariadbError(number, text), "shop")


def oracle(code: str, text: str) -> Any:
    """Translate an error of Oracle."""
    return translate("oracle", OracleError(f"{code}: {text}"), "shop")


def sqlite(*statements: str) -> Any:
    """Provoke an error of SQLite and translate it."""
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA foreign_keys = ON")
    try:
        for statement in statements:
            connection.execute(statement)
    except sqlite3.Error as error:
        return translate("sqlite", error, "shop")
    finally:
        connection.close()
    raise AssertionError("nothing went wrong")


@pytest.mark.parametrize(
    ("number", "text", "code", "status", "column", "constraint"),
    [
        (1062, "Duplicate entry 'a-b' for key 'name'", "23505", 409, None, "name"),
        (1062, "Duplicate entry 'it''s' for key 'customer.name'", "23505", 409, None, "name"),
        (1048, "Column 'name' cannot be null", "23502", 400, "name", None),
        (1364, "Field 'name' doesn't have a default value", "23502", 400, "name", None),
        (
            1452,
            "Cannot add or update a child row: a foreign key constraint fails "
            "(`d`.`o`, CONSTRAINT `fk` FOREIGN KEY (`c_id`) REFERENCES `c` (`id`))",
            "23503",
            409,
            "c_id",
            "fk",
        ),
        (4025, "CONSTRAINT `positive` failed for `d`.`orders`", "23514", 400, None, "positive"),
        (1264, "Out of range value for column 'n' at row 1", "22003", 400, "n", None),
        (1406, "Data too long for column 'n' at row 3", "22001", 400, "n", None),
        (1366, "Incorrect integer value: 'x' for column `d`.`t`.`n` at row 1", "22P02", 400, "n", None),
        (1292, "Incorrect datetime value: '2023-02-30' for column `d`.`t`.`at` at row 1", "22007", 400, "at", None),
        (1265, "Data truncated for column 'e' at row 1", "22P02", 400, "e", None),
        (1054, "Unknown column 't0.gone' in 'field list'", "42703", 400, "gone", None),
        (1142, "SELECT command denied to user 'u'@'h' for table `d`.`t`", "42501", 403, None, None),
        (1213, "Deadlock found when trying to get lock; try restarting transaction", "40P01", 500, None, None),
        (1644, "no orders on Sundays", "P0001", 400, None, None),
    ],
)
def test_mariadb(number: int, text: str, code: str, status: int, column: str | None, constraint: str | None) -> None:
    """Numbers become SQLSTATEs, and what the text names is named."""
    found = mariadb(number, text)

    assert (found.code, found.status) == (code, status)
    assert (getattr(found, "column", None), getattr(found, "constraint", None)) == (column, constraint)


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("in '`d`.`t`.`n` + 1'", "22003", "a value is out of range"),
        ("in '(char_length(concat('22P02 double precision: ',`d`.`t`.`n`)) + cast(~(0) as unsigned))'", "22P02",
         "a value cannot be read as double precision"),
        ("in 'char_length(concat('22008 date: ',`d`.`t`.`n`)) + 1'", "22008", "a value is out of range for type date"),
    ],
)  # fmt: skip
def test_mariadb_out_of_range(text: str, code: str, message: str) -> None:
    """A number is too large, or a cast has failed; without a column none is spoken of."""
    found = mariadb(1690, f"BIGINT UNSIGNED value is out of range {text}")

    assert (found.code, found.message) == (code, message)


@pytest.mark.parametrize(
    ("statements", "code", "status", "table", "column"),
    [
        (("CREATE TABLE t (a UNIQUE)", "INSERT INTO t VALUES (1), (1)"), "23505", 409, "t", "a"),
        (("CREATE TABLE t (a, b, UNIQUE (a, b))", "INSERT INTO t VALUES (1, 1), (1, 1)"), "23505", 409, "t", None),
        (("CREATE TABLE t (a NOT NULL)", "INSERT INTO t VALUES (NULL)"), "23502", 400, "t", "a"),
        (("CREATE TABLE t (a CHECK (a > 0))", "INSERT INTO t VALUES (0)"), "23514", 400, None, None),
        (("CREATE TABLE t (a INTEGER PRIMARY KEY, b REFERENCES t)", "INSERT INTO t VALUES (1, 2)"), "23503", 409, None, None),
        (("CREATE TABLE t (a INTEGER) STRICT", "INSERT INTO t VALUES ('x')"), "22P02", 400, None, "a"),
        (("SELECT 1 FROM gone",), "PGRST205", 404, "gone", None),
        (("CREATE TABLE t (a)", "SELECT t.gone FROM t"), "42703", 400, None, "gone"),
        (("PRAGMA query_only = ON", "CREATE TABLE t (a)"), "25006", 405, None, None),
        (("SELECT gone(1)",), "42883", 404, None, None),
    ],
)
def test_sqlite(statements: tuple[str, ...], code: str, status: int, table: str | None, column: str | None) -> None:
    """Names of errors, and where there is one for all the text, become SQLSTATEs."""
    found = sqlite(*statements)

    assert (found.code, found.status) == (code, status)
    assert (getattr(found, "table", None), getattr(found, "column", None)) == (table, column)


@pytest.mark.parametrize(
    ("native", "text", "code", "status"),
    [
        ("ORA-00001", "unique constraint (SHOP.NAME_UQ) violated", "23505", 409),
        ("ORA-01400", 'cannot insert NULL into ("SHOP"."T"."NAME")', "23502", 400),
        ("ORA-02291", "integrity constraint (SHOP.FK) violated - parent key not found", "23503", 409),
        ("ORA-20123", "no orders on Sundays", "P0001", 400),
        ("ORA-00942", "table or view does not exist", "PGRST205", 404),
    ],
)
def test_oracle(native: str, text: str, code: str, status: int) -> None:
    """ORA numbers become SQLSTATEs."""
    found = oracle(native, text)

    assert (found.code, found.status) == (code, status)


def test_limits_and_lost_servers_say_when_to_come_back() -> None:
    """What passes by itself has Retry-After."""
    found = [mariadb(1969, "Query execution was interrupted"), mariadb(2013, "Lost connection"), mariadb(1040, "Too many connections")]

    assert [(type(each), each.status) for each in found] == [(TimedOut, 504), (Unavailable, 503), (Unavailable, 503)]
    assert all(each.headers["Retry-After"] for each in found)


def test_messages_hold_no_contents() -> None:
    """What the server repeats of a row, or of the statement, stays out."""
    found = mariadb(1062, "Duplicate entry 'secret@example.org' for key 'mail'")

    assert "secret" not in str(found) + repr(found.as_json())


@pytest.mark.parametrize("case", CASES, ids=[case.code for case in CASES])
def test_every_case_is_answered_as_the_table_says(case: Case) -> None:
    """Code and status are those of the table, whichever engine says it; nobody reads a bare code."""
    found = [mariadb(number, "") for number in case.mysql]
    found += [oracle(code, "") for code in case.oracle]
    found += [translate("sqlite", SqliteError(name, ""), "shop") for name in case.sqlite]

    assert {(each.code, each.status) for each in found} <= {(case.answered or case.code, case.status)}
    assert all(len(str(each)) > 10 for each in found)
    assert "{" not in "".join(str(each) for each in found)


def test_the_table_has_every_name_once() -> None:
    """No number or code stands for two things."""
    for names in ("mysql", "sqlite", "oracle", "texts", "postgresql"):
        all_names = [name for case in CASES for name in getattr(case, names)]
        assert len(all_names) == len(set(all_names))
    assert len(BY_CODE) == len(CASES)


def test_the_manual_has_the_table() -> None:
    """``docs/errors.md`` is printed from it; a new case has to be printed again."""
    page = Path(__file__).parents[3] / "docs" / "errors.md"

    assert page.read_text(encoding="utf-8") == print_errors()


def test_an_error_of_ours_stays_what_it_is() -> None:
    """Translating twice changes nothing."""
    error = ReadOnly("no")

    assert translate("sqlite", error, "shop") is error


def test_what_is_unknown_is_500() -> None:
    """An error nobody has met before is XX000, without the driver's text."""
    found = mariadb(9999, "SELECT secret FROM t")

    assert isinstance(found, DatabaseError)
    assert (found.code, found.status) == ("XX000", 500)
    assert "secret" not in str(found)


@pytest.mark.parametrize("error", [OverflowError("int too large"), UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates")])
def test_values_that_drivers_choke_on_are_400(error: Exception) -> None:
    """What never reached the database is the caller's fault."""
    assert translate("sqlite", error, "shop").status == 400
