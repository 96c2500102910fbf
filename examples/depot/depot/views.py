"""Ordering, over three databases at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.httpexceptions import HTTPConflict, HTTPNotFound
from pyramid.view import view_config
from sqlalchemy import update

from depot.models import Order, Price, Shelf
from qapla.driver import ReadDriver

if TYPE_CHECKING:
    from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Add the route and scan the views."""
    config.add_route("orders", "/orders")
    config.scan("depot.views")


@view_config(route_name="orders", request_method="POST", renderer="json")
def order(request: Any) -> dict[str, Any]:
    """Take the goods from the shelf and write the order down: both or neither."""
    article, count = str(request.json_body["article"]), int(request.json_body["count"])
    price = ReadDriver[Price](request.prices).find_by_id(article)
    if price is None:
        raise HTTPNotFound(f"no article is called {article!r}")
    made = Order(article=article, count=count, total=price.amount * count)
    request.orders.add(made)
    request.orders.flush()
    taken = request.stock.execute(
        update(Shelf).where(Shelf.article == article, Shelf.count >= count).values(count=Shelf.count - count)
    )
    if not taken.rowcount:  # the order is in the transaction already: the error takes it back
        raise HTTPConflict(f"there are not {count} of {article!r}")
    request.response.status = 201
    return {"id": made.id, "total": str(made.total)}


@view_config(route_name="orders", request_method="GET", renderer="json")
def list_orders(request: Any) -> list[dict[str, Any]]:
    """Answer the orders with what is left of each article."""
    left = {shelf.article: shelf.count for shelf in ReadDriver[Shelf](request.stock).list()}
    found = ReadDriver[Order](request.orders).list(limit=100)
    return [{"id": each.id, "article": each.article, "count": each.count, "left": left.get(each.article, 0)} for each in found]
