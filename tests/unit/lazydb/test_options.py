"""The settings of one connection, as people write them."""

from __future__ import annotations

import pytest

from lazydb.options import as_shown, as_stored, read_options
from qapla.database.catalog import Options
from qapla.errors import TargetRefused


def test_text_becomes_values() -> None:
    """Settings are read from text by their type; ``-`` in a name means ``_``."""
    given = {"db-max-rows": "100", "writable": "yes", "anonymous": "write", "db_schemas": "a, b", "pool_timeout_s": "2.5"}
    given["require_filter"] = "off"

    options = read_options(given)

    assert options == Options(
        db_max_rows=100, writable=True, anonymous="write", db_schemas=("a", "b"), pool_timeout_s=2.5, require_filter=False
    )


def test_stored_options_come_back() -> None:
    """What differs from the defaults is stored, and nothing else."""
    options = Options(writable=True, include=("a*",), db_max_rows=5)

    assert as_stored(options) == {"writable": True, "include": ["a*"], "db_max_rows": 5}
    assert read_options(as_stored(options)) == options
    assert as_stored(Options()) == {}


def test_an_empty_limit_is_no_limit() -> None:
    """A limit that may be absent is absent when its text is empty."""
    assert read_options({"db_max_rows": ""}, Options(db_max_rows=3)).db_max_rows is None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("db_max_row", "1", "setting 'db_max_row' is not known"),
        ("db_max_rows", "0", "db_max_rows '0' is not a whole number from 1"),
        ("db_max_rows", "9" * 5000, "is not a whole number"),
        ("db_max_rows", True, "is not a whole number"),
        ("pool_size", "1000", "pool_size '1000' is not a whole number from 1 to 100"),
        ("statement_timeout_s", "nan", "statement_timeout_s 'nan' is not a number"),
        ("writable", "maybe", "writable 'maybe' is not true or false"),
        ("anonymous", "all", "anonymous 'all' is not known"),
        ("include", [1], "include is not a list of names"),
        ("anonymous", "write", "anonymous writing needs a writable connection"),
    ],
)
def test_wrong_settings_are_refused_by_name(name: str, value: object, message: str) -> None:
    """An unknown setting, or a value that is wrong, is an error that names the setting."""
    with pytest.raises(TargetRefused, match=message) as refused:
        read_options({name: value})

    assert refused.value.field == name


def test_settings_that_postgrest_has_are_read_by_its_names() -> None:
    """Every setting of PostgREST's about a database has its name here; its own settings keep their dots."""
    given = {"db-anon-role": "web", "db-hoisted-tx-settings": "statement_timeout", "jwt-aud": "https://example.org", "jwt-secret": "s" * 32}
    given |= {"server-timing-enabled": "true", "server-trace-header": "X-Request-Id", "app.settings.mail.host": "smtp"}

    options = read_options(given, engine="postgresql")

    assert (options.db_anon_role, options.db_hoisted_tx_settings) == ("web", ("statement_timeout",))
    assert (options.jwt_secret, options.jwt_aud, options.server_timing_enabled) == ("s" * 32, "https://example.org", True)
    assert (options.server_trace_header, options.app_settings) == ("X-Request-Id", (("mail.host", "smtp"),))
    assert read_options(as_stored(options)) == options


def test_secrets_are_shown_masked_and_stay_when_the_mask_comes_back() -> None:
    """What a form shows in place of a secret leaves it as it was; an empty value removes it."""
    options = read_options({"jwt_secret": "s" * 32, "app_settings": {"a": "geheim", "b": "2"}})
    seen = as_shown(options)

    assert "geheim" not in repr(options)
    assert "ssss" not in repr(options)
    assert (seen["jwt_secret"], seen["app_settings"]) == ("***", {"a": "***", "b": "***"})
    assert read_options(seen, options) == options
    assert read_options({"app_settings": "a=***\nc = 3"}, options).app_settings == (("a", "geheim"), ("c", "3"))
    assert read_options({"app_settings.a": "", "jwt_secret": ""}, options) == Options(app_settings=(("b", "2"),))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"jwt_secret": "short"}, "jwt_secret is too short to be safe"),
        ({"jwt_secret": '{"keys": 1}'}, "looks like JSON, but is no JWK"),
        ({"jwt_secret": "é" * 40, "jwt_secret_is_base64": True}, "jwt_secret is not base64"),
        ({"jwt_secret": "***"}, "it has no value to keep"),
        ({"jwt_secret": 7}, "jwt_secret is not a text"),
        ({"jwt_aud": "a: b"}, "jwt_aud 'a: b' is no URI"),
        ({"server_trace_header": "X Trace"}, "server_trace_header 'X Trace' is no header's name"),
        ({"openapi_server_proxy_uri": "example.org"}, "openapi_server_proxy_uri 'example.org' is no URL"),
        ({"app_settings.a-b": "1"}, "app_settings.a-b is no name of a setting"),
        ({"app_settings": "a"}, "app_settings has a line that is not NAME=VALUE"),
        ({"app_settings": [1]}, "app_settings is not a set of names and values"),
        ({"app_settings": {"a": [1]}}, "'app_settings.a' is not a text"),
        ({"db_hoisted_tx_settings": "a b"}, "db_hoisted_tx_settings 'a b' is no name of a setting"),
        ({"db_schemas": "pg_catalog"}, "db_schemas 'pg_catalog' is the engine's own"),
        ({"db_anon_role": "x" * 70000}, "'db_anon_role' is too long"),
    ],
)
def test_settings_that_are_not_well_made_are_refused(given: dict[str, object], message: str) -> None:
    """A secret that is too short, a name that no server takes and the like are errors that name the setting, never its value."""
    with pytest.raises(TargetRefused, match=message) as refused:
        read_options(given)

    assert refused.value.field == next(iter(given)).partition(".")[0]


@pytest.mark.parametrize("name", ["db_anon_role", "db_extra_search_path", "db_pre_request", "db_hoisted_tx_settings", "app_settings.a"])
def test_what_an_engine_cannot_have_is_refused_by_name(name: str) -> None:
    """Roles, and settings of a transaction, are PostgreSQL's; elsewhere they are refused, not ignored."""
    with pytest.raises(TargetRefused, match=r"\w+ is not offered on SQLite"):
        read_options({name: "x"}, engine="sqlite")

    assert read_options({name: "x"}, engine="postgresql") != Options()
