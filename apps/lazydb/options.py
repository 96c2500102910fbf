"""The settings of one connection, from text (``--set NAME=VALUE``, a form, a file) to ``catalog.Options`` and back.

Some hold secrets (``jwt_secret``, every ``app_settings.NAME``): they are sealed where they are stored (``storing``) and shown as ``***``
everywhere. Whoever gives ``***`` back, as a form does, leaves them as they are.
"""

from __future__ import annotations

import types
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from lazydb.optionchecks import LARGEST, PREFIXES, check_options, check_text
from qapla.database.catalog import Options
from qapla.database.url import shown
from qapla.errors import TargetRefused, nearest
from qapla.masking import MASK, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
Pairs = tuple[tuple[str, str], ...]

_HINTS = get_type_hints(Options)
_DEFAULTS = Options()


def read_options(given: Mapping[str, Any], base: Options | None = None, *, engine: str | None = None) -> Options:
    """Return *base* (the defaults) with the settings of *given* changed; names may have ``-`` for ``_``, values may be text.

    Args:
        given: ``app_settings.NAME`` is one of the application's own settings, ``app_settings`` all of them.
        engine: refuse what it cannot have.

    Raises:
        TargetRefused: a name is unknown, or a value is wrong; ``field`` is the name.
    """
    base = base or _DEFAULTS
    values = {field.name: getattr(base, field.name) for field in fields(Options)}
    for written, value in given.items():
        name = written.replace("-", "_")
        if name.startswith(PREFIXES):
            values["app_settings"] = _change_pair(values["app_settings"], written[len(PREFIXES[0]) :], value)
        elif name not in values:
            hint = nearest(name, values) or f"there are {', '.join(values)}"
            raise TargetRefused(f"setting {shown(written)} is not known", field=name, hint=hint)
        else:
            values[name] = _read(name, value, _HINTS[name], values[name])
    options = Options(**values)
    check_options(options, engine)
    return options


def as_stored(options: Options) -> dict[str, Any]:
    """Return what differs from the defaults, as JSON can hold it, with its secrets; ``read_options`` takes it back."""
    found = {field.name: getattr(options, field.name) for field in fields(Options)}
    return {name: _plain(name, value) for name, value in found.items() if value != getattr(_DEFAULTS, name)}


def as_shown(options: Options) -> dict[str, Any]:
    """Return every setting as people may see it: ``***`` in place of a secret."""
    found = {field.name: _plain(field.name, getattr(options, field.name)) for field in fields(Options)}
    return map_secrets(found, lambda _name, _value: MASK)


def map_secrets(settings: Mapping[str, Any], change: Callable[[str, Any], Any]) -> dict[str, Any]:
    """Return *settings*, as they are stored, with ``change(name, value)`` in place of each secret that is there."""
    changed = dict(settings)
    if changed.get("jwt_secret"):
        changed["jwt_secret"] = change("jwt_secret", changed["jwt_secret"])
    if isinstance(changed.get("app_settings"), dict):
        changed["app_settings"] = {name: change(f"app_settings.{name}", value) for name, value in changed["app_settings"].items()}
    return changed


def has_secrets(options: Options) -> bool:
    """Tell whether something in *options* is stored sealed."""
    return bool(options.jwt_secret or options.app_settings)


def _plain(name: str, value: Any) -> Any:
    if name == "app_settings":
        return {key: str(text) for key, text in value}
    return list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Secret) else value


def _read(name: str, value: Any, hint: Any, before: Any) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        if value is None or value == "":
            return None
        hint = next(part for part in get_args(hint) if part is not type(None))
        origin = get_origin(hint)
    if hint == Pairs:
        return _read_pairs(name, value, before)
    if origin is Literal:
        return _read_choice(name, value, get_args(hint))
    if origin is tuple:
        return _read_list(name, value)
    if hint is bool:
        return _read_flag(name, value)
    if hint is str:
        return _read_text(name, value, before)
    return _read_number(name, value, hint)


def _read_text(name: str, value: Any, before: str | None) -> str:
    if not isinstance(value, str):
        raise TargetRefused(f"{name} is not a text", field=name)
    text = check_text(name, value)
    if name != "jwt_secret":
        return text or str(getattr(_DEFAULTS, name))
    return Secret(_kept(name, text, before))


def _read_pairs(name: str, value: Any, before: Pairs) -> Pairs:
    """Read a mapping, or the lines ``NAME=VALUE`` of a text."""
    if isinstance(value, str):
        lines = [line.partition("=") for line in value.splitlines() if line.strip()]
        if not all(equals for _name, equals, _text in lines):
            raise TargetRefused(f"{name} has a line that is not NAME=VALUE", field=name)
        value = {key.strip(): text.strip() for key, _equals, text in lines}
    if not hasattr(value, "items"):
        raise TargetRefused(f"{name} is not a set of names and values", field=name, hint="one NAME=VALUE per line")
    known, pairs = dict(before), ()  # type: tuple[dict[str, str], Pairs]
    for key, text in value.items():
        old = known.get(key)
        pairs = _change_pair(pairs, key, _kept(f"app_settings.{key}", text, old) if isinstance(text, str) else text)
    return pairs


def _change_pair(pairs: Pairs, key: str, value: Any) -> Pairs:
    """Return *pairs* with another value of *key*, or without it where the value is empty."""
    name = f"app_settings.{key}"
    if isinstance(value, (bool, int, float)):
        value = str(value).lower() if isinstance(value, bool) else str(value)
    if value is not None and not isinstance(value, str):
        raise TargetRefused(f"{shown(name)} is not a text", field="app_settings")
    known = dict(pairs)
    text = check_text(name, _kept(name, value or "", known.get(key)))
    known.pop(key, None)
    if text:
        known[key] = Secret(text)
    return tuple(sorted(known.items()))


def _kept(name: str, text: str, before: str | None) -> str:
    """Return *text*, or the value *before* where the text is what a secret is shown as."""
    if text != MASK:
        return text
    if before is None:
        raise TargetRefused(f"{shown(name)} is only shown as {MASK!r}; it has no value to keep", field=name.partition(".")[0])
    return before


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
