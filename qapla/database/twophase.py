"""How an engine commits in two phases: the statements, and what it tells about transactions that are prepared.

PostgreSQL prepares an ordinary transaction and gives it a name then. MariaDB and MySQL speak XA: the name comes with the first statement
of the transaction, and nothing is free until ``XA END``. What is prepared belongs to the server: it survives the connection, the program
and the server itself, holds its locks, and waits for somebody who says COMMIT or ROLLBACK.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from qapla.database import dialects

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import URL, Connection

    from qapla.database.database import Database

NAME = re.compile(r"qapla-(?P<work>[0-9a-f]{32})-(?P<number>[1-9][0-9]{0,3})-(?P<mark>[0-9a-f]{8})")


@dataclass(frozen=True, slots=True, order=True)
class BranchName:
    """The name of one database's part of a commit: 54 of the 64 bytes that an XA name may have.

    Attributes:
        work: 32 hex digits that all parts of one commit share.
        number: the part. Number 1 decides, see ``order``.
        mark: eight hex digits of the databases that the application declares.
    """

    work: str
    number: int
    mark: str

    def __str__(self) -> str:
        return f"qapla-{self.work}-{self.number}-{self.mark}"


def find_name(text: str) -> BranchName | None:
    """Return the name in *text*, or None where it is none of ours."""
    found = NAME.fullmatch(text)
    return BranchName(found["work"], int(found["number"]), found["mark"]) if found else None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prepared transaction that a server knows."""

    name: BranchName
    age_s: float | None  # since it was prepared; None where the server does not keep it
    is_held: bool  # the connection that prepared it is still there, and so perhaps is its program


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoPhase:
    """The statements of one engine; ``{}`` stands for the name.

    Attributes:
        begin: at the beginning of a transaction that may become one of several.
        prepare: the first phase.
        commit: the second; also from another connection, once the first is gone.
        roll_back: the opposite.
        release: after the end, on the connection that had prepared.
        commit_alone: the end of a transaction that was begun like this, and is the only one.
        abandon: its other end.
        has_written: asks the transaction whether it changed anything for certain; a row whose first column is true, or none.
        lives: a row if the server still has the connection of that number.
        find: what the server has, by name.
    """

    begin: tuple[str, ...] = ()
    prepare: tuple[str, ...]
    commit: str
    roll_back: str
    release: tuple[str, ...] = ()
    commit_alone: tuple[str, ...] = ()
    abandon: tuple[str, ...] = ()
    has_written: str
    lives: str
    find: Callable[[Connection], dict[BranchName, Prepared]]

    @property
    def is_named_at_begin(self) -> bool:
        """Tell whether a transaction has to know from its beginning what it is called."""
        return bool(self.begin)


def find_prepared(connection: Connection) -> dict[BranchName, Prepared]:
    """Return what PostgreSQL has prepared in the database of *connection*."""
    # The view shows the databases of the whole server, but only from within a database can its transactions be ended.
    sql = "SELECT gid, EXTRACT(EPOCH FROM now() - prepared) FROM pg_prepared_xacts WHERE database = current_database()"
    found = {}
    for text, age_s in connection.exec_driver_sql(sql):
        if name := find_name(text):
            found[name] = Prepared(name, float(age_s), is_held=False)
    return found


def find_xa(connection: Connection) -> dict[BranchName, Prepared]:
    """Return what MariaDB or MySQL has prepared on the server of *connection*."""
    found = {}
    for _, length, _, data in connection.exec_driver_sql("XA RECOVER").all():
        text = data.decode("ascii", "replace") if isinstance(data, bytes) else str(data)
        if name := find_name(text[:length]):
            holder = connection.exec_driver_sql(f"SELECT IS_USED_LOCK('{name}')").scalar()
            found[name] = Prepared(name, None, is_held=holder is not None)
    return found


PREPARE = TwoPhase(
    prepare=("PREPARE TRANSACTION '{}'",),
    commit="COMMIT PREPARED '{}'",
    roll_back="ROLLBACK PREPARED '{}'",
    has_written="SELECT txid_current_if_assigned() IS NOT NULL",
    lives="SELECT 1 FROM pg_stat_activity WHERE pid = {}",
    find=find_prepared,
)
XA = TwoPhase(
    begin=("XA START '{}'",),
    # The lock of that name says as long as the connection lives that somebody is at it; the list of prepared ones does not tell.
    prepare=("SELECT GET_LOCK('{}', 0)", "XA END '{}'", "XA PREPARE '{}'"),
    commit="XA COMMIT '{}'",
    roll_back="XA ROLLBACK '{}'",
    release=("SELECT RELEASE_LOCK('{}')",),
    commit_alone=("XA END '{}'", "XA COMMIT '{}' ONE PHASE"),
    abandon=("XA END '{}'", "XA ROLLBACK '{}'"),
    # Needs the right PROCESS; who lacks it gets an error.
    has_written="SELECT trx_rows_modified > 0 FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = CONNECTION_ID()",
    lives="SELECT 1 FROM information_schema.processlist WHERE id = {}",
    find=find_xa,
)
STYLES: Mapping[str, TwoPhase] = {"prepare": PREPARE, "xa": XA}


def find_two_phase(url: URL) -> TwoPhase | None:
    """Return how the engine of *url* commits in two phases; None where it cannot."""
    engine = dialects.ENGINES.get(url.get_backend_name())
    return STYLES[engine.two_phase] if engine is not None and engine.two_phase is not None else None


@dataclass(frozen=True, slots=True)
class Plan:
    """How the databases of an application commit together: what ``make_plan`` found out once.

    Attributes:
        mark: eight hex digits that stand for the databases. Another set has another mark, and leaves the branches of this one alone.
        styles: by name; None where one cannot commit in two phases.
    """

    mark: str
    styles: Mapping[str, TwoPhase | None]

    @property
    def able(self) -> list[TwoPhase]:
        """Return the styles of those that can."""
        return [style for style in self.styles.values() if style is not None]

    def only(self, names: tuple[str, ...]) -> Plan:
        """Return the plan for some of the databases."""
        return Plan(self.mark, {name: self.styles[name] for name in names})


def make_plan(databases: Mapping[str, Database]) -> Plan:
    """Return the plan of all *databases* of an application."""
    urls = {name: database.url for name, database in databases.items()}
    # Neither host nor account: both may differ between the web server and the machine where somebody looks for what is in doubt.
    text = "\n".join(sorted(f"{name} {url.get_backend_name()} {url.database}" for name, url in urls.items()))
    return Plan(sha256(text.encode()).hexdigest()[:8], {name: find_two_phase(url) for name, url in urls.items()})
