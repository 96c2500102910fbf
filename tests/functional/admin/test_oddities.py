"""No name, no type and no value breaks a page: every table of the oddities, on each engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from webtest import TestApp

from qapla.plugins.admin.links import Links, key_of
from qapla.plugins.admin.listing import Filter, Listing
from qapla.testing.oddities import make_oddities
from qapla.testing.shop import AdminApplication, OneDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator

UNFORESEEN = "something went wrong here"  # other failures are the database's own: a foreign server that is away, a view never filled


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def odd(request: pytest.FixtureRequest) -> Iterator[tuple[TestApp, OneDatabase]]:
    """Give the module the admin of the oddities."""
    with make_oddities(request.param) as url:
        source = OneDatabase(url, request.param, fill=lambda *_: None)
        application = AdminApplication(source)
        try:
            yield TestApp(application.run_web_tests()), source
        finally:
            application.stop()
            source.bulkhead.close()


def test_shows_every_table_and_its_rows(odd: tuple[TestApp, OneDatabase]) -> None:
    """Each table has a list, sorted by each column; its rows have pages and forms."""
    client, source = odd
    links = Links("", source.name, source.schema)
    served = source.load({})[source.name]
    broken = []
    for table in source.schema.tables:
        if table.name.name in {"rpc", "-"}:
            continue
        page = client.get(links.table(table), expect_errors=True)
        addresses = [links.table(table, Listing().sorted_by(column.name)) for column in table.columns if column.type.kind != "unknown"]
        addresses += [links.table(table, Listing(filters=(Filter(column.name, "notnull"),))) for column in table.columns]
        if page.status_int == 200:
            addresses += [links.action("new", table), links.action("csv", table)]
            addresses += _row_addresses(links, table, served, client)
        for address in [links.table(table), *addresses]:
            answer = client.get(address, expect_errors=True)
            if answer.status_int >= 500 and UNFORESEEN in answer.text.lower():
                broken.append((address, answer.status_int))
    assert broken == []


def _row_addresses(links: Links, table: object, served: object, client: TestApp) -> list[str]:
    from qapla.database.query.description import Query, Window
    from qapla.driver.table_read import TableReadDriver
    from qapla.ports import ALL_RIGHTS

    rows = TableReadDriver(served, ALL_RIGHTS).page(Query(table.name, window=Window(limit=3))).rows()  # type: ignore[attr-defined, arg-type]
    keys = [key for key in (key_of(table, row) for row in rows) if key]  # type: ignore[arg-type]
    return [links.row(table, key) for key in keys] + [links.action(name, table, key) for key in keys for name in ("edit", "copy", "delete")]  # type: ignore[arg-type]
