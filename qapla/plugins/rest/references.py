"""Let a request of a batch use what an earlier one answered: ``{"$ref": "1.id"}`` in its body, ``{$ref:1.id}`` in its path.

A reference is the id of an earlier request and the way into its body: keys and numbers of elements, with points between them; a key that
has a point, a quote or a brace in it stands in double quotes with ``\\`` escapes. A key that meets a list of one element goes into that
element, so that ``1.id`` is the id of the one row that request 1 wrote. ``{"$literal": …}`` stands for what is in it, unread.

In a path the value is percent-encoded; it is quoted, too, where the place takes a quoted value: in the key of a row, and within
parentheses of a filter.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from qapla.errors import QueryError

REF, LITERAL = "$ref", "$literal"
_IN_PATH = re.compile(r'\{\$ref:((?:"(?:[^"\\]|\\.)*"|[^{}"])*)\}')
_STEP = re.compile(r'"((?:[^"\\]|\\.)*)"|([^."]+)')
_PLAIN_KEY = re.compile(r'[^,/"\\]+')
_PLAIN_ITEM = re.compile(r'[^\s,.:()"\\]+')
_NUMBER = re.compile(r"\d{1,9}")
_HINT = 'a reference is the id of an earlier request and the way into its body: {"$ref": "1.id"}'


class Answers:
    """The bodies of the requests answered so far, by id; read when the first reference wants one."""

    def __init__(self) -> None:
        self._bodies: dict[str, bytes | None] = {}
        self._read: dict[str, Any] = {}

    def add(self, id: str, body: bytes | None) -> None:
        """Keep the JSON that was answered; None for nothing."""
        self._bodies[id] = body

    def __contains__(self, id: str) -> bool:
        return id in self._bodies

    def __getitem__(self, id: str) -> Any:
        """Return the value, its numbers exact; None for nothing."""
        if id not in self._read:
            body = self._bodies[id]
            self._read[id] = None if body is None else json.loads(body, parse_float=Decimal)
        return self._read[id]


def fill_body(value: Any, answers: Answers) -> Any:
    """Return *value* with what its references stand for.

    Raises:
        QueryError: a reference leads nowhere.
    """
    if isinstance(value, list):
        return [fill_body(item, answers) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        if LITERAL in value:
            return value[LITERAL]
        if REF in value:
            return follow(value[REF], answers)
    return {name: fill_body(item, answers) for name, item in value.items()}


def fill_path(text: str, answers: Answers) -> str:
    """Return a path and query with what its references stand for, encoded for where they are.

    Raises:
        QueryError: a reference leads nowhere, or to what is not one value.
    """
    path_end = len(_IN_PATH.sub(lambda found: "_" * len(found[0]), text).partition("?")[0])  # a reference may have a ? in it

    def fill(found: re.Match[str]) -> str:
        value = _as_text(follow(found[1], answers), found[1])
        if found.start() < path_end:
            return quote(value if _PLAIN_KEY.fullmatch(value) else _quoted(value), safe="")
        before = text[max(text.rfind("&", 0, found.start()), path_end) : found.start()]
        if before.endswith(('"', "%22")):
            return quote(_escaped(value), safe="")
        is_within = before.count("(") > before.count(")")
        return quote(_quoted(value) if is_within and not _PLAIN_ITEM.fullmatch(value) else value, safe="")

    return _IN_PATH.sub(fill, text)


def follow(reference: object, answers: Answers) -> Any:
    """Return what *reference* stands for.

    Raises:
        QueryError: there is no such request before this one, or its answer has no such part.
    """
    if not isinstance(reference, str):
        raise QueryError(f"{{{REF!r}: …}} has no text in it", code="PGRST102", hint=_HINT)
    steps = _split(reference)
    if steps[0] not in answers:
        raise _nowhere(reference, f"no request before this one has the id {steps[0][:100]!r}", _HINT)
    value = answers[steps[0]]
    if value is None:
        raise _nowhere(reference, f"the answer to {steps[0][:100]!r} has no body", "send it Prefer: return=representation")
    for step in steps[1:]:
        value = _enter(value, step, reference)
    return value


def _split(reference: str) -> list[str]:
    steps, place = [], 0
    while True:
        found = _STEP.match(reference, place)
        if not found:
            break
        steps.append(re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2])
        place = found.end()
        if place == len(reference):
            return steps
        if reference[place] != ".":
            break
        place += 1
    raise QueryError(f"{REF} {reference[:100]!r} cannot be read", code="PGRST102", hint=_HINT)


def _enter(value: Any, step: str, reference: str) -> Any:
    if isinstance(value, list):
        if _NUMBER.fullmatch(step):
            if int(step) < len(value):
                return value[int(step)]
            raise _nowhere(reference, f"there are {len(value)} elements, counted from 0", None)
        if len(value) != 1:
            raise _nowhere(reference, f"there are {len(value)} elements, and none is chosen", f"say which one: 0.{step[:60]}")
        value = value[0]
    if not isinstance(value, dict) or step not in value:
        raise _nowhere(reference, f"{step[:100]!r} is not there", "select= chooses what an answer has")
    return value[step]


def _nowhere(reference: str, message: str, hint: str | None) -> QueryError:
    return QueryError(f"{REF} {reference[:100]!r} leads nowhere: {message}", code="PGRST102", hint=hint)


def _as_text(value: Any, reference: str) -> str:
    """Return a value as a filter or a key has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, dict | list):
        kind = "NULL" if value is None else "no single value"
        raise QueryError(f"{REF} {reference[:100]!r} is {kind}, which a path cannot have", code="PGRST102")
    return str(value)


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
