"""A configuration of PostgREST, taken over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lazydb.options import as_stored, read_options
from lazydb.postgrest import Configuration, Moved
from lazydb.postgrestkeys import ALIASES, NOTES, OWN, SETTINGS
from qapla.database.catalog import Options
from qapla.errors import ConfigurationError, InputError

if TYPE_CHECKING:
    from pathlib import Path

    from qapla.database.spec import ConnectionSpec

URI = "postgres://me:geheim@db.example.org:5432/shop"
EVERYTHING = f"""
admin-server-host = "localhost"
admin-server-port = 3001
app.settings.mail = "smtp.example.org"
client-error-verbosity = "verbose"
db-aggregates-enabled = true
db-anon-role = "anon"
db-channel = "pgrst"
db-channel-enabled = true
db-config = true
db-extra-search-path = "public, extensions"
db-hoisted-tx-settings = "statement_timeout, work_mem"
db-max-rows = 1000
db-plan-enabled = true
db-pool = 20
db-pool-acquisition-timeout = 7
db-pool-automatic-recovery = true
db-pool-max-idletime = 30
db-pool-max-lifetime = 1800
db-pre-config = "private.pre_config"
db-pre-request = "private.check"
db-prepared-statements = true
db-root-spec = "root"
db-schemas = "api, v2"
db-timezone-enabled = true
db-tx-end = "rollback-allow-override"
db-uri = "{URI}"
db-use-legacy-gucs = false
jwt-aud = "https://example.org"
jwt-cache-max-entries = 1000
jwt-cache-max-lifetime = 3600
jwt-role-claim-key = ".roles[0]"
jwt-secret = "cmVhbGx5cmVhbGx5cmVhbGx5cmVhbGx5dmVyeXNhZmU="
jwt-secret-is-base64 = true
log-level = "warn"
log-query = false
openapi-mode = "ignore-privileges"
openapi-security-active = true
openapi-server-proxy-uri = "https://api.example.org/v1"
raw-media-types = "text/plain"
server-cors-allowed-origins = "https://a.example.org, https://b.example.org"
server-host = "!4"
server-otel-enabled = false
server-port = 3005
server-timing-enabled = true
server-trace-header = "X-Request-Id"
server-unix-socket = "/tmp/pgrst.sock"
server-unix-socket-mode = "660"
"""


def move(text: str, **environment: str) -> Moved:
    """Return what a configuration says."""
    return Configuration(text, environment).finish()


def options_of(moved: Moved) -> Options:
    """Return the settings that the connection has afterwards."""
    return read_options(moved.settings, engine="postgresql")


def test_every_setting_is_taken_over() -> None:
    """A file of every key becomes the settings of a connection; each one that has no meaning here is told."""
    moved = move(EVERYTHING)

    assert (moved.uri, moved.host, moved.port, moved.log_level) == (URI, "0.0.0.0", 3005, "warning")
    assert as_stored(options_of(moved)) == {
        "anonymous": "write",
        "app_settings": {"mail": "smtp.example.org"},
        "as_postgrest": True,
        "db_anon_role": "anon",
        "db_extra_search_path": ["public", "extensions"],
        "db_hoisted_tx_settings": ["statement_timeout", "work_mem"],
        "db_max_rows": 1000,
        "db_plan_enabled": True,
        "db_pre_request": "private.check",
        "db_schemas": ["api", "v2"],
        "db_tx_end": "rollback-allow-override",
        "jwt_aud": "https://example.org",
        "jwt_role_claim_key": ".roles[0]",
        "jwt_secret": "cmVhbGx5cmVhbGx5cmVhbGx5cmVhbGx5dmVyeXNhZmU=",
        "jwt_secret_is_base64": True,
        "openapi_mode": "ignore-privileges",
        "openapi_server_proxy_uri": "https://api.example.org/v1",
        "pool_size": 20,
        "pool_timeout_s": 7.0,
        "require_filter": False,
        "server_cors_allowed_origins": ["https://a.example.org", "https://b.example.org"],
        "server_timing_enabled": True,
        "server_trace_header": "X-Request-Id",
        "writable": True,
    }
    assert {note.partition(" ")[0] for note in moved.notes} == set(NOTES)
    assert set(EVERYTHING.split()) >= {*SETTINGS, *NOTES, *OWN}


def test_every_default_is_postgrests() -> None:
    """What the file does not say is as PostgREST has it, not as a connection of ours."""
    options = options_of(move(f'db-uri = "{URI}"'))

    assert options == Options(
        as_postgrest=True,
        writable=True,
        require_filter=False,
        db_schemas=("public",),
        db_extra_search_path=("public",),
        db_aggregates_enabled=False,
        db_tx_end="commit",
        openapi_security_active=False,
        pool_size=10,
        pool_timeout_s=10,
        server_cors_allowed_origins=("*",),
    )


def test_nothing_that_a_file_said_before_stays() -> None:
    """Registered again, a connection has what the file says now."""
    before = options_of(move(EVERYTHING))

    after = read_options(move(f'db-uri = "{URI}"').settings, before)

    assert after == options_of(move(f'db-uri = "{URI}"'))


@pytest.mark.parametrize(("old", "key"), ALIASES.items())
def test_older_names_are_understood(old: str, key: str) -> None:
    """PostgREST takes them, too."""
    value = "true" if old.endswith("base64") else '"https://example.org"' if old.endswith("uri") else "7" if "max" in key else '"x.y"'
    uri = f'db-uri = "{URI}"\n'

    one, other = move(f"{uri}{old} = {value}"), move(f"{uri}{key} = {value}")

    assert (one.settings, one.notes) == (other.settings, other.notes)


def test_the_environment_wins_over_the_file() -> None:
    """``PGRST_`` variables replace keys; one that is unknown is told and keeps nothing from starting."""
    moved = move(f'db-uri = "{URI}"\ndb-pool = 3', PGRST_DB_POOL="4", PGRST_APP_SETTINGS_Mail="m", PGRST_VERSION="14", OTHER="x")

    assert (moved.settings["pool_size"], moved.settings["app_settings"]) == (4, {"Mail": "m"})
    assert moved.notes == ("the variable PGRST_VERSION is not known",)


def test_what_the_database_says_wins_over_both() -> None:
    """In-database configuration is read, unless ``db-config`` is off."""
    spec: ConnectionSpec = None  # type: ignore[assignment]
    asked = []

    def read_database(_spec: ConnectionSpec, function: str | None) -> dict[str, str]:
        asked.append(function)
        return {"db_schemas": "v3", "db_channel": "c", "nonsense": "1"}

    configuration = Configuration(f'db-uri = "{URI}"\ndb-schemas = "api"\ndb-pre-config = "f"', {})
    configuration.take_database(spec, read_database)
    off = Configuration(f'db-uri = "{URI}"\ndb-schemas = "api"\ndb-config = "no"', {})
    off.take_database(spec, read_database)

    moved = configuration.finish()
    assert (moved.settings["db_schemas"], off.finish().settings["db_schemas"], asked) == ("v3", "api", ["f"])
    assert [note.partition(":")[0] for note in moved.notes] == ["pgrst.nonsense of the database is not known", "db-channel is not used"]


def test_uri_and_secret_may_be_in_files(tmp_path: Path) -> None:
    """An ``@`` in front names a file; what is in it is not shown."""
    (tmp_path / "uri").write_text(f"{URI}\n")
    (tmp_path / "secret").write_text("s" * 40 + "\n")

    moved = move(f'db-uri = "@{tmp_path}/uri"\njwt-secret = "@{tmp_path}/secret"')

    assert (moved.uri, moved.settings["jwt_secret"]) == (URI, "s" * 40)
    assert "geheim" not in repr(moved)
    with pytest.raises(ConfigurationError, match=r"the file .* of db-uri cannot be read"):
        move(f'db-uri = "@{tmp_path}/none"')


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "postgresql://",
        "postgres:///shop",
        "postgres://me@/shop",
        "postgres://db.example.org/shop",
        "postgres://me:geheim@db.example.org",
        "postgres://me:geheim@a,b/shop",
        "postgres://me:geheim@a:1,b:2/shop",
        "host=db.example.org user=me password=geheim dbname=shop",
        "mysql://me:geheim@db.example.org/shop",
        "shop",
    ],
)
def test_other_ways_to_say_where_the_database_is_are_refused(uri: str) -> None:
    """What libpq would fill in from the machine that it runs on is not guessed."""
    with pytest.raises(InputError, match="db-uri is not user:password@host:port/database") as refused:
        move(f'db-uri = "{uri}"')

    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("db-max-row = 5", r"'db-max-row' is no key of PostgREST \(did you mean 'db-max-rows'\?\)"),
        ("app.setting.x = 5", "'app.setting.x' is no key of PostgREST"),
        ('db-max-rows = "many"', "db-max-rows 'many' is not a whole number"),
        ('db-plan-enabled = "maybe"', "db-plan-enabled 'maybe' is not true or false"),
        ('log-level = "loud"', "log-level 'loud' is not known"),
    ],
)
def test_what_is_wrong_is_refused_by_its_key(line: str, message: str) -> None:
    """An unknown key is refused with the nearest one, a wrong value with its key."""
    with pytest.raises(InputError, match=message):
        move(f'db-uri = "{URI}"\n{line}')
