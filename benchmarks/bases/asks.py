"""What is asked of every base of ``rest.py``: the same work in the words of each, several requests of a kind in turn."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wrk import NUMBER, Ask

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS = [n * 397 % 2000 + 1 for n in range(50)]
PAGES = [(total, offset) for total in range(0, 500, 50) for offset in range(20, 120, 20)]
NOTES = list(range(1, 51))
GIVE_BACK = {"Prefer": "return=representation"}

Asks = dict[str, list[Ask]]


def _note(n: int, **more: object) -> str:
    return json.dumps({"title": f"Title {n}", "stars": n % 5, **more})


def lazydb() -> Asks:
    """Return the requests to lazydb; of the first of each kind the SQL is taken for the handler that is written by hand."""
    root = "/api/bench"
    select = "id,total,placed_at,customer(id,name),item(product,amount)"
    return {
        "row by key": [Ask(f"{root}/orders/{key}") for key in KEYS],
        "20 rows": [Ask(f"{root}/orders?order=id&limit=20")],
        "filter, sort, page": [
            Ask(f"{root}/orders?total=gt.{total}&is_paid=eq.true&order=placed_at.desc&limit=20&offset={offset}") for total, offset in PAGES
        ],
        "20 rows, 2 embedded": [Ask(f"{root}/orders?select={select}&order=id&limit=20")],
        "20 rows, total": [Ask(f"{root}/orders?order=id&limit=20", headers={"Prefer": "count=exact"})],
        "insert": [Ask(f"{root}/note", "POST", _note(n, body="Body"), GIVE_BACK) for n in NOTES],
        "update": [Ask(f"{root}/note?id=eq.{n}", "PATCH", _note(n), GIVE_BACK) for n in NOTES],
    }


def by_hand() -> Asks:
    """Return the requests to ``handwritten.py``."""
    return {
        "row by key": [Ask(f"/orders/{key}") for key in KEYS],
        "20 rows": [Ask("/orders?limit=20")],
        "filter, sort, page": [Ask(f"/paid?total={total}&offset={offset}") for total, offset in PAGES],
        "20 rows, 2 embedded": [Ask("/whole?limit=20")],
        "20 rows, total": [Ask("/counted?limit=20")],
        "insert": [Ask("/notes", "POST", _note(n, body="Body")) for n in NOTES],
        "update": [Ask(f"/notes/{n}", "PATCH", _note(n)) for n in NOTES],
    }


def sandman2() -> Asks:
    """Return the requests to sandman2, which embeds nothing, counts nothing, compares by equality, and wants the key of a new row."""
    return {
        "row by key": [Ask(f"/orders/{key}") for key in KEYS],
        "20 rows": [Ask("/orders/?sort=id&limit=20")],
        "filter, sort, page": [Ask(f"/orders/?is_paid=true&sort=-placed_at&limit=20&page={offset // 20 + 1}") for _, offset in PAGES],
        "insert": [Ask("/note/", "POST", f'{{"id": {NUMBER}, "title": "Title {NUMBER}", "body": "Body", "stars": 3}}')],
        "update": [Ask(f"/note/{n}", "PATCH", _note(n)) for n in NOTES],
    }


def django() -> Asks:
    """Return the requests to Django REST framework."""
    return {
        "row by key": [Ask(f"/orders/{key}/") for key in KEYS],
        "20 rows": [Ask("/orders/?ordering=id&limit=20")],
        "filter, sort, page": [
            Ask(f"/orders/?total__gt={total}&is_paid=true&ordering=-placed_at&limit=20&offset={offset}") for total, offset in PAGES
        ],
        "20 rows, 2 embedded": [Ask("/whole/?ordering=id&limit=20")],
        "20 rows, total": [Ask("/counted/?ordering=id&limit=20")],
        "insert": [Ask("/notes/", "POST", _note(n, body="Body")) for n in NOTES],
        "update": [Ask(f"/notes/{n}/", "PATCH", _note(n)) for n in NOTES],
    }


def fastapi() -> Asks:
    """Return the reads of the FastAPI application."""
    return {
        "row by key": [Ask(f"/orders/{key}") for key in KEYS],
        "20 rows": [Ask("/orders?limit=20")],
        "filter, sort, page": [Ask(f"/paid?total={total}&offset={offset}") for total, offset in PAGES],
        "20 rows, 2 embedded": [Ask("/whole?limit=20")],
        "20 rows, total": [Ask("/counted?limit=20")],
    }


def postgraphile() -> Asks:
    """Return the reads of PostGraphile, which compares by equality."""
    row = "rowId customerId total placedAt note isPaid"
    nested = "rowId total placedAt customerByCustomerId{rowId name} itemsByOrderId{nodes{product amount}}"
    paid = "condition:{isPaid:true}, orderBy:PLACED_AT_DESC"
    return {
        "row by key": [_graphql(f"{{orderByRowId(rowId:{key}){{{row}}}}}") for key in KEYS],
        "20 rows": [_graphql(f"{{allOrders(first:20, orderBy:ROW_ID_ASC){{nodes{{{row}}}}}}}")],
        "filter, sort, page": [_graphql(f"{{allOrders(first:20, offset:{offset}, {paid}){{nodes{{{row}}}}}}}") for _, offset in PAGES],
        "20 rows, 2 embedded": [_graphql(f"{{allOrders(first:20, orderBy:ROW_ID_ASC){{nodes{{{nested}}}}}}}")],
        "20 rows, total": [_graphql(f"{{allOrders(first:20, orderBy:ROW_ID_ASC){{totalCount nodes{{{row}}}}}}}")],
    }


def _graphql(query: str) -> Ask:
    return Ask("/graphql", "POST", json.dumps({"query": query}))


ASKS: dict[str, Callable[[], Asks]] = {
    "lazydb": lazydb,
    "by hand": by_hand,
    "sandman2": sandman2,
    "Django REST": django,
    "FastAPI": fastapi,
    "PostGraphile": postgraphile,
}
