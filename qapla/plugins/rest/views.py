"""Which view answers which method of a table, a row or a function: alone, or as a part of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qapla.plugins.rest import calls, contexts, reads, writes

if TYPE_CHECKING:
    from collections.abc import Callable

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
        "GET": reads.list_rows,
        "POST": writes.insert_rows,
        "PATCH": writes.update_rows,
        "PUT": writes.put_row,
        "DELETE": writes.delete_rows,
    },
    contexts.Row: {
        "GET": reads.get_row,
        "PATCH": writes.update_row,
        "PUT": writes.replace_row,
        "DELETE": writes.delete_row,
    },
}
