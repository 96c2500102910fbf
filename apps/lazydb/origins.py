"""Who may add which databases here: what ``spec.parse_url`` is told about where a URL was typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from qapla.database.connect import spec_of
from qapla.database.spec import Origin

if TYPE_CHECKING:
    from qapla.application import Application

Where = Literal["command line", "form", "rest", "import"]
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Origins:
    """One ``Origin`` per place.

    The command line may name any file and any private address: who types there can read the files anyhow. Everybody else only
    files below ``LAZYDB_SQLITE_FOLDERS``, and private addresses while lazydb itself listens on loopback only (a form, a
    file that is imported), or with ``LAZYDB_ALLOW_PRIVATE=1``.
    """

    def __init__(self, app: Application) -> None:
        settings = app.settings
        registry = spec_of(app["database"]["main"].url)
        folders = tuple(settings.get("lazydb:sqlite_folders") or ())
        allowed = settings.read("lazydb:allow_private", bool, False, "true or false")
        on_loopback = settings.get("lazydb:host", "127.0.0.1") in LOOPBACK
        self._origins: dict[Where, Origin] = {
            "command line": Origin("command line", None, True, registry),
            "form": Origin("form", folders, allowed or on_loopback, registry),
            "rest": Origin("rest", folders, allowed, registry),
            "import": Origin("import", folders, allowed or on_loopback, registry),
        }

    def __getitem__(self, where: Where) -> Origin:
        return self._origins[where]
