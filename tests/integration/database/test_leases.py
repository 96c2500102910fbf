"""Connections kept in hand between statements."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event

from qapla.database.bulkhead import make_bulkhead_from_url
from qapla.database.catalog import Options
from qapla.database.statement import Statement
from qapla.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

    from qapla.database.bulkhead import Bulkhead

ONE = Statement("SELECT 1")


@pytest.fixture
def bulkhead(fresh_database: URL) -> Iterator[Bulkhead]:
    """A database with one connection."""
    with closing(make_bulkhead_from_url(fresh_database, options=Options(pool_size=1))) as bulkhead:
        yield bulkhead


def test_is_not_asked_of_the_pool_again(bulkhead: Bulkhead) -> None:
    """The second statement uses the connection of the first without asking the pool."""
    asked: list[object] = []
    event.listen(bulkhead._leases.open().pool, "checkout", lambda *found: asked.append(found))

    for _ in range(3):
        bulkhead.fetch(ONE)

    assert len(asked) == 1


def test_goes_to_whoever_waits(bulkhead: Bulkhead) -> None:
    """Of a pool of one, many threads get their turn, whatever they do with it."""
    failures: list[Exception] = []

    def ask(number: int) -> None:
        try:
            for _ in range(20):
                if number % 3 == 0:
                    with bulkhead.connection() as connection:
                        connection.exec_driver_sql("SELECT 1")
                elif number % 3 == 1:
                    bulkhead.fetch(ONE)
                else:
                    with bulkhead.transaction(read_only=True) as transaction:
                        transaction.execute(ONE)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert bulkhead._leases.open().pool.size() == 1


def test_is_closed_with_the_bulkhead(bulkhead: Bulkhead) -> None:
    """Closing closes what is in hand, too, and nothing is lent afterwards."""
    closed: list[object] = []
    event.listen(bulkhead._leases.open().pool, "close", lambda *found: closed.append(found))
    bulkhead.fetch(ONE)

    bulkhead.close()

    assert len(closed) == 1
    with pytest.raises(Unavailable, match="was closed"):
        bulkhead.fetch(ONE)
