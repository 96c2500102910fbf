"""Jump anywhere, and pick a row to refer to: the two searches that answer while one types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.response import Response

from qapla.database.query.description import Compare, Field, Path, Query, Search, Selection, Window
from qapla.errors import DatabaseError, InputError, NotFound
from qapla.plugins.admin.cells import print_value
from qapla.plugins.admin.context import require_user
from qapla.plugins.admin.labels import label_columns, make_label
from qapla.plugins.admin.links import Links
from qapla.plugins.admin.pages import render_fragment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyramid.request import Request

    from qapla.database.query.description import Condition
    from qapla.plugins.admin.context import TableContext
    from qapla.plugins.admin.labels import Reference

MOST = 20  # found at once
HTTP_BAD_REQUEST = 400


def jump(request: Request) -> Any:
    """Find databases and tables by a part of their names: a page, or the list inside the jump box."""
    require_user(request)
    words = request.GET.get("q", "").strip()[:200]
    found = find_places(request, words)
    if request.headers.get("HX-Request"):
        return Response(render_fragment("jump_found.pt", request, found=found, words=words))
    return {"title": "Jump", "found": found, "words": words, "crumbs": [("Jump", None)]}


def find_places(request: Request, words: str) -> list[dict[str, str]]:
    """Return the databases and tables whose names have all the words in them, those that begin with them first."""
    wanted = words.lower().replace("/", " ").split()
    matches = [place for place in _places(request) if all(word in place["search"] for word in wanted)]
    begins = wanted[0] if wanted else ""
    return sorted(matches, key=lambda place: (not place["text"].lower().startswith(begins), place["rank"], place["search"]))[:MOST]


def _places(request: Request) -> Iterator[dict[str, str]]:
    for served in request.databases:
        rights = request.rights(served.name)
        if not served.is_visible_to(rights):
            continue
        tables = [table for table in served.schema.tables if rights.allows("select", table.name.schema, table.name.name)]
        links = Links.of(request, served.name, served.schema)
        yield {"text": served.name, "href": links.database_page, "where": "database", "search": served.name.lower(), "rank": "0"}
        for table in tables if not served.problem else ():
            name = table.name.name if table.name.schema == served.schema.default_schema else str(table.name)
            yield {"text": name, "href": links.table(table), "where": served.name, "search": f"{served.name} {name}".lower(), "rank": "1"}


def pick(context: TableContext, request: Request) -> list[dict[str, str]]:
    """Answer rows that a foreign key may point at, as JSON: value and label."""
    reference = context.references.get(request.GET.get("column", ""))
    if reference is None:
        raise NotFound("there is no such foreign key")
    words = request.GET.get("q", "").strip()[:200]
    rows: list[dict[str, Any]] = []
    for condition in _conditions(reference, words):
        try:
            rows += context.reader.page(_pick_query(reference, condition)).rows()
        except (InputError, DatabaseError) as error:
            if error.status != HTTP_BAD_REQUEST:
                raise
            continue  # the words are no value of the key's type; or there is no text to search in
    target = reference.key.target_columns[0]
    found = {print_value(row[target]): make_label(reference.target, row) for row in rows}
    return [{"value": value, "text": label} for value, label in list(found.items())[:MOST]]


def _conditions(reference: Reference, words: str) -> tuple[Condition | None, ...]:
    """Return where to look: the key itself first, then the words in any text."""
    if not words:
        return (None,)
    return (Compare(Path(reference.key.target_columns[0]), "eq", words), Search(tuple(words.split())))


def _pick_query(reference: Reference, condition: Condition | None) -> Query:
    names = dict.fromkeys((*reference.key.target_columns, *label_columns(reference.target), *reference.target.identity.columns))
    return Query(reference.target.name, Selection(tuple(Field(Path(name)) for name in names)), condition, window=Window(limit=MOST))
