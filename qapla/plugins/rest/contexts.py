"""What a URL of the REST API names: one small class per kind of thing, made from the path before any view runs.

The database is looked up first (404 for anyone, 503 while it is paused), then the caller: a database that takes no anonymous callers
answers them 401 whatever the rest of the path is, and shows nothing of its tables.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from qapla.database.dialects import get_engine
from qapla.database.query.description import Call
from qapla.database.query.overloads import get_function, list_functions
from qapla.database.schema.description import TableName
from qapla.driver.keys import find_target
from qapla.errors import AccessError, NotAuthenticated, NotFound, QueryError, nearest
from qapla.plugins.rest import callers, cors
from qapla.plugins.rest.watching import Watch
from qapla.ports import NO_RIGHTS

if TYPE_CHECKING:
    from pyramid.request import Request

    from qapla.database.catalog import Served
    from qapla.database.local import Local
    from qapla.database.schema.description import Table
    from qapla.driver.keys import KeyValues
    from qapla.ports import Rights

    # the database, what the caller may do in it, the schema chosen by a header, and as whom statements run there
    Parts = tuple[Served, Rights, str | None, Local | None]

READ_METHODS = ("GET", "HEAD", "OPTIONS")


class Databases:
    """``/api/``: the databases that the caller may see."""

    methods: tuple[str, ...] = READ_METHODS
    served = local = None

    def __init__(self, request: Request) -> None:
        prepare(request)
        if not callers.is_known_somewhere(request):
            request.identity  # noqa: B018  credentials that are not valid are refused here, too

    def check(self) -> None:
        """Refuse nothing: it is always there."""


class Resource:
    """Something in one database. ``methods`` is what ``Allow`` says; ``profile`` the schema that the caller has chosen.

    ``local`` is as whom, and with which settings, statements for this caller run: every driver and every transaction gets it.
    """

    __slots__ = ("local", "profile", "rights", "served")
    methods: tuple[str, ...] = READ_METHODS

    def __init__(self, served: Served, rights: Rights, profile: str | None = None, local: Local | None = None) -> None:
        self.served = served
        self.rights = rights
        self.profile = profile
        self.local = local

    def check(self) -> None:
        """Refuse to say anything of what is not there."""


class Root(Resource):
    """``/api/{database}/``: its description."""

    __slots__ = ()


class Health(Resource):
    """``/-/health``."""

    __slots__ = ()


class Batch(Resource):
    """``/-/batch``."""

    __slots__ = ()
    methods = ("OPTIONS", "POST")


class SchemaPage(Resource):
    """``/-/schema``, ``/-/schema/{table}``: what was introspected."""

    __slots__ = ("table",)

    def __init__(self, table: Table | None, *parts: Any) -> None:
        super().__init__(*parts)
        self.table = table


class Function(Resource):
    """``/rpc/{function}``."""

    __slots__ = ("name",)

    def __init__(self, name: str, *parts: Any) -> None:
        super().__init__(*parts)
        self.name = name

    @property
    def full_name(self) -> TableName:
        """Return the function's name with its schema."""
        return TableName(self.profile or self.served.schema.default_schema, self.name)

    def check(self) -> None:
        """Refuse to say anything of a function that is not there.

        Raises:
            NotFound: PGRST202.
        """
        if not list_functions(self.served.schema, self.full_name):
            get_function(self.served.schema, Call(self.full_name))

    @property
    def methods(self) -> tuple[str, ...]:  # type: ignore[override]
        """Return how it is called: what may write by POST. (GET lets it read, which PostgREST does not tell, either.)"""
        functions = list_functions(self.served.schema, self.full_name)
        is_volatile = bool(functions) and all(function.volatility == "volatile" for function in functions)
        return ("OPTIONS", "POST") if is_volatile else (*READ_METHODS, "POST")


class Collection(Resource):
    """``/{table}``: a table or a view as a collection of rows."""

    __slots__ = ("table",)

    def __init__(self, table: Table, *parts: Any) -> None:
        super().__init__(*parts)
        self.table = table

    @property
    def methods(self) -> tuple[str, ...]:  # type: ignore[override]
        """Return what can be done with this table over this connection, by whoever has the right to."""
        table, writable = self.table, self.served.options.writable
        methods = list(READ_METHODS)
        if writable and table.insertable:
            methods.append("POST")
        if writable and table.insertable and table.updatable and table.primary_key:
            methods.append("PUT")
        if writable and table.updatable:
            methods.append("PATCH")
        if writable and table.deletable:
            methods.append("DELETE")
        withheld = self.served.withheld.get(table.name)
        return tuple(methods) if withheld is None else tuple(method for method in methods if method not in withheld)


class Row(Collection):
    """``/{table}/{key}``: one row by the values of its key, as text."""

    __slots__ = ("key",)

    def __init__(self, key: KeyValues, *parts: Any) -> None:
        super().__init__(*parts)
        self.key = key

    @property
    def methods(self) -> tuple[str, ...]:  # type: ignore[override]
        """Return what can be done with one row."""
        return tuple(method for method in super().methods if method != "POST")


def make_root(request: Request) -> Root:
    """Return the database that the path names (route factory)."""
    return Root(*_open_database(request))


def make_resource(request: Request) -> Resource:
    """Return the table, row, function or page that the path names (route factory)."""
    return find_resource(request.matchdict["rest"], _open_database(request))


def find_resource(path: str, parts: Parts) -> Resource:
    """Return what *path*, below that of the database and decoded, names there.

    Raises:
        NotFound: nothing.
    """
    if path.startswith("-/") or path == "-":
        return _make_page(path[2:], parts)
    if path.startswith("rpc/") or path == "rpc":
        return Function(path[4:], *parts)
    table, key = find_target(parts[0].schema, path, parts[2])
    return Collection(table, *parts) if key is None else Row(key, table, *parts)


def _make_page(path: str, parts: Parts) -> Resource:
    if path == "health":
        return Health(*parts)
    if path == "batch":
        return Batch(*parts)
    if path in ("schema", "schema/"):
        return SchemaPage(None, *parts)
    if path.startswith("schema/"):
        table, _key = find_target(parts[0].schema, path.removeprefix("schema/").rstrip("/"), parts[2])
        return SchemaPage(table, *parts)
    raise NotFound("there is nothing at this URL", hint="below /-/ there are health, schema and batch")


def prepare(request: Request) -> None:
    """Give *request* what the views of Cornice look at."""
    request.errors = ()
    request.info = {}


def may_see(request: Request, served: Served) -> bool:
    """Tell whether the caller may know of a database."""
    if not served.is_plain:
        return callers.may_see(request, served)
    try:
        if request.identity.kind == "anonymous" and served.options.anonymous == "none":
            return False
    except NotAuthenticated:  # a token that another database knows
        return False
    return served.is_visible_to(request.rights(served.name))


def _open_database(request: Request) -> Parts:
    prepare(request)
    name = request.matchdict["database"]
    served = _find_database(request, name)
    options = served.options
    watch = Watch(request, options) if options.server_timing_enabled or options.server_trace_header else None
    if cors.is_preflight(request) and cors.is_allowed(request.environ["HTTP_ORIGIN"], served.options):
        return served, NO_RIGHTS, None, None  # a browser asks without credentials whether it may ask
    rights, profile, local = enter(request, served)
    return (served if watch is None else watch.stand_in(served)), rights, profile, local


def enter(request: Request, served: Served) -> tuple[Rights, str | None, Local | None]:
    """Return what the caller may do in a database, the schema that is chosen, and as whom statements run.

    Raises:
        AccessError: nothing.
    """
    return _open_plain(request, served) if served.is_plain else callers.open_database(request, served, read_profile)


def _open_plain(request: Request, served: Served) -> tuple[Rights, str | None, None]:
    """Return what the caller may do in a database that asks nothing more of callers than who they are."""
    if request.identity.kind == "anonymous" and served.options.anonymous == "none":
        raise NotAuthenticated("Anonymous access is disabled", code="PGRST302", hint="send the header Authorization: Bearer <token>")
    rights = request.rights(served.name)
    if not served.is_visible_to(rights):
        raise (AccessError if rights.authenticated else NotAuthenticated)(f"permission denied for database {served.name}")
    return rights, read_profile(request, served), None


def _find_database(request: Request, name: str) -> Served:
    """Return the database; where there is none, the hint names only what the caller may see."""
    try:
        found: Served = request.databases[name]
    except NotFound as error:
        with suppress(AccessError):
            error.hint = nearest(name[:100], [served.name for served in request.databases if may_see(request, served)])
        raise
    return found


def read_profile(request: Request, served: Served) -> str | None:
    """Return the schema that the request chooses by a header, or None.

    A name that no header can hold is percent-encoded. Clients of PostgREST ask for ``public`` unless they are told otherwise: where an
    engine has no such schema it is the default one.

    Raises:
        QueryError: PGRST106 (406), it is not one of the exposed ones.
    """
    reads = request.environ["REQUEST_METHOD"] in ("GET", "HEAD")
    profile = request.environ.get("HTTP_ACCEPT_PROFILE" if reads else "HTTP_CONTENT_PROFILE")
    if profile is None or profile in served.schema.schemas:
        return profile
    if unquote(profile) in served.schema.schemas:  # headers are ASCII without spaces around it
        return unquote(profile)
    if profile != "public" or get_engine(served.schema.engine).has_public:
        names = ", ".join(served.schema.schemas) or "none; this engine has no schemas"
        hint = f"Only the following schemas are exposed: {names}"
        raise QueryError(f"Invalid schema: {profile[:100]}", code="PGRST106", status=406, hint=hint)
    return None
