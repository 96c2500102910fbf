"""The databases of a test run: dropped, created and migrated once, by way of a template where the engine has such a thing.

PostgreSQL and SQLite copy the template (``shop_test_template``) for each worker of pytest-xdist (``shop_test_gw0``) and whenever a test
needs it anew; MariaDB and MySQL migrate again. Template and copies of workers are dropped at the end of the run, ``shop_test`` itself
stays. Only databases that ``identity`` knows to be of tests are made so. One without migrations is used as it is.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from qapla.database import migrate, recreate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL

    from qapla.database.database import Database

NAME_LENGTH = 63  # PostgreSQL's limit; MariaDB and MySQL have one more


@dataclass
class Run:
    """What the processes of a run share about one template: which run has made it, and who uses it."""

    id: str = ""
    users: list[str] = field(default_factory=list)


class TestDatabases:
    """The databases of tests, in one process of a run.

    Args:
        worker: the name of this worker of pytest-xdist, ``gw0``; empty without.
        run: what all workers of the run have in common.
    """

    __test__ = False  # for pytest, which takes it for a test

    def __init__(self, worker: str = "", run: str = "") -> None:
        self._worker = worker
        self._run = run or secrets.token_hex(8)
        self._user = worker or str(os.getpid())
        self._fresh: dict[str, str] = {}  # URL: the migrations that it has
        self._used: dict[str, tuple[Database, Database, bool]] = {}  # by URL: the template, the database, whether it is a worker's

    def place(self, database: Database) -> URL:
        """Return where the tests of this worker have *database*."""
        url = database.url
        if not self._worker or database.migrations_key is None or is_memory(url) or self._worker in Path(str(url.database)).name:
            return url
        return with_suffix(url, self._worker)

    def is_made(self, database: Database) -> bool:
        """Tell whether there is nothing to be done before the next test can use *database*."""
        return database.migrations_key is None or is_memory(database.url) or self._fresh.get(_key(database.url)) == database.migrations_path

    def spoil(self, database: Database) -> None:
        """Have *database* made anew before it is used again."""
        self._fresh.pop(_key(database.url), None)

    def spoil_all(self) -> None:
        """Have every database made anew before it is used again."""
        self._fresh.clear()

    def make(self, database: Database, base: URL, refuse: Callable[[Database], None]) -> None:
        """Make *database*, as a copy of its template where the engine can.

        Args:
            base: where it would be without workers.
            refuse: raises for a database that may not be dropped.
        """
        template = database.at(with_suffix(base, "template"))
        refuse(database)
        if recreate.has_templates(database):
            refuse(template)
            with self._shared(template) as run:
                if run.id != self._run:
                    run.id, run.users = "", []
                    recreate.recreate(template)
                    migrate.upgrade(template)
                    template.dispose()
                    run.id = self._run
                if self._user not in run.users:
                    run.users.append(self._user)
                recreate.copy(database, template.url)
        else:
            recreate.recreate(database)
            migrate.upgrade(database)
            database.dispose()
        self._used[_key(database.url)] = template, database, database.url != base
        self._fresh[_key(database.url)] = database.migrations_path

    def close(self) -> None:
        """Drop what was made for this run alone."""
        for template, database, is_copy in self._used.values():
            with suppress(Exception):  # a server, or a folder, that has gone meanwhile leaves nothing to be dropped
                if is_copy:
                    recreate.drop(database)
                self._leave(template)
        self._used.clear()

    def _leave(self, template: Database) -> None:
        if not recreate.has_templates(template):
            return
        with self._shared(template) as run:
            run.users = [user for user in run.users if user != self._user]
            if run.id == self._run and not run.users:
                recreate.drop(template)
                run.id = ""

    @contextmanager
    def _shared(self, template: Database) -> Iterator[Run]:
        """Lend what the processes of a run know about *template*, while no other one changes it."""
        digest = sha256(_key(template.url).encode()).hexdigest()[:24]
        file = Path(tempfile.gettempdir()) / f"qapla-{os.getuid() if hasattr(os, 'getuid') else ''}-{digest}.json"
        with FileLock(f"{file}.lock"):
            run = Run(**json.loads(file.read_text())) if file.exists() else Run()
            try:
                yield run
            finally:
                file.write_text(json.dumps(asdict(run)))
                if not run.id:
                    file.unlink()


def with_suffix(url: URL, suffix: str) -> URL:
    """Return *url* with a suffix at the name of its database, or of its file."""
    name = str(url.database)
    if url.get_backend_name() == "sqlite":
        path = Path(name)
        return url.set(database=str(path.with_name(f"{path.stem}_{suffix}{path.suffix}")))
    return url.set(database=f"{name[: NAME_LENGTH - len(suffix) - 1]}_{suffix}")


def is_memory(url: URL) -> bool:
    """Tell whether *url* means a SQLite database without a file."""
    return url.get_backend_name() == "sqlite" and (not url.database or ":memory:" in url.database)


def _key(url: URL) -> str:
    return url.render_as_string(hide_password=False)
