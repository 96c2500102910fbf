"""Pages by key while others write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qapla.database.statement import Statement

if TYPE_CHECKING:
    from .conftest import Client

LINES = "/api/shop/line"


def follow(answer: object) -> str | None:
    """Return the URL of the page behind an answer, or None when it is the last."""
    link = answer.headers.get("Link", "")  # type: ignore[attr-defined]
    return link.split(">")[0].lstrip("<") if 'rel="next"' in link else None


@pytest.mark.parametrize("order", ["amount.desc,product", "product", "amount.nullsfirst"])
def test_a_walk_is_stable_under_writes(fresh_web: Client, order: str) -> None:
    """Each row that was there all the time comes once, in order, whatever is inserted or removed before and behind the reader."""
    served = fresh_web.served
    rows = ", ".join(f"(3, 'p{number:02}', {number % 4})" for number in range(20))
    with served.bulkhead.transaction() as transaction:
        transaction.execute(Statement(f"INSERT INTO line (order_id, product, amount) VALUES {rows}"))
    url: str | None = f"{LINES}?order_id=eq.3&order={order}&limit=3"
    expected = [(row["product"]) for row in fresh_web.get(f"{LINES}?order_id=eq.3&order={order},product&select=product").json]
    seen: list[str] = []
    turn = 0

    while url is not None:
        page = fresh_web.get(url)
        seen.extend(row["product"] for row in page.json)
        with served.bulkhead.transaction() as transaction:
            transaction.execute(Statement(f"INSERT INTO line (order_id, product, amount) VALUES (3, 'a{turn}', 9), (3, 'z{turn}', 0)"))
            if turn == 2:  # the very row behind which the next page begins
                transaction.execute(Statement(f"DELETE FROM line WHERE order_id = 3 AND product = '{seen[-1]}'"))
        url, turn = follow(page), turn + 1

    assert [product for product in seen if product.startswith("p")] == expected
    assert len(seen) == len(set(seen))
