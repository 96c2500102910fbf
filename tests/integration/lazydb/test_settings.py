"""Settings of a connection that hold secrets: sealed in the registry, given to what serves, shown to nobody."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from lazydb.config import export_config, import_config
from lazydb.rotation import rotate
from qapla.database.connect import spec_of
from qapla.errors import InputError, TargetRefused, Unavailable
from qapla.testing.servers import make_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lazydb.application import LazydbApplication
    from qapla.database.spec import ConnectionSpec

    Start = Callable[..., LazydbApplication]

SECRET = "a secret of at least thirty-two bytes"
SETTINGS = {"jwt_secret": SECRET, "app_settings.mail": "geheim-2", "db_anon_role": "web"}


@pytest.fixture(scope="module")
def shop() -> Iterator[ConnectionSpec]:
    """Give the tests a database on PostgreSQL, which has all settings."""
    with make_database("postgresql") as url:
        yield spec_of(url)


def stored(app: LazydbApplication) -> str:
    """Return what the registry's own database holds of settings."""
    with closing(app["registry"].make_session()) as session:
        return session.execute(text("SELECT options FROM connection")).scalar_one()


def test_secrets_are_sealed_and_served(app: LazydbApplication, shop: ConnectionSpec) -> None:
    """The registry has them sealed, what serves has them in the clear, and a change of something else keeps them."""
    app["connections"].add(shop, name="shop", settings=SETTINGS)

    app["connections"].change("shop", settings={"db_max_rows": "7"})

    options = app["catalog"].get("shop").options
    assert (options.jwt_secret, options.app_settings, options.db_max_rows) == (SECRET, (("mail", "geheim-2"),), 7)
    assert SECRET not in stored(app)
    assert "geheim-2" not in stored(app)
    assert "web" in stored(app)


def test_another_host_gets_no_settings_unasked(app: LazydbApplication, shop: ConnectionSpec) -> None:
    """The application's own settings are sent to the server: another one gets them when somebody gives them again."""
    app["connections"].add(shop, name="shop", settings=SETTINGS)
    moved = replace(shop, host="localhost", password=shop.password or "x")

    with pytest.raises(TargetRefused, match="enter app_settings again"):
        app["connections"].change("shop", spec=moved)
    app["connections"].change("shop", spec=moved, settings={"app_settings": {"mail": "geheim-3"}}, paused=True)

    options = app["connections"].get("shop").options
    assert (options.app_settings, options.jwt_secret) == ((("mail", "geheim-3"),), SECRET)


def test_a_lost_key_is_told_by_the_names_of_the_settings(start: Start, shop: ConnectionSpec) -> None:
    """With another secret key the database is not served until its secrets are entered again, or emptied."""
    start()["connections"].add(shop, name="shop", settings=SETTINGS)
    other = start(secret_key="another key of at least 32 characters")

    with pytest.raises(Unavailable, match=r"enter jwt_secret, app_settings.mail again"):
        other["catalog"].get("shop")
    with pytest.raises(TargetRefused, match="jwt_secret cannot be opened any more"):
        other["connections"].change("shop", settings={"db_max_rows": "7"})
    assert other["connections"].get("shop").state == "locked"
    other["connections"].change("shop", settings={"jwt_secret": SECRET, "app_settings.mail": ""})
    other["catalog"].refresh()

    assert other["catalog"].get("shop").options.jwt_secret == SECRET


def test_rotating_seals_settings_anew(start: Start, shop: ConnectionSpec) -> None:
    """After two rotations nothing is sealed with the first key."""
    app = start(secret_key=None)
    app["connections"].add(shop, name="shop", settings=SETTINGS)

    rotate(app)
    rotate(app)

    assert start(secret_key=None)["catalog"].get("shop").options.jwt_secret == SECRET


def test_a_file_names_the_variables_of_secrets(app: LazydbApplication, shop: ConnectionSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exported configuration has no secret; importing takes each from its variable, and refuses one that is written out."""
    app["connections"].add(shop, name="shop", settings=SETTINGS)
    exported = export_config(app["connections"])
    app["connections"].remove("shop")
    environment = {"LAZYDB_PASSWORD_SHOP_JWT_SECRET": SECRET, "LAZYDB_PASSWORD_SHOP_APP_SETTINGS_MAIL": "geheim-2"}

    monkeypatch.setenv("LAZYDB_ALLOW_PRIVATE", "1")
    import_config(app["connections"], exported, {**environment, "LAZYDB_PASSWORD_SHOP": shop.password or ""})

    options = app["connections"].get("shop").options
    assert (options.jwt_secret, options.app_settings) == (SECRET, (("mail", "geheim-2"),))
    assert SECRET not in exported
    assert "geheim-2" not in exported
    with pytest.raises(InputError, match="the jwt_secret is written out"):
        import_config(app["connections"], f"[databases.a]\nurl='postgresql://u@h/d'\njwt-secret='{SECRET}'\n", {})


def test_what_the_engine_cannot_have_is_not_registered(app: LazydbApplication, make_file: Callable[..., ConnectionSpec]) -> None:
    """A role on SQLite is refused by name."""
    with pytest.raises(TargetRefused, match="db_anon_role is not offered on SQLite"):
        app["connections"].add(make_file(), settings={"db_anon_role": "web"})

    assert app["connections"].list() == []
