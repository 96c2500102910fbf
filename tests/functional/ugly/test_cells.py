"""One odd cell never breaks a list, a page or a form, and is never written back as something else."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import create_engine

from qapla.testing.servers import ENGINE_NAMES, make_database

if TYPE_CHECKING:
    from collections.abc import Iterator

csv.field_size_limit(2**31 - 1)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

# What cannot go back over REST, by what it starts with: it does not fit its column, is no JSON, or is JSON that is refused on the way in.
REFUSED = {
    "sqlite": (
        *("'text'", "1.5", "5", "CAST(", "x'", "9e999", "'x'", "'1e999'", "1180591620717411303424", "'no uuid'", "'whenever'", "'[' ||"),
        *("printf('%.*c', 300", "'10000-", "'0000-", "'-0044", "''", "2460000.5", "'\"\\ud800", "'{\"a\":1,\"a\""),
    ),
    "postgresql": ("repeat('9'", "('[' ||", "(repeat('['", "'\"\\u0000", "'{\"a\":1,\"a\""),
    "mariadb": ("'2024-02-31'", "concat('['", "'{\"a\":1,\"a\"", "point", "ST_Geom", "repeat(x'", "'wrong'", "'0000-00-00 00:00:00'"),
}
# What goes back and is then written in another way, or, where JSON has one value for two, as the other.
REWRITTEN = {
    "sqlite": (
        *("'yes'", "CAST(", "x'", "'24:00'", "'-01:00'", "'2024-02-29", "'{broken'", "'null'", "'NaN'", "'1e400'", "'5'", "9e999", "''"),
        *("'12.50'", "'text'", "'12:34"),
    ),
    "postgresql": ("'null'", "'{\"", "'[0:1]", "ARRAY['{"),
    "mariadb": ("'null'", "'{\"", "'wrong'", "''"),
}


class Odd:
    """A database of odd cells on one engine, served."""

    def __init__(self, engine: str, url: Any, api: Any, admin: Any, cells: Any) -> None:
        self.engine, self.api, self.admin = engine, api, admin
        self.cells = cells.CELLS[engine]
        self._print = cells.PRINTS[engine]
        self.database = create_engine(url, isolation_level="AUTOCOMMIT")

    def each(self) -> Iterator[tuple[int, int, str]]:
        """Yield table, row and literal of every cell."""
        for table, (_kind, literals) in enumerate(self.cells):
            for row, literal in enumerate(literals):
                yield table, row, literal

    def stored(self, table: int, row: int) -> tuple[str, str]:
        """Return what the database itself says is there."""
        with self.database.connect() as connection:
            found = connection.exec_driver_sql(f"SELECT plain, {self._print} FROM t{table} WHERE id = {row}").one()
        return tuple(found)


@pytest.fixture(scope="module", params=ENGINE_NAMES)
def odd(request: pytest.FixtureRequest, make_home: Any, ugly: Any) -> Iterator[Odd]:
    """Serve the odd cells of an engine."""
    with make_database(request.param) as url:
        ugly.cells.fill(request.param, url)
        options = ("--name", "odd", "--writable", "--anonymous", "write")
        with (
            make_home().serving(ugly.target_of(url), *options) as server,
            ugly.logged_in(server) as admin,
            server.client() as api,
        ):
            made = Odd(request.param, url, api, admin, ugly.cells)
            try:
                yield made
            finally:
                made.database.dispose()


def test_is_listed_in_every_format(odd: Odd) -> None:
    """JSON that any parser reads, CSV, NDJSON, the list and the CSV of the admin; a row by its key is the row of the list."""
    broken = []
    for table, (kind, literals) in enumerate(odd.cells):
        answer = odd.api.get(f"/api/odd/t{table}?order=id")
        rows = json.loads(answer.text, parse_int=str, parse_float=str, parse_constant=pytest.fail)
        lines = odd.api.get(f"/api/odd/t{table}", headers={"Accept": "application/x-ndjson"}).text.split("\n")
        records = list(csv.reader(io.StringIO(odd.api.get(f"/api/odd/t{table}", headers={"Accept": "text/csv"}).text, newline="")))
        pages = [odd.admin.get(path).status_code for path in (f"/admin/odd/t{table}", f"/admin/odd/-/csv/t{table}")]
        if [len(rows), len(lines) - 1, len(records) - 1, *pages] != [len(literals)] * 3 + [200, 200]:
            broken.append((kind, len(rows), len(lines), len(records), pages))
        for row in range(len(literals)):
            alone = odd.api.get(f"/api/odd/t{table}/{row}")
            if json.loads(alone.text, parse_int=str, parse_float=str) != rows[row]:
                broken.append((kind, literals[row][:50], alone.text[:100]))

    assert broken == []


def test_is_left_alone_by_a_form(odd: Odd, ugly: Any) -> None:
    """Who saves a form unchanged writes nothing, and who changes another field changes only that."""
    broken = []
    for table, row, literal in odd.each():
        address, before = f"/admin/odd/-/edit/t{table}/{row}", odd.stored(table, row)
        items = ugly.Fields(odd.admin.get(address).text).items
        same = odd.admin.post(address, content=urlencode([*items, ("then", "show")]), headers=FORM)
        changed = [(name, "changed" if value == "plain" else value) for name, value in items]
        saved = odd.admin.post(address, content=urlencode([*changed, ("then", "show")]), headers=FORM)
        if "Nothing was changed." not in same.text or "The row was saved." not in saved.text:
            broken.append((odd.cells[table][0], literal[:50], same.status_code, saved.status_code))
        elif odd.stored(table, row) != ("changed", before[1]):
            broken.append((odd.cells[table][0], literal[:50], before[1], odd.stored(table, row)))

    assert broken == []


def test_goes_out_and_comes_back(odd: Odd) -> None:
    """The JSON of a row is taken back and means the same; what is refused or written in another way is known by name, and no 5xx."""
    broken = []
    for table, row, literal in odd.each():
        body, before = odd.api.get(f"/api/odd/t{table}/{row}").content, odd.stored(table, row)
        answer = odd.api.patch(f"/api/odd/t{table}/{row}", content=body, headers={"Content-Type": "application/json"})
        if answer.status_code != 200:
            if not (400 <= answer.status_code < 500 and literal.startswith(REFUSED[odd.engine])):
                broken.append((odd.cells[table][0], literal[:50], answer.status_code, answer.text[:200]))
        elif odd.stored(table, row) != before and not literal.startswith(REWRITTEN[odd.engine]):
            broken.append((odd.cells[table][0], literal[:50], before[1][:60], odd.stored(table, row)[1][:60]))

    assert broken == []
