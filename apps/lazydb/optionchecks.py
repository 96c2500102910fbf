"""What the settings of a connection must be like, beyond their types: lengths, names, and what an engine can have."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from qapla.database.catalog import Options
from qapla.database.dialects import get_engine
from qapla.database.url import shown
from qapla.errors import InputError, TargetRefused
from qapla.plugins.rest.claims import parse_path

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST: dict[str, float] = {
    "pool_size": 100,
    "pool_timeout_s": 60,
    "statement_timeout_s": 3600,
    "max_embed_depth": 32,
    "max_filter_depth": 256,
    "max_json_depth": 512,
    "max_body_bytes": 1 << 30,
    "max_rows_per_request": 10_000_000,
    "requests_per_minute": 10_000_000,
}
PREFIXES = ("app_settings.", "app.settings.")  # of one of the application's own settings; both have the same length
LONGEST_TEXT = 65_536  # a JWK set has several keys
MIN_SECRET_BYTES = 32
NEED_ROLES = ("db_anon_role", "db_extra_search_path", "db_pre_request", "db_hoisted_tx_settings", "app_settings")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # RFC 9110: a token
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]*")
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*(?:\.[A-Za-z_][A-Za-z0-9_$]*)*")  # PostgreSQL takes no others


def check_text(name: str, text: str) -> str:
    """Return *text*.

    Raises:
        TargetRefused: it is longer than anybody means, or has a NUL, which no server takes.
    """
    if len(text) > LONGEST_TEXT or "\0" in text:
        raise TargetRefused(f"{shown(name)} is too long, or has a NUL", field=name.partition(".")[0])
    return text


def check_options(options: Options, engine: str | None) -> None:
    """Look at all settings together.

    Raises:
        TargetRefused: one is not well made, does not go with another, or is nothing that *engine* has; ``field`` names it.
    """
    if options.anonymous == "write" and not options.writable:
        raise TargetRefused(
            "anonymous writing needs a writable connection", field="anonymous", hint="add --writable, or use --anonymous read"
        )
    for name, check in _CHECKS.items():
        if getattr(options, name) != getattr(_DEFAULTS, name):
            check(options)
    if engine is not None and not get_engine(engine).has_roles:
        for name in NEED_ROLES:
            if getattr(options, name) != getattr(_DEFAULTS, name):
                hint = "PostgreSQL has roles and settings of a transaction"
                raise TargetRefused(f"{name} is not offered on {get_engine(engine).label}", field=name, hint=hint)


def _check_secret(options: Options) -> None:
    secret = options.jwt_secret or ""
    if secret.lstrip().startswith("{"):
        _check_jwk(secret)
    elif len(_secret_bytes(secret, options.jwt_secret_is_base64)) < MIN_SECRET_BYTES:
        hint = f"it needs at least {MIN_SECRET_BYTES} bytes; a JWK, or a set of them, is JSON"
        raise TargetRefused("jwt_secret is too short to be safe", field="jwt_secret", hint=hint)
    from qapla.plugins.rest.issuers import read_keys  # cryptography is imported where somebody needs it

    try:
        read_keys(secret, options.jwt_secret_is_base64)
    except InputError as error:
        raise TargetRefused(error.message, field="jwt_secret", hint=error.hint) from error


def _check_role_claim(options: Options) -> None:
    try:
        parse_path(options.jwt_role_claim_key)
    except InputError as error:
        raise TargetRefused(f"jwt_role_claim_key {error.message}", field="jwt_role_claim_key", hint=error.hint) from error


def _check_anon_role(options: Options) -> None:
    if options.db_anon_role == "none":
        hint = "it is PostgreSQL's word for the account of the connection itself"
        raise TargetRefused("db_anon_role 'none' is no role", field="db_anon_role", hint=hint)


def _check_jwk(secret: str) -> None:
    try:
        found = json.loads(secret)
    except (ValueError, RecursionError):
        found = None
    keys = found.get("keys", [found]) if isinstance(found, dict) else []
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) and "kty" in key for key in keys):
        hint = "each key has a 'kty'; a set is {\"keys\": […]}"
        raise TargetRefused("jwt_secret looks like JSON, but is no JWK and no set of them", field="jwt_secret", hint=hint)


def _secret_bytes(secret: str, is_base64: bool) -> bytes:
    if not is_base64:
        return secret.encode()
    try:
        return base64.b64decode(secret.strip().translate(_URL_SAFE), validate=True)
    except (binascii.Error, ValueError):
        raise TargetRefused("jwt_secret is not base64", field="jwt_secret", hint="or set jwt_secret_is_base64=false") from None


def _check_aud(options: Options) -> None:
    if ":" in (options.jwt_aud or "") and not _URI.fullmatch(options.jwt_aud or ""):
        raise TargetRefused(f"jwt_aud {shown(options.jwt_aud)} is no URI", field="jwt_aud", hint="or leave the colon out")


def _check_trace_header(options: Options) -> None:
    if not _HEADER.fullmatch(options.server_trace_header or ""):
        raise TargetRefused(f"server_trace_header {shown(options.server_trace_header)} is no header's name", field="server_trace_header")


def _check_proxy_uri(options: Options) -> None:
    uri = options.openapi_server_proxy_uri or ""
    try:
        parts = urlsplit(uri)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.username and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good:
        hint = "for example https://example.com:8443/basePath"
        raise TargetRefused(f"openapi_server_proxy_uri {shown(uri)} is no URL", field="openapi_server_proxy_uri", hint=hint)


def _check_app_settings(options: Options) -> None:
    for name, _value in options.app_settings:
        if not _SETTING.fullmatch(name):
            hint = "letters, digits and _, not a digit first"
            raise TargetRefused(f"app_settings.{name[:60]} is no name of a setting", field="app_settings", hint=hint)


def _check_hoisted(options: Options) -> None:
    for name in options.db_hoisted_tx_settings:
        if not _SETTING.fullmatch(name):
            raise TargetRefused(f"db_hoisted_tx_settings {shown(name)} is no name of a setting", field="db_hoisted_tx_settings")


def _check_schemas(options: Options) -> None:
    for name in options.db_schemas:
        if name in ("pg_catalog", "information_schema"):
            raise TargetRefused(f"db_schemas {shown(name)} is the engine's own and is not served", field="db_schemas")


_DEFAULTS = Options()
_URL_SAFE = str.maketrans("-_.", "+/=")
_CHECKS: dict[str, Callable[[Options], None]] = {
    "jwt_secret": _check_secret,
    "jwt_role_claim_key": _check_role_claim,
    "db_anon_role": _check_anon_role,
    "jwt_aud": _check_aud,
    "server_trace_header": _check_trace_header,
    "openapi_server_proxy_uri": _check_proxy_uri,
    "app_settings": _check_app_settings,
    "db_hoisted_tx_settings": _check_hoisted,
    "db_schemas": _check_schemas,
}
