"""Which view answers which method of a table, a row or a function: alone, or as a part of a batch."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING

from qapla.plugins.rest import calls, contexts, reads, writes
from qapla.plugins.rest.errors import method_not_allowed

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyramid.request import Request
    from pyramid.response import Response


def unless_withheld(view: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Return *view*, which refuses a table that is served without the method of the request."""

    @wraps(view)
    def answer(request: Request) -> Response:
        context: contexts.Collection = request.context
        withheld = context.served.withheld  # empty for all but models that leave something out
        if withheld and context.table.name in withheld and request.method not in context.methods:
            raise method_not_allowed(request.method, context.methods)
        return view(request)

    return answer


# context → method → view. GET answers HEAD, too.
VIEWS: dict[type, dict[str, Callable]] = {
    contexts.Function: {
        "GET": calls.call_function,
        "POST": calls.call_function,
        "PATCH": calls.refuse_method,
        "PUT": calls.refuse_method,
        "DELETE": calls.refuse_method,
    },
    contexts.Collection: {
        "GET": unless_withheld(reads.list_rows),
        "POST": unless_withheld(writes.insert_rows),
        "PATCH": unless_withheld(writes.update_rows),
        "PUT": unless_withheld(writes.put_row),
        "DELETE": unless_withheld(writes.delete_rows),
    },
    contexts.Row: {
        "GET": unless_withheld(reads.get_row),
        "PATCH": unless_withheld(writes.update_row),
        "PUT": unless_withheld(writes.replace_row),
        "DELETE": unless_withheld(writes.delete_row),
    },
}
