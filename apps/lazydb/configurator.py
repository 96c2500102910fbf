"""Read the format of PostgREST's configuration files, that of Haskell's *configurator*.

::

    # a comment
    db-uri = "postgres://me:secret@db.example.org:5432/shop"
    db-pool = 10
    db-plan-enabled = true
    app.settings.mail = "$(MAIL_HOST)"      # of the environment; $$ is a dollar

Values are texts in double quotes, numbers, and ``true``, ``false``, ``on``, ``off``. ``app { settings { mail = "…" } }`` is another way to
write dots. Messages name lines and keys, never values: they may be secrets.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qapla.database.url import shown
from qapla.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Value = str | int | float | bool
WORDS: dict[str, bool] = {"true": True, "on": True, "false": False, "off": False}
MAX_DEPTH = 20
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\ufeff]+|\#[^\n]*)|(?P<line>\n)|(?P<text>"(?:[^"\\\n]|\\.)*")"""
    r"""|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.-])|(?P<word>[A-Za-z_][\w.-]*)|(?P<mark>[={}])"""
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "\\": "\\", "/": "/"}
_VARIABLE = re.compile(r"\$(?:\$|\(([^()$\s]+)\)|)")


def read(text: str, environment: Mapping[str, str]) -> dict[str, Value]:
    """Return the keys of a file, with dots, and their values; of a key that is there twice the last one counts.

    Raises:
        InputError: a line cannot be read, or a text names a variable that is not set.
    """
    found: dict[str, Value] = {}
    tokens = list(_split(text))
    groups: list[str] = []
    place = 0
    while place < len(tokens):
        kind, word, line = tokens[place]
        following = tokens[place + 1][1] if place + 1 < len(tokens) else ""
        if kind == "line":
            place += 1
        elif word == "}" and groups:
            groups.pop()
            place += 1
        elif kind == "word" and following == "{" and len(groups) < MAX_DEPTH:
            groups.append(word)
            place += 2
        elif kind == "word" and following == "=" and place + 2 < len(tokens):
            key = ".".join([*groups, word])
            found[key] = _read_value(tokens[place + 2], key, found, environment)
            place += 3
            if place < len(tokens) and tokens[place][1] not in ("\n", "}"):
                raise _unreadable(line)
        elif word == "import":
            raise InputError(f"line {line} of the configuration imports another file", hint="write what is in it into this one")
        else:
            raise _unreadable(line)
    if groups:
        raise InputError(f"{shown(groups[-1])} of the configuration has no closing '}}'")
    return found


def _split(text: str) -> Iterator[tuple[str, str, int]]:
    """Yield the kind, the text and the line of each token."""
    place, line = 0, 1
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise _unreadable(line)
        place = match.end()
        if match.lastgroup != "space":
            yield match.lastgroup, match[0], line
        line += match[0].count("\n")


def _read_value(token: tuple[str, str, int], key: str, found: Mapping[str, Value], environment: Mapping[str, str]) -> Value:
    kind, text, line = token
    if kind == "text":
        return _fill_in(_ESCAPE.sub(lambda match: _unescape(match, line), text[1:-1]), key, found, environment)
    if kind == "number":
        number = float(text)
        return int(number) if number.is_integer() else number
    if kind == "word" and text.lower() in WORDS:
        return WORDS[text.lower()]
    raise _unreadable(line)


def _unescape(match: re.Match[str], line: int) -> str:
    code = match[1]
    if len(code) == 5:
        return chr(int(code[1:], 16))
    if code not in _ESCAPED:
        raise _unreadable(line)
    return _ESCAPED[code]


def _fill_in(text: str, key: str, found: Mapping[str, Value], environment: Mapping[str, str]) -> str:
    """Return *text* with the variables that it names in their places: keys of the file that come before, then the environment."""

    def look_up(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            if match[0] == "$$":
                return "$"
            raise InputError(f"{shown(key)} has a '$' by itself", hint="write $$ for a dollar, $(NAME) for a variable")
        if name in found:
            return str(found[name])
        if name not in environment:
            raise InputError(f"{shown(key)} names the variable {shown(name)}, which is not set")
        return environment[name]

    return _VARIABLE.sub(look_up, text)


def _unreadable(line: int) -> InputError:
    return InputError(f"line {line} of the configuration cannot be read", hint='write key = "value", key = 10 or key = true')
