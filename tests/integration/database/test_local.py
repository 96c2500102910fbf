"""As whom, and with which settings, statements run: for one transaction, and nothing of it for the next."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from qapla.database.bulkhead import Bulkhead, make_bulkhead_from_url
from qapla.database.catalog import Options
from qapla.database.local import Local, Said, require_role
from qapla.database.statement import Statement
from qapla.errors import AccessError, DatabaseError, NotOffered, QaplaError, ReadOnly, TimedOut, Unavailable
from qapla.ports import READ_RIGHTS, ROLE_RIGHTS
from qapla.testing.servers import make_database
from qapla.testing.statements import at_most

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

READER = "pg_read_all_data"  # a role of every server since PostgreSQL 14
WHO = Statement("SELECT current_user::text, coalesce(current_setting('request.x', true), ''), current_setting('transaction_read_only')")
OWN = ("postgres", "", "off")
OPTIONS = Options(writable=True, pool_size=1, pool_timeout_s=0.3, statement_timeout_s=2.0)
LOCAL = Local(READER, (("request.x", "7"),))


@pytest.fixture(scope="module")
def url() -> Iterator[URL]:
    """Make a database of PostgreSQL."""
    with make_database("postgresql") as found:
        yield found.set(username="postgres")


@pytest.fixture
def bulkhead(url: URL) -> Iterator[Bulkhead]:
    """Give a bulkhead with one connection, so that whatever stays on it is seen."""
    made = make_bulkhead_from_url(url, "shop", OPTIONS)
    yield made
    made.close()


def test_a_read_is_somebody_for_itself_alone(bulkhead: Bulkhead) -> None:
    """It is read only, and costs one statement more; the next one is the account's."""
    with at_most(2, bulkhead):
        assert bulkhead.fetch(WHO, LOCAL) == [(READER, "7", "on")]

    assert bulkhead.fetch(WHO)[0][:2] == OWN[:2]


def test_a_stream_is_somebody_to_its_end(bulkhead: Bulkhead) -> None:
    """Every piece of it, and nothing after."""
    statement = Statement("SELECT current_user::text FROM generate_series(1, 5)")

    with bulkhead.stream(statement, 2, LOCAL) as lists:
        rows = [row for rows in lists for row in rows]

    assert rows == [(READER,)] * 5
    assert bulkhead.fetch(WHO)[0][:2] == OWN[:2]


@pytest.mark.parametrize("keep", [True, False])
def test_a_transaction_is_somebody_to_its_end(bulkhead: Bulkhead, keep: bool) -> None:
    """Committed or rolled back."""
    with bulkhead.transaction(LOCAL) as transaction:
        assert transaction.execute(WHO).rows == [(READER, "7", "off")]
        if not keep:
            transaction.rollback_only()

    assert bulkhead.fetch(WHO)[0][:2] == OWN[:2]


def test_a_transaction_may_be_read_only(bulkhead: Bulkhead) -> None:
    """What functions do in it then cannot write."""
    with pytest.raises(ReadOnly), bulkhead.transaction(Local(), read_only=True) as transaction:
        transaction.execute(Statement("CREATE TABLE never (id integer)"))


@pytest.mark.parametrize(
    ("local", "statement", "code"),
    [
        (Local("nobody_at_all"), "SELECT 1", "22023"),
        (Local(calls=("nowhere.nothing",)), "SELECT 1", "3F000"),
        (Local(settings=(("no.such.setting.x y", "1"),)), "SELECT 1", "42602"),
        (LOCAL, "SELECT 1/0", "22012"),
        (LOCAL, "CREATE TABLE never (id integer)", "25006"),
        (LOCAL, "SELECT pg_reload_conf()", "42501"),
        (Local(settings=(("request.x", "a\0b"),)), "SELECT 1", "22021"),
    ],
)
def test_an_error_leaves_a_clean_connection(bulkhead: Bulkhead, local: Local, statement: str, code: str) -> None:
    """Again and again, also once statements are prepared; the process of the server stays the same."""
    before = bulkhead.fetch(Statement("SELECT pg_backend_pid()"))
    for _ in range(6):
        assert bulkhead.fetch(WHO, LOCAL) == [(READER, "7", "on")]
        with pytest.raises(QaplaError) as caught:
            bulkhead.fetch(Statement(statement), local)
        assert caught.value.code == code
        with pytest.raises(QaplaError), bulkhead.transaction(local) as transaction:
            transaction.execute(Statement(f"{statement}; SELECT 1/0"))

    assert bulkhead.fetch(WHO)[0][:2] == OWN[:2]
    assert bulkhead.fetch(Statement("SELECT pg_backend_pid()")) == before


def test_many_shapes_are_prepared_and_forgotten(bulkhead: Bulkhead) -> None:
    """More than a connection keeps."""
    for number in range(120):
        for _ in range(5):
            assert bulkhead.fetch(Statement(f"SELECT {number}, current_user::text"), LOCAL) == [(number, READER)]


def test_the_limit_of_a_role_ends_its_statement(bulkhead: Bulkhead) -> None:
    """500 as in PostgREST; the connection's own is 504."""
    slow = Statement("SELECT pg_sleep(1)")

    with pytest.raises(DatabaseError) as caught:
        bulkhead.fetch(slow, Local(role_settings=(("statement_timeout", "100"),)))
    with pytest.raises(TimedOut):
        bulkhead.fetch(Statement("SELECT pg_sleep(20)"), LOCAL)

    assert (caught.value.code, caught.value.status) == ("57014", 500)
    assert bulkhead.fetch(WHO)[0][:2] == OWN[:2]


def test_a_line_that_is_cut_is_replaced(url: URL) -> None:
    """A connection whose server process was ended is seen to be stale, and the read is done again."""
    bulkhead = make_bulkhead_from_url(url, "shop", OPTIONS)
    other = make_bulkhead_from_url(url, "shop", OPTIONS)
    pid = bulkhead.fetch(Statement("SELECT pg_backend_pid()"), LOCAL)[0][0]
    other.fetch(Statement("SELECT pg_terminate_backend(%s)", (pid,)))

    assert bulkhead.fetch(WHO, LOCAL) == [(READER, "7", "on")]
    bulkhead.close()
    other.close()


def test_a_setting_holds_before_the_role_is_taken(bulkhead: Bulkhead) -> None:
    """The account may set what the role may not; the isolation level is that of the beginning."""
    local = Local(READER, role_settings=(("log_min_messages", "error"),), isolation="serializable")
    shown = Statement("SELECT current_setting('log_min_messages'), current_setting('transaction_isolation')")

    assert bulkhead.fetch(shown, local) == [("error", "serializable")]
    with pytest.raises(AccessError):
        bulkhead.fetch(shown, Local(READER, settings=(("log_min_messages", "error"),)))


def test_what_functions_say_is_heard(bulkhead: Bulkhead) -> None:
    """By reads, by writes before they commit, and never from a transaction before."""
    loud = Statement("SELECT set_config('response.status', '418', true), set_config('response.headers', '[]', true)")
    heard, written, silent = (Local(said=Said()) for _ in range(3))

    bulkhead.fetch(loud, heard)
    with bulkhead.transaction(written) as transaction:
        transaction.execute(loud)
    bulkhead.fetch(WHO, silent)

    for local, status in ((heard, "418"), (written, "418"), (silent, None)):
        assert local.said is not None
        assert local.said.status == status


def test_threads_are_nobody_else(url: URL) -> None:
    """Many at once over few connections, each with its own setting."""
    bulkhead = make_bulkhead_from_url(url, "shop", Options(pool_size=3, pool_timeout_s=10))
    wrong: list[object] = []

    def ask(number: int) -> None:
        for turn in range(40):
            local = Local(READER if number % 2 else None, (("request.x", f"{number}.{turn}"),))
            found = bulkhead.fetch(WHO, local)[0]
            if found[:2] != (READER if number % 2 else "postgres", f"{number}.{turn}"):
                wrong.append(found)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bulkhead.close()

    assert wrong == []


@pytest.mark.parametrize("engine", ["sqlite", "mariadb"])
def test_other_engines_have_none(engine: str) -> None:
    """Refused by name, never ignored."""
    with make_database(engine) as url:
        bulkhead = make_bulkhead_from_url(url, "shop", OPTIONS)
        statement = Statement("SELECT 1")

        with pytest.raises(NotOffered, match="roles and settings"):
            bulkhead.fetch(statement, Local(settings=(("x", "1"),)))
        with pytest.raises(NotOffered, match="roles and settings"), bulkhead.transaction(Local()):
            pass
        with pytest.raises(NotOffered, match="roles and settings"), bulkhead.stream(statement, local=Local()) as lists:
            next(lists)
        assert bulkhead.fetch(statement) == [(1,)]
        bulkhead.close()


def test_nothing_runs_as_the_account_for_a_role() -> None:
    """Who forgets the role is told so, and nobody gets an answer; ``none`` is no role."""
    for local in (None, Local()):
        with pytest.raises(AccessError):
            require_role(ROLE_RIGHTS[True], local)
    require_role(ROLE_RIGHTS[True], LOCAL)
    require_role(READ_RIGHTS, None)
    with pytest.raises(DatabaseError) as caught:
        Local("none")

    assert (caught.value.code, caught.value.status) == ("22023", 401)


def test_a_database_that_is_away_is_away_for_everybody() -> None:
    """503, as without a role."""
    from sqlalchemy import make_url

    bulkhead = make_bulkhead_from_url(make_url("postgresql+psycopg://nobody@127.0.0.1:1/nothing"), "shop", OPTIONS)

    with pytest.raises(Unavailable):
        bulkhead.fetch(WHO, LOCAL)
