"""A field of the connection form, and the fields on what the API lets callers do and how it answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FormField:
    """One field as the page shows it. ``kind``: text, number, password, choice, flag, lines."""

    name: str
    label: str
    kind: str = "text"
    value: str = ""
    required: bool = False
    placeholder: str = ""
    hint: str = ""
    words: str = ""  # beside the box of a flag
    choices: tuple[tuple[str, str], ...] = ()


# What only an engine with roles has.
API_ROLES = (
    FormField("db_anon_role", "Anonymous role", placeholder="the account", hint="Callers without a login run as this role."),
    FormField("db_pre_request", "Pre-request", placeholder="none", hint="A function to call before each request: schema.name"),
    FormField("db_extra_search_path", "Extra search path", placeholder="public", hint="Schemas separated by commas."),
    FormField(
        "app_settings",
        "Settings of your own",
        "lines",
        placeholder="name=value",
        hint="One in a line; functions read them as app.settings.name. *** stands for a value that is kept.",
    ),
)
# What takes their place on the others.
API_RIGHTS = (
    FormField(
        "jwt_right",
        "With a JWT",
        "choice",
        "read",
        choices=(("none", "Nothing"), ("read", "The API may be read"), ("write", "The API may be read and written")),
    ),
)
API = (
    FormField(
        "jwt_secret",
        "JWT secret",
        "password",
        placeholder="none: no JWT is accepted",
        hint="Text of at least 32 characters, a JWK or a set of them. Empty it to accept none.",
    ),
    FormField("jwt_secret_is_base64", "Base64", "flag", words="The JWT secret is written in base64"),
    FormField("jwt_aud", "JWT audience", placeholder="any"),
    FormField("jwt_role_claim_key", "Role in a JWT", placeholder=".role", hint="Where it is, as in .realm.roles[0]"),
    FormField(
        "db_tx_end",
        "Transactions end by",
        "choice",
        "commit-allow-override",
        choices=(
            ("commit", "Commit, always"),
            ("commit-allow-override", "Commit, or as the caller prefers"),
            ("rollback", "Rollback, always: nothing is kept"),
            ("rollback-allow-override", "Rollback, or as the caller prefers"),
        ),
    ),
    FormField(
        "require_filter", "Filters", "flag", "true", words="PATCH and DELETE need one", hint="Off: without a filter they mean every row."
    ),
    FormField("db_aggregates_enabled", "Aggregates", "flag", "true", words="Callers may count, sum and average"),
    FormField(
        "db_plan_enabled",
        "Plans",
        "flag",
        words="Callers may see how the database answers",
        hint="For testing: it tells how things are built.",
    ),
    FormField("requests_per_minute", "Requests per minute", "number", placeholder="no limit", hint="Of one caller."),
    FormField("server_cors_allowed_origins", "Other origins", placeholder="none", hint="https://app.example.org; * is any."),
    FormField("server_trace_header", "Trace header", placeholder="none", hint="It comes back as it was sent: X-Request-Id."),
    FormField("server_timing_enabled", "Timing", "flag", words="Answers tell where their time went"),
    FormField(
        "openapi_mode",
        "Description",
        "choice",
        "follow-privileges",
        choices=(
            ("follow-privileges", "Of what the caller may do"),
            ("ignore-privileges", "Of everything"),
            ("disabled", "None"),
        ),
    ),
)
