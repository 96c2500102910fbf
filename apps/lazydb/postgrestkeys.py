"""The keys of PostgREST's configuration: which setting of a connection each is, and what becomes of those that are none."""

from __future__ import annotations

import re
from typing import Any

# Key → setting of a connection.
SETTINGS = {
    "db-aggregates-enabled": "db_aggregates_enabled",
    "db-anon-role": "db_anon_role",
    "db-extra-search-path": "db_extra_search_path",
    "db-hoisted-tx-settings": "db_hoisted_tx_settings",
    "db-max-rows": "db_max_rows",
    "db-plan-enabled": "db_plan_enabled",
    "db-pool": "pool_size",
    "db-pool-acquisition-timeout": "pool_timeout_s",
    "db-pre-request": "db_pre_request",
    "db-schemas": "db_schemas",
    "db-tx-end": "db_tx_end",
    "jwt-aud": "jwt_aud",
    "jwt-role-claim-key": "jwt_role_claim_key",
    "jwt-secret": "jwt_secret",
    "jwt-secret-is-base64": "jwt_secret_is_base64",
    "openapi-mode": "openapi_mode",
    "openapi-security-active": "openapi_security_active",
    "openapi-server-proxy-uri": "openapi_server_proxy_uri",
    "server-cors-allowed-origins": "server_cors_allowed_origins",
    "server-timing-enabled": "server_timing_enabled",
    "server-trace-header": "server_trace_header",
}
NUMBERS = frozenset({"db-max-rows", "db-pool", "db-pool-acquisition-timeout"})
FLAGS = frozenset(
    {
        "db-aggregates-enabled", "db-plan-enabled", "jwt-secret-is-base64", "openapi-security-active", "server-timing-enabled",
    }
)  # fmt: skip
OWN = ("db-uri", "db-config", "db-pre-config", "server-host", "server-port", "log-level")
# Older names of keys.
ALIASES = {
    "db-schema": "db-schemas",
    "max-rows": "db-max-rows",
    "pre-request": "db-pre-request",
    "root-spec": "db-root-spec",
    "db-pool-timeout": "db-pool-max-idletime",
    "role-claim-key": "jwt-role-claim-key",
    "secret-is-base64": "jwt-secret-is-base64",
    "server-proxy-uri": "openapi-server-proxy-uri",
}
# Keys that have no meaning here → what holds instead.
NOTES = {
    "admin-server-host": "/healthz, /readyz and /metrics are answered where the API is",
    "admin-server-port": "/healthz, /readyz and /metrics are answered where the API is",
    "client-error-verbosity": "errors are told in full",
    "db-channel": "a structure that has changed is read when a request meets it, and by lazydb refresh",
    "db-channel-enabled": "a structure that has changed is read when a request meets it, and by lazydb refresh",
    "db-pool-automatic-recovery": "a database that comes back is served again by itself",
    "db-pool-max-idletime": "connections stay open while they work",
    "db-pool-max-lifetime": "connections stay open while they work",
    "db-prepared-statements": "what is used often is prepared; a pooler in front has to be in session mode",
    "db-root-spec": "the OpenAPI document is made from what was found in the database",
    "db-timezone-enabled": "the names of time zones are read when a request prefers one",
    "db-use-legacy-gucs": "PostgREST itself has it no more",
    "jwt-cache-max-entries": "tokens that were verified are remembered until they expire",
    "jwt-cache-max-lifetime": "tokens that were verified are remembered until they expire",
    "log-query": "statements are not logged",
    "raw-media-types": "PostgREST itself has it no more",
    "server-otel-enabled": "there are metrics, no traces; server-trace-header is offered",
    "server-unix-socket": "it listens at a host and a port",
    "server-unix-socket-mode": "it listens at a host and a port",
}
# Where a setting of a connection has another default than PostgREST.
DEFAULTS: dict[str, Any] = {
    "as_postgrest": True,
    "writable": True,
    "require_filter": False,
    "db_schemas": "public",
    "db_extra_search_path": "public",
    "db_aggregates_enabled": False,
    "db_anon_role": None,
    "db_hoisted_tx_settings": ["statement_timeout", "plan_filter.statement_cost_limit", "default_transaction_isolation"],
    "db_max_rows": None,
    "db_plan_enabled": False,
    "db_pre_request": None,
    "db_tx_end": "commit",
    "jwt_aud": None,
    "jwt_role_claim_key": ".role",
    "jwt_secret": None,
    "jwt_secret_is_base64": False,
    "openapi_mode": "follow-privileges",
    "openapi_security_active": False,
    "openapi_server_proxy_uri": None,
    "pool_size": 10,
    "pool_timeout_s": 10,
    "server_cors_allowed_origins": "*",
    "server_timing_enabled": False,
    "server_trace_header": None,
}
HOSTS = {"*": "0.0.0.0", "*4": "0.0.0.0", "!4": "0.0.0.0", "*6": "::", "!6": "::"}  # noqa: S104  (what the words mean)
LEVELS = {"crit": "error", "error": "error", "warn": "warning", "info": "info", "debug": "debug"}
URI = re.compile(r"postgres(?:ql)?://[^/?#@:]+(?::[^/?#@]*)?@(?:[^/?#@:,\[\]]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?/[^/?#]+(?:\?[^#]*)?")
