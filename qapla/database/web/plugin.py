"""Declared databases in requests: ``request.main`` is this request's session on the database ``main``.

Adds      ``config.add_database(database)``, and it for every database that the application declares. A request that fails because its
          database is away is answered with 503 and says which, unless an exception view of the application's own does (``outage.py``).
Settings  ``database:commit``: ``manual``, the default, you commit by yourself; ``tm``, pyramid_tm commits when the request went well.
          What ``add_database_web(commit=…)`` says comes first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, get_args

from qapla.database.plugin import COMMIT
from qapla.database.session import CommitMode
from qapla.errors import ConfigurationError, PluginError
from qapla.plugin import Plugin

if TYPE_CHECKING:
    from pyramid.config import Configurator

    from qapla.application import Application
    from qapla.database.database import Database
    from qapla.scope import Scope

MODES = get_args(CommitMode)


class DatabaseWebPlugin(Plugin):
    """Give requests a session on every declared database.

    Args:
        commit: ``manual`` or ``tm``; None: what the settings say.
    """

    key = "database.web"
    requires = ("database",)

    def __init__(self, commit: CommitMode | None = None) -> None:
        if commit not in (None, *MODES):
            raise PluginError(f"commit mode {commit!r} is not known", hint="use 'manual' or 'tm'")
        self.commit = commit

    def start(self, app: Application) -> Self:
        """Look which way of committing is wanted.

        Raises:
            SettingsError: it is none.
        """
        self.commit = self.commit or app.settings.get("database:commit", "manual")
        if self.commit not in MODES:
            raise app.settings.wrong("database:commit", "'manual' or 'tm'")
        return self

    def includeme(self, config: Configurator) -> None:
        """Declare the databases of the application to Pyramid."""
        from qapla.database.connections import scope_finders
        from qapla.database.outage import find_outage
        from qapla.refusals import add_translation

        if _find_scope not in scope_finders:
            scope_finders.append(_find_scope)
        config.add_directive("add_database", add_database)
        config.include("qapla.refusals")
        add_translation(config, find_outage)
        config.registry[COMMIT] = self.commit
        if self.commit == "tm":
            add_transaction_manager(config)
        for database in config.registry["qapla.app"]["database"]:
            config.add_database(database)


def _find_scope() -> Scope | None:
    """Return the scope of the request that is being answered here, for the pool: nobody may have used it yet."""
    from pyramid.threadlocal import get_current_request

    return getattr(get_current_request(), "scope", None)


def add_database(config: Configurator, database: Database) -> None:
    """Let requests use *database* as ``request.<name>``; it need not be among those that the application has declared.

    Declaring a name twice is a conflict: Pyramid then shows both source lines. No connection is opened here.

    Raises:
        ConfigurationError: requests have something else of that name, and would lose it: ``session``, ``registry``, ``path``, …
        SettingsError: its URL is missing or wrong; told when the configuration is committed.
    """

    from pyramid.interfaces import PHASE1_CONFIG

    from qapla.request import is_taken

    if is_taken(database.name):
        hint = f"call it {database.name + '_db'!r}"
        raise ConfigurationError(f"database {database.name!r} would take the place of request.{database.name}", hint=hint)

    def register() -> None:
        app = config.registry["qapla.app"]
        app["database"].declare(app, database)
        entry["url"] = database.safe_url  # password masked: this ends up in the debug toolbar
        if database.safe_replica_urls:
            entry["replicas"] = database.safe_replica_urls

    entry = config.introspectable("databases", database.name, f"database {database.name!r}", "database")
    config.action(("qapla.database", database.name), register, introspectables=(entry,), order=PHASE1_CONFIG)
    config.add_request_method(lambda request: request.scope["database"][database.name], database.name, reify=True)


def add_transaction_manager(config: Configurator) -> None:
    """Commit with pyramid_tm: one manager per request, explicit, so that no work slips in before it begins or after it ended.

    A request that ends in an exception view or with a status of 400 and more is rolled back.
    """
    settings = config.registry.settings  # a program that has pyramid_tm already may have others
    settings.setdefault("tm.manager_hook", "pyramid_tm.explicit_manager")
    settings.setdefault("tm.commit_veto", "pyramid_tm.default_commit_veto")
    settings.setdefault("tm.annotate_user", False)  # it would authenticate every request
    config.include("pyramid_tm")
    config.add_subscriber(begin, "pyramid.events.NewRequest")


def begin(event: Any) -> None:
    """Begin the scope within the transaction: what is to be done after the commit waits for it before any session is used."""
    event.request.scope  # noqa: B018

