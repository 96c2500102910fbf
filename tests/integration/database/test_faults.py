"""Errors provoked on real servers, one by one: each engine's own becomes the SQLSTATE and the status of the table."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import pytest

from qapla.database.bulkhead import Bulkhead, make_bulkhead_from_url
from qapla.database.catalog import Options
from qapla.database.sqlstates import BY_CODE
from qapla.database.statement import Statement
from qapla.errors import DatabaseError, QaplaError, Unavailable
from qapla.testing import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

OPTIONS = Options(writable=True, statement_timeout_s=3.0, pool_size=3)
TABLES = {
    "sqlite": """
        CREATE TABLE parent (id integer PRIMARY KEY, name varchar(5) UNIQUE, size integer NOT NULL DEFAULT 0 CHECK (size < 100),
            twice integer GENERATED ALWAYS AS (size * 2));
        CREATE TABLE child (id integer PRIMARY KEY, parent_id integer REFERENCES parent);
        CREATE TABLE strict (day text, amount integer, price real) STRICT;
        CREATE TABLE plain (id integer PRIMARY KEY);
        CREATE VIEW totals AS SELECT count(*) AS n FROM parent;
        CREATE TRIGGER never BEFORE DELETE ON plain BEGIN SELECT RAISE(ABORT, 'never on Sundays'); END
    """,
    "postgresql": """
        CREATE TABLE parent (id integer PRIMARY KEY, name varchar(5) UNIQUE, size smallint NOT NULL DEFAULT 0 CHECK (size < 100),
            twice integer GENERATED ALWAYS AS (size * 2) STORED);
        CREATE TABLE child (id integer PRIMARY KEY, parent_id integer REFERENCES parent DEFERRABLE INITIALLY IMMEDIATE);
        CREATE TABLE strict (day date, amount integer, price numeric(5,2), id uuid, data jsonb, flag boolean, list integer[]);
        CREATE TABLE plain (id integer PRIMARY KEY);
        CREATE VIEW totals AS SELECT count(*) AS n FROM parent;
        CREATE VIEW small AS SELECT * FROM plain WHERE id < 10 WITH CHECK OPTION;
    """,
    "mariadb": """
        CREATE TABLE parent (id integer PRIMARY KEY, name varchar(5) UNIQUE, size smallint NOT NULL DEFAULT 0 CHECK (size < 100),
            twice integer GENERATED ALWAYS AS (size * 2) STORED);
        CREATE TABLE child (id integer PRIMARY KEY, parent_id integer, FOREIGN KEY (parent_id) REFERENCES parent (id));
        CREATE TABLE strict (day date, amount integer, price numeric(5,2), kind ENUM('a', 'b'), data json CHECK (json_valid(data)));
        CREATE TABLE plain (id integer PRIMARY KEY);
        CREATE VIEW totals AS SELECT count(*) AS n FROM parent;
        CREATE VIEW small AS SELECT * FROM plain WHERE id < 10 WITH CHECK OPTION;
        CREATE VIEW pair AS SELECT child.id, name, size FROM child JOIN parent ON parent.id = parent_id;
        CREATE TRIGGER never BEFORE DELETE ON plain FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'never on Sundays'
    """,
}
ALL = ("sqlite", "postgresql", "mariadb")
SERVERS = ("postgresql", "mariadb")
# code → statement, and the engines on which it is that
PROVOKED = [
    ("23505", "INSERT INTO parent (id) VALUES (1)", ALL),
    ("23505", "UPDATE parent SET name = 'a' WHERE id = 2", ALL),
    ("23503", "INSERT INTO child VALUES (9, 77)", ALL),
    ("23503", "DELETE FROM parent WHERE id = 1", ALL),
    ("23503", "UPDATE parent SET id = 5 WHERE id = 1", ALL),
    ("23502", "INSERT INTO parent (id, size) VALUES (7, NULL)", ALL),
    ("23514", "INSERT INTO parent (id, size) VALUES (7, 100)", ALL),
    ("22001", "INSERT INTO parent (id, name) VALUES (7, 'abcdefg')", SERVERS),
    ("22003", "INSERT INTO parent (id, size) VALUES (7, 99999)", SERVERS),
    ("22003", "INSERT INTO strict (price) VALUES (12345.67)", SERVERS),
    ("22P02", "INSERT INTO strict (amount) VALUES ('ten')", ALL),
    ("22007", "INSERT INTO strict (day) VALUES ('yesterdayish')", SERVERS),
    ("22P02", "INSERT INTO strict (price) VALUES ('cheap')", ALL),
    ("22P02", "INSERT INTO strict (id) VALUES ('x')", ("postgresql",)),
    ("22P02", "INSERT INTO strict (data) VALUES ('{')", ("postgresql",)),
    ("22P02", "INSERT INTO strict (flag) VALUES ('maybe')", ("postgresql",)),
    ("22P02", "INSERT INTO strict (list) VALUES ('{')", ("postgresql",)),
    ("22P02", "INSERT INTO strict (kind) VALUES ('c')", ("mariadb",)),
    ("22008", "INSERT INTO strict (day) VALUES ('2024-02-30')", ("postgresql",)),
    ("22007", "INSERT INTO strict (day) VALUES ('2024-02-30')", ("mariadb",)),
    ("22012", "SELECT 1 / 0", ("postgresql",)),
    ("2201B", "SELECT id FROM parent WHERE name ~ '('", ("postgresql",)),
    ("2201B", "SELECT id FROM parent WHERE name REGEXP '('", ("mariadb",)),
    ("21000", "SELECT (SELECT id FROM parent)", SERVERS),
    ("44000", "INSERT INTO small VALUES (99)", SERVERS),
    ("428C9", "INSERT INTO parent (id, twice) VALUES (7, 1)", ALL),
    ("25006", "INSERT INTO totals VALUES (1)", ("sqlite", "mariadb")),
    ("25006", "DELETE FROM pair", ("mariadb",)),
    ("25006", "UPDATE pair SET id = 7, size = 7", ("mariadb",)),
    ("PGRST205", "SELECT * FROM gone", ALL),
    ("PGRST205", "INSERT INTO gone VALUES (1)", ALL),
    ("42703", "SELECT parent.gone FROM parent", ALL),
    ("42703", "INSERT INTO parent (gone) VALUES (1)", ALL),
    ("42883", "SELECT gone(1)", ALL),
    ("42601", "SELEKT 1", ALL),
    ("P0001", "DELETE FROM plain", ("sqlite", "mariadb")),
    ("54001", "SELECT " + "(" * 3000 + "1" + ")" * 3000, ("sqlite",)),
]


SECRETS = ("SELECT", "INSERT", "UPDATE ", "DELETE ", "Traceback", "://", "psycopg", "pymysql", "127.0.0.1", "localhost")


class Shops(dict[str, Bulkhead]):
    """The tables on each engine, with two parents, one of which has a child; made when they are first asked for."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack

    def __missing__(self, engine: str) -> Bulkhead:
        url = self._stack.enter_context(servers.make_database(engine))
        self[engine] = made = make_bulkhead_from_url(url, "shop", OPTIONS)
        self._stack.callback(made.close)
        rows = "INSERT INTO parent (id, name) VALUES (1, 'a'), (2, 'b'); INSERT INTO child VALUES (1, 1); INSERT INTO plain VALUES (1)"
        with made.connection() as connection:
            for text in _split(TABLES[engine]) + _split(rows):
                connection.exec_driver_sql(text)
        return made


@pytest.fixture(scope="module")
def shops() -> Iterator[Shops]:
    """Give the tables on each engine."""
    with contextlib.ExitStack() as stack:
        yield Shops(stack)


def _split(script: str) -> list[str]:
    if "CREATE TRIGGER" in script:
        before, word, after = script.partition("CREATE TRIGGER")
        return [text for text in before.split(";") if text.strip()] + [word + after]
    return [text for text in script.split(";") if text.strip()]


def get_error(bulkhead: Bulkhead, *statements: str) -> QaplaError:
    """Run statements in one transaction, of which the last one is refused."""
    try:
        with bulkhead.transaction() as transaction:
            for text in statements:
                transaction.execute(Statement(text))
    except QaplaError as error:
        return error
    raise AssertionError("nothing went wrong")


@pytest.mark.parametrize(
    ("engine", "code", "text"),
    [pytest.param(engine, code, text, id=f"{engine}-{code}-{text[:40]}") for code, text, engines in PROVOKED for engine in engines],
)
def test_is_the_same_on_each_engine(shops: Shops, engine: str, code: str, text: str) -> None:
    """Code and status are those of the table; the answer holds neither SQL, nor a URL, nor a stack trace; nothing is left behind."""
    bulkhead = shops[engine]

    found = get_error(bulkhead, text)

    told = f"{found} {found.as_json()}"
    case = BY_CODE.get(code)
    assert (found.code, found.status) == (code, case.status if case else 404)
    assert [word for word in SECRETS if word in told] == []
    assert bulkhead.fetch(Statement("SELECT count(*) FROM parent"))[0][0] == 2


@pytest.mark.parametrize("engine", ALL)
def test_names_what_it_is_about(shops: Shops, engine: str) -> None:
    """Column, constraint and table, where the engine tells: a form shows the error beside its field."""
    null = get_error(shops[engine], "INSERT INTO parent (id, size) VALUES (7, NULL)")
    twice = get_error(shops[engine], "UPDATE parent SET name = 'a' WHERE id = 2")

    assert isinstance(null, DatabaseError)
    assert isinstance(twice, DatabaseError)
    assert null.column == "size"
    assert "name" in f"{twice.column} {twice.constraint}"


@pytest.mark.parametrize("engine", ALL)
def test_tells_a_lock_that_is_not_given(engine: str) -> None:
    """55P03, 504: somebody else holds the row, or the file, and our own limit on statements is not over yet."""
    with servers.make_database(engine) as url:
        one = make_bulkhead_from_url(url, "shop", OPTIONS)
        other = make_bulkhead_from_url(url, "shop", Options(writable=True, statement_timeout_s=1.2))
        change = "UPDATE pair SET n = 1 WHERE id = 1"
        with one.connection() as connection:
            connection.exec_driver_sql("CREATE TABLE pair (id integer PRIMARY KEY, n integer)")
            connection.exec_driver_sql("INSERT INTO pair VALUES (1, 0)")
        with one.transaction() as transaction:
            transaction.execute(Statement(change))
            found = get_error(other, change)
        one.close()
        other.close()

    assert (found.code, found.status) in (("55P03", 504), ("57014", 504))


@pytest.mark.parametrize("engine", SERVERS)
def test_tells_a_deadlock(engine: str) -> None:
    """40P01 for one of the two, and the other goes on."""
    with servers.make_database(engine) as url:
        bulkhead = make_bulkhead_from_url(url, "shop", Options(writable=True, statement_timeout_s=6.0))
        with bulkhead.connection() as connection:
            connection.exec_driver_sql("CREATE TABLE pair (id integer PRIMARY KEY, n integer)")
            connection.exec_driver_sql("INSERT INTO pair VALUES (1, 0), (2, 0)")
        meet = threading.Barrier(2)
        found: list[QaplaError] = []

        def change(first: int, second: int) -> None:
            try:
                with bulkhead.transaction() as transaction:
                    transaction.execute(Statement(f"UPDATE pair SET n = n + 1 WHERE id = {first}"))
                    meet.wait(5)
                    transaction.execute(Statement(f"UPDATE pair SET n = n + 1 WHERE id = {second}"))
            except QaplaError as error:
                found.append(error)

        threads = [threading.Thread(target=change, args=pair) for pair in ((1, 2), (2, 1))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(15)
        rows = bulkhead.fetch(Statement("SELECT n FROM pair"))
        bulkhead.close()

    assert [(error.code, error.status) for error in found] == [("40P01", 500)]
    assert [row[0] for row in rows] == [1, 1]


def test_tells_a_change_that_cannot_be_put_in_an_order() -> None:
    """40001: the row was changed by somebody else since this transaction looked."""
    with servers.make_database("postgresql") as url:
        bulkhead = make_bulkhead_from_url(url, "shop", OPTIONS)
        with bulkhead.connection() as connection:
            connection.exec_driver_sql("CREATE TABLE pair (id integer PRIMARY KEY, n integer)")
            connection.exec_driver_sql("INSERT INTO pair VALUES (1, 0)")

        def look_then_change() -> None:
            with bulkhead.transaction() as first:
                first.execute(Statement("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
                first.execute(Statement("SELECT * FROM pair"))
                with bulkhead.transaction() as second:
                    second.execute(Statement("UPDATE pair SET n = 1"))
                first.execute(Statement("UPDATE pair SET n = 2"))

        with pytest.raises(QaplaError) as refused:
            look_then_change()
        bulkhead.close()

    assert (refused.value.code, refused.value.status) == ("40001", 500)


@pytest.mark.parametrize("engine", SERVERS)
def test_tells_a_line_that_is_cut(engine: str) -> None:
    """PGRST000, 503, with Retry-After; and nothing of the transaction is kept."""
    with servers.make_database(engine) as url:
        bulkhead = make_bulkhead_from_url(url, "shop", OPTIONS)
        whoami, kill = {
            "postgresql": ("SELECT pg_backend_pid()", "SELECT pg_terminate_backend({})"),
            "mariadb": ("SELECT connection_id()", "KILL {}"),
        }[engine]
        with bulkhead.connection() as connection:
            connection.exec_driver_sql("CREATE TABLE pair (id integer PRIMARY KEY)")

        def write_and_be_cut() -> None:
            with bulkhead.transaction() as transaction:
                number = transaction.execute(Statement(whoami)).rows[0][0]
                transaction.execute(Statement("INSERT INTO pair VALUES (1)"))
                with bulkhead.connection() as connection:
                    connection.exec_driver_sql(kill.format(number))
                transaction.execute(Statement("INSERT INTO pair VALUES (2)"))

        with pytest.raises(Unavailable) as lost:
            write_and_be_cut()
        rows = bulkhead.fetch(Statement("SELECT count(*) FROM pair"))
        bulkhead.close()

    assert (lost.value.code, lost.value.status) == ("PGRST000", 503)
    assert lost.value.headers["Retry-After"]
    assert rows[0][0] == 0


@pytest.mark.parametrize("engine", SERVERS)
def test_tells_what_the_account_may_not(engine: str) -> None:
    """42501, 403, for reading, too."""
    name = f"qapla_poor_{engine}"
    with servers.make_database(engine) as url:
        owner = make_bulkhead_from_url(url, "shop", OPTIONS)
        login = {
            "postgresql": (f"CREATE ROLE {name} LOGIN", f"DROP ROLE IF EXISTS {name}"),
            "mariadb": (f"CREATE USER {name}@'%%' IDENTIFIED BY 'pw'", f"DROP USER IF EXISTS {name}@'%%'"),
        }[engine]
        with owner.connection() as connection:
            for text in (login[1], "CREATE TABLE hidden (id integer)", "CREATE TABLE open (id integer)", login[0]):
                connection.exec_driver_sql(text)
            connection.exec_driver_sql(f"GRANT SELECT ON open TO {name}{chr(64) + chr(39) + '%%' + chr(39) if engine == 'mariadb' else ''}")
        poor = make_bulkhead_from_url(url.set(username=name, password="pw"), "shop", OPTIONS)
        try:
            found = [get_error(poor, text) for text in ("SELECT * FROM hidden", "INSERT INTO open VALUES (1)", "DELETE FROM hidden")]
        finally:
            poor.close()
            with owner.connection() as connection:
                for text in ("DROP TABLE open", login[1]):
                    connection.exec_driver_sql(text)
            owner.close()

    assert {(error.code, error.status) for error in found} == {("42501", 403)}
