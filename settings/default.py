"""What lazydb uses when nobody says otherwise; the environment variables of the manual are read here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from sqlalchemy import URL

if TYPE_CHECKING:
    from morfdict import Paths

    from qapla.settings import Settings


def make_settings(settings: Settings, paths: Paths) -> None:
    """Fill in the settings of lazydb."""
    import lazydb.migrations.main

    home = os.path.abspath(os.environ.get("LAZYDB_HOME") or platformdirs.user_data_dir("lazydb", appauthor=False))
    paths.set("home", home)
    paths.set("migrations", str(Path(lazydb.migrations.main.__file__).parent))
    settings["db:main:url"] = os.environ.get("LAZYDB_DATABASE_URL") or registry_url(home)
    if settings["db:main:url"].startswith("postgres"):  # a registry that is away must not hold up what is served without it
        settings["db:main:options"] = {"connect_args": {"connect_timeout": 3, "tcp_user_timeout": 5000}}
    settings["lazydb:home"] = home
    settings["lazydb:secret_key"] = os.environ.get("LAZYDB_SECRET_KEY") or None
    settings["lazydb:admin_password"] = os.environ.get("LAZYDB_ADMIN_PASSWORD") or None
    settings["lazydb:sqlite_folders"] = split(os.environ.get("LAZYDB_SQLITE_FOLDERS", ""), os.pathsep)
    settings["lazydb:allow_private"] = os.environ.get("LAZYDB_ALLOW_PRIVATE") == "1"
    settings["metrics:backend"] = "prometheus" if os.environ.get("LAZYDB_METRICS") == "1" else None
    settings["metrics:prefix"] = "lazydb"
    settings["metrics:token"] = os.environ.get("LAZYDB_METRICS_TOKEN") or None
    settings["health:token"] = settings["metrics:token"]
    settings["logging:levels"] = {"alembic": "warning"}  # what it says about its normal work is left out
    settings["csrf:forms_below"] = "/admin/"  # no body of the REST API is read to find out who is asking
    settings["web:hosts"] = split(os.environ.get("LAZYDB_HOSTS", ""), ",")
    settings["celery:broker_url"] = os.environ.get("LAZYDB_BROKER_URL") or None


def registry_url(home: str) -> str:
    """Return the URL of the SQLite registry in *home*."""
    return URL.create("sqlite", database=str(Path(home) / "registry.sqlite")).render_as_string(hide_password=False)


def split(value: str, separator: str) -> tuple[str, ...]:
    """Return the parts of an environment variable that lists things."""
    return tuple(part.strip() for part in value.split(separator) if part.strip())
