"""The marked models as the catalog's source: each given database, narrowed to them.

The schema is read when the source is made, so that what is missing is told at the start. When a statement finds that something is gone,
it is read again; what cannot be read then stays as it was, and its requests are answered with the database's own errors.
"""

from __future__ import annotations

import glob
import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qapla.database.address import find_address
from qapla.database.bulkhead import make_bulkhead
from qapla.database.catalog import Options, Served
from qapla.database.check import read_schema
from qapla.errors import QaplaError, Unavailable
from qapla.plugins.rest.narrowing import check_marks, narrow_schema, wanted_tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from qapla.plugins.rest.given import Given
    from qapla.plugins.rest.marks import Mark

log = logging.getLogger(__name__)


class ModelSource:
    """A ``DatabaseSource``.

    Args:
        origins: whose web pages may read and write.

    Raises:
        ModelError: no model is marked, or one has no table in one of the databases.
        Unavailable: a database cannot be reached.
    """

    def __init__(self, marks: Iterable[Mark], given: Sequence[Given], origins: Sequence[str] = ()) -> None:
        self._origins = tuple(origins)
        self._marks = check_marks(marks)
        self._given = tuple(given)
        self._number = 0
        self._stale: set[str] = set()
        self._lock = threading.Lock()
        self._read = {each.name: self._read_first(each) for each in given}
        self._served: dict[str, Served] = {}

    def revision(self) -> int:
        """Return how often something was read anew; what is stale is read now."""
        with self._lock:
            stale, self._stale = self._stale, set()
        for given in self._given:
            if given.name in stale:
                self._read_again(given)
        return self._number

    def load(self, known: Mapping[str, Any]) -> Mapping[str, Served]:
        """Return every database under its name."""
        for given in self._given:
            schema, withheld = self._read[given.name]
            served = self._served.get(given.name)
            if served is None:
                self._served[given.name] = self._make(given)
            elif served.schema is not schema:
                self._served[given.name] = Served(
                    given.name, schema, served.options, served.bulkhead, served.revision + 1, withheld=withheld
                )
        return dict(self._served)

    def _make(self, given: Given) -> Served:
        schema, withheld = self._read[given.name]
        options = self._options(given)
        spec = replace(given.spec, engine=schema.engine)  # what was called MySQL may turn out to be MariaDB
        bulkhead = make_bulkhead(spec, given.name, options, find_address=find_address)
        bulkhead.on_missing.append(lambda: self._mark_stale(given.name))
        return Served(given.name, schema, options, bulkhead, withheld=withheld)

    def _mark_stale(self, name: str) -> None:
        with self._lock:
            self._stale.add(name)

    def _read_again(self, given: Given) -> None:
        try:
            found = self._read_schema(given)
        except QaplaError as error:
            log.warning("the tables of database %r could not be read again: %s", given.name, error)
            return
        if found[0].fingerprint != self._read[given.name][0].fingerprint:
            self._read[given.name] = found
            self._number += 1

    def _read_first(self, given: Given) -> tuple[Any, Mapping[Any, frozenset[str]]]:
        try:
            return self._read_schema(given)
        except Unavailable as error:
            raise Unavailable(f"database {given.name!r} cannot be served: {error.message}", hint=error.hint, code=error.code) from error

    def _read_schema(self, given: Given) -> tuple[Any, Mapping[Any, frozenset[str]]]:
        tables = wanted_tables(self._marks)
        options = replace(self._options(given), include=tuple(sorted({glob.escape(table.name) for table in tables})))
        schema, _ = read_schema(given.spec, options)
        return narrow_schema(schema, self._marks, given.name)

    def _options(self, given: Given) -> Options:
        return Options(anonymous="write", writable=not given.is_read_only, openapi_security_active=False,
                       server_cors_allowed_origins=self._origins)  # fmt: skip
