"""The settings of one connection, from text (``--set NAME=VALUE``, a form, a file) to ``catalog.Options`` and back."""

from __future__ import annotations

import types
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from qapla.database.catalog import Options
from qapla.database.url import shown
from qapla.errors import NotOffered, TargetRefused, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

# Settings that PostgREST has and this release does not: refused by name, so that nobody relies on what is not there.
LATER = frozenset(
    {
        "db_anon_role", "db_extra_search_path", "db_pre_request", "db_hoisted_tx_settings", "db_plan_enabled", "jwt_secret", "jwt_aud",
        "jwt_role_claim_key", "server_timing_enabled", "server_trace_header",
    }
)  # fmt: skip
LARGEST: dict[str, float] = {
    "pool_size": 100,
    "pool_timeout_s": 60,
    "statement_timeout_s": 3600,
    "max_embed_depth": 32,
    "max_filter_depth": 256,
    "max_json_depth": 512,
    "max_body_bytes": 1 << 30,
    "max_rows_per_request": 10_000_000,
}
WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}

_HINTS = get_type_hints(Options)


def read_options(given: Mapping[str, Any], base: Options | None = None) -> Options:
    """Return *base* (the defaults) with the settings of *given* changed; names may have ``-`` for ``_``, values may be text.

    Raises:
        TargetRefused: a name is unknown, or a value is wrong; ``field`` is the name.
        NotOffered: this release does not have that setting.
    """
    base = base or Options()
    values = {field.name: getattr(base, field.name) for field in fields(Options)}
    known = f"there are {', '.join(values)}"
    for written, value in given.items():
        name = written.replace("-", "_")
        if name in LATER or name.startswith("app_settings"):
            raise NotOffered(f"setting {shown(written)} is not offered in this release", hint=known)
        if name not in values:
            raise TargetRefused(f"setting {shown(written)} is not known", field=name, hint=nearest(name, values) or known)
        values[name] = _read(name, value, _HINTS[name])
    if values["anonymous"] == "write" and not values["writable"]:
        hint = "add --writable, or use --anonymous read"
        raise TargetRefused("anonymous writing needs a writable connection", field="anonymous", hint=hint)
    return Options(**values)


def as_stored(options: Options) -> dict[str, Any]:
    """Return what differs from the defaults, as JSON can hold it; ``read_options`` takes it back."""
    default = Options()
    changed = {field.name: getattr(options, field.name) for field in fields(Options)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in changed.items() if value != getattr(default, name)}


def _read(name: str, value: Any, hint: Any) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        if value is None or value == "":
            return None
        hint = next(part for part in get_args(hint) if part is not type(None))
        origin = get_origin(hint)
    if origin is Literal:
        return _read_choice(name, value, get_args(hint))
    if origin is tuple:
        return _read_list(name, value)
    if hint is bool:
        return _read_flag(name, value)
    return _read_number(name, value, hint)


def _read_choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    if value not in choices:
        there = ", ".join(choice or "(empty)" for choice in choices)
        raise TargetRefused(f"{name} {shown(value)} is not known", field=name, hint=f"there are {there}")
    return str(value)


def _read_list(name: str, value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
        raise TargetRefused(f"{name} is not a list of names", field=name, hint="separate them by commas")
    return tuple(part.strip() for part in parts if part.strip())


def _read_flag(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() not in WORDS:
        raise TargetRefused(f"{name} {shown(value)} is not true or false", field=name)
    return WORDS[str(value).lower()]


def _read_number(name: str, value: Any, kind: type) -> int | float:
    largest = LARGEST.get(name, 10**12)
    smallest = 1 if kind is int else 0.1
    try:
        number = kind(str(value).strip()) if len(str(value)) <= 30 and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None or not smallest <= number <= largest:
        what = "a whole number" if kind is int else "a number"
        raise TargetRefused(f"{name} {shown(value)} is not {what} from {smallest} to {largest:g}", field=name)
    return number
