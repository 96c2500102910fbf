"""The parts of lazydb that live on its registry, each a plugin; ``REGISTRY_PLUGINS`` is their order."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lazydb.sealing import SealingPlugin
from qapla.errors import NameTaken, SettingsError, ValueRefused
from qapla.plugin import Plugin

if TYPE_CHECKING:
    from lazydb.accounts import Accounts
    from lazydb.clockwork import Clockwork
    from lazydb.connections import Connections
    from lazydb.exports import Exports
    from lazydb.jobs import Jobs
    from lazydb.policy import RegistryPolicy
    from lazydb.source import RevisionReader
    from qapla.application import Application
    from qapla.database.catalog import Catalog

log = logging.getLogger(__name__)

FIRST_ADMIN = "admin"
EXPIRE_EVERY_S = 3600.0
WRITE_USES_EVERY_S = 60.0


class RevisionPlugin(Plugin):
    """One reader of the registry's revision for all who keep something of it in memory."""

    key = "revision"
    requires = ("registry",)

    def start(self, app: Application) -> RevisionReader:
        """Make the reader; nothing is read yet."""
        from lazydb.source import RevisionReader

        return RevisionReader(app["registry"])


class AccountsPlugin(Plugin):
    """Users, tokens and login links. A serving process writes down every minute when tokens were used.

    Settings  ``lazydb:admin_password``: with it the first start makes the user ``admin``.
    """

    key = "accounts"
    requires = ("revision",)
    _uses: Clockwork | None = None

    def start(self, app: Application) -> Accounts:
        """Make the store, and the first admin when a password for one is given and there are no users."""
        from lazydb.accounts import Accounts

        accounts = Accounts(app["registry"], app["revision"])
        password = app.settings.get("lazydb:admin_password")
        if password and not accounts.list_users():
            self._make_admin(accounts, password)
        if app.start_point == "uwsgi":
            from lazydb.clockwork import Clockwork

            self._uses = Clockwork("token-uses", accounts.write_uses, WRITE_USES_EVERY_S)
            self._uses.start()
        return accounts

    def stop(self, app: Application) -> None:
        """Write down what is not written yet."""
        if self._uses is not None:
            self._uses.stop()
            app["accounts"].write_uses()

    def _make_admin(self, accounts: Accounts, password: str) -> None:
        from qapla.plugins.auth.passwords import hash_password

        try:
            accounts.add_user(FIRST_ADMIN, hash_password(password))
        except ValueRefused as error:
            raise SettingsError(f"LAZYDB_ADMIN_PASSWORD cannot be used: {error.message}", hint=error.hint) from error
        except NameTaken:  # by another process that starts at the same time
            return
        log.info("made the user %r with the password of LAZYDB_ADMIN_PASSWORD", FIRST_ADMIN)


class ConnectionsPlugin(Plugin):
    """Register, change and remove databases.

    Settings  ``lazydb:sqlite_folders``, ``lazydb:allow_private``, ``lazydb:host``, the address that lazydb listens on.
    """

    key = "connections"
    requires = ("revision", "sealing")

    def start(self, app: Application) -> Connections:
        """Make the service."""
        from lazydb.connections import Connections
        from lazydb.origins import Origins

        connections = Connections(app["registry"], app["sealing"], Origins(app))
        connections.on_change.append(lambda: app["revision"].read())
        return connections


class CatalogPlugin(Plugin):
    """The served databases. A serving process also watches the registry when no request comes."""

    key = "catalog"
    requires = ("connections",)
    _watcher: Clockwork | None = None

    def start(self, app: Application) -> Catalog:
        """Make the catalog; it is filled on first use."""
        from lazydb.refresher import Refresher
        from lazydb.source import RegistrySource, make_watcher
        from qapla.database.catalog import Catalog

        source = RegistrySource(app["registry"], app["sealing"], app["revision"], Refresher(app).refresh_soon)
        catalog = Catalog(source)
        app["connections"].on_change.append(catalog.refresh)
        if app.start_point == "uwsgi":
            self._watcher = make_watcher(catalog)
            self._watcher.start()
        return catalog

    def stop(self, app: Application) -> None:
        """Stop watching and close every connection."""
        if self._watcher is not None:
            self._watcher.stop()
        app["catalog"].close()


class PolicyPlugin(Plugin):
    """Who may do what."""

    key = "policy"
    requires = ("catalog", "accounts")

    def start(self, app: Application) -> RegistryPolicy:
        """Make the policy."""
        from lazydb.policy import RegistryPolicy

        return RegistryPolicy(app["catalog"], app["accounts"])


class JobsPlugin(Plugin):
    """The progress of background work, kept in the registry."""

    key = "jobs"
    requires = ("registry",)

    def start(self, app: Application) -> Jobs:
        """Make the store. Whatever outlives requests first marks the jobs of processes that were killed."""
        from lazydb.jobs import Jobs

        jobs = Jobs(app["registry"])
        if app.start_point in ("uwsgi", "celery"):
            jobs.fail_lost()
        return jobs


class ExportsPlugin(Plugin):
    """Rows of a list as a file, made in the background. A serving process also removes those that have expired.

    Settings  ``lazydb:home``, where the files are; ``lazydb:exports_max_bytes``, of all of them together.
    """

    key = "exports"
    requires = ("jobs", "policy")
    _expiry: Clockwork | None = None

    def start(self, app: Application) -> Exports:
        """Make the service."""
        from lazydb.clockwork import Clockwork
        from lazydb.exports import Exports

        exports = Exports(app)
        if app.start_point == "uwsgi":
            self._expiry = Clockwork("expiry", exports.remove_old, EXPIRE_EVERY_S)
            self._expiry.start()
        return exports

    def stop(self, app: Application) -> None:
        """Stop removing."""
        if self._expiry is not None:
            self._expiry.stop()


REGISTRY_PLUGINS: tuple[type[Plugin], ...] = (
    SealingPlugin,
    RevisionPlugin,
    AccountsPlugin,
    ConnectionsPlugin,
    CatalogPlugin,
    PolicyPlugin,
    JobsPlugin,
    ExportsPlugin,
)
