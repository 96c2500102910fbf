"""What a JSON web token says: whether it is valid now and for us, and which role it names.

The checks, their order and their messages are PostgREST's; so is the path to the role (``jwt_role_claim_key``), which may end in a
filter of a list (``.roles[?(@ ^== "shop_")]``) or cut a text (``.group[1:]``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from qapla.errors import NotAuthenticated, QueryError

if TYPE_CHECKING:
    from collections.abc import Callable

Claims = Mapping[str, Any]
LEEWAY_S = 30  # clocks differ
MOST_STEPS = 32

_KEY = re.compile(r'\.(?:"([^"]*)"|([\w$@]+))')
_INDEX = re.compile(r"\[(\d{1,9})\]")
_SLICE = re.compile(r"\[(-?\d{1,9})?:(-?\d{1,9})?\]")
_FILTER = re.compile(r'\[\?\(@\s*(==\^|\^==|\*==|==|!=)\s*"([^"]*)"\)\]')
_TESTS: Mapping[str, Callable[[str, str], bool]] = {
    "==": lambda text, wanted: text == wanted,
    "!=": lambda text, wanted: text != wanted,
    "^==": lambda text, wanted: text.startswith(wanted),
    "==^": lambda text, wanted: text.endswith(wanted),
    "*==": lambda text, wanted: wanted in text,
}


@dataclass(frozen=True, slots=True)
class Filter:
    """The first text of a list for which a comparison holds."""

    operator: str
    operand: str

    def find(self, value: Any) -> Any:
        """Return that text, or None."""
        texts = (item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
        return next((text for text in texts if _TESTS[self.operator](text, self.operand)), None)


Step = str | int | slice | Filter


def refuse(message: str, code: str, details: str | None = None) -> NotAuthenticated:
    """Return the 401 for a token that is not valid, with the challenge of RFC 6750."""
    challenge = f'Bearer error="invalid_token", error_description="{message}"'
    return NotAuthenticated(message, code=code, details=details, headers={"WWW-Authenticate": challenge})


def check_claims(claims: Claims, audience: str | None, now_s: float) -> None:
    """Look at the times and the audience; half a minute more or less does not count.

    Raises:
        NotAuthenticated: PGRST303, the first of them that is wrong.
    """
    now = int(now_s)
    expires, starts, issued = (_read_time(claims, name) for name in ("exp", "nbf", "iat"))
    if expires is not None and now - LEEWAY_S > expires:
        raise refuse("JWT expired", "PGRST303")
    if starts is not None and now + LEEWAY_S < starts:
        raise refuse("JWT not yet valid", "PGRST303")
    if issued is not None and now + LEEWAY_S < issued:
        raise refuse("JWT issued at future", "PGRST303")
    audiences = claims.get("aud")
    if isinstance(audiences, str):
        audiences = [audiences]
    elif audiences is not None and not (isinstance(audiences, list) and all(isinstance(item, str) for item in audiences)):
        raise refuse("The JWT 'aud' claim must be a string or an array of strings", "PGRST303")
    if audiences and audience is not None and audience not in audiences:
        raise refuse("JWT not in audience", "PGRST303")


def find_role(claims: Claims, path: str) -> str | None:
    """Return the role that *claims* name at *path*, or None; what is no text is printed as JSON."""
    value: Any = claims
    for step in parse_path(path):
        value = _walk(value, step)
        if value is None:
            return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@lru_cache(maxsize=256)
def parse_path(text: str) -> tuple[Step, ...]:
    """Return the steps of ``jwt_role_claim_key``: ``.role``, ``.realm_access.roles[0]``, ``."a.b"[?(@ == "x")]``.

    Raises:
        QueryError: it cannot be read.
    """
    steps: list[Step] = []
    position = 0
    while position < len(text):
        if steps and isinstance(steps[-1], Filter):
            break  # a filter is the last step
        if found := _KEY.match(text, position):
            steps.append(found[1] if found[1] is not None else found[2])
        elif steps and (found := _INDEX.match(text, position)):
            steps.append(int(found[1]))
        elif steps and (found := _SLICE.match(text, position)):
            steps.append(slice(*(int(part) if part else None for part in found.groups())))
        elif steps and (found := _FILTER.match(text, position)):
            steps.append(Filter(found[1], found[2]))
        else:
            break
        position = found.end()
    if position < len(text) or not steps or len(steps) > MOST_STEPS:
        hint = """like .role, .realm_access.roles[0], ."https://x/role" or .roles[?(@ == "editor")]"""
        raise QueryError(f"{text[:100]!r} is no path to a role in a token", hint=hint)
    return tuple(steps)


def _walk(value: Any, step: Step) -> Any:
    """Return what is one step further, or None."""
    if isinstance(step, Filter):
        return step.find(value)
    if isinstance(step, str):
        return value.get(step) if isinstance(value, Mapping) else None
    if isinstance(step, int):
        return value[step] if isinstance(value, list) and step < len(value) else None
    return value[step] if isinstance(value, str) else None


def _read_time(claims: Claims, name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refuse(f"The JWT {name!r} claim must be a number", "PGRST303")
    return value
