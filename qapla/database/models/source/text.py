"""Python as text: literals that can never be anything else, calls broken over lines where they are long.

Whatever a database calls a thing, in here it is a literal; nothing of it is ever pasted into code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 120
_PIECE = 90


def literal(value: object) -> str:
    """Return Python for a text, number, boolean, None, or a list, tuple or dict of such; texts in double quotes."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(key)}: {literal(each)}" for key, each in value.items()) + "}"
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    raise TypeError(f"{type(value).__name__} has no literal here")


def _text(value: str) -> str:
    found = repr(value)
    if '"' in found:
        return found
    return '"' + (found[1:-1].replace("\\'", "'") if found[0] == "'" else found[1:-1]) + '"'


def call(function: str, arguments: Sequence[str], indent: int = 0, *, before: str = "", after: str = "") -> list[str]:
    """Return the lines of ``before function(arguments) after``: one where it fits, else one for each argument."""
    space = " " * indent
    whole = f"{space}{before}{function}({', '.join(arguments)}){after}"
    if len(whole) <= WIDTH or not arguments:
        return [whole]
    lines = [f"{space}{before}{function}("]
    for argument in arguments:
        lines += broken(argument, indent + 4)
    return [*lines, f"{space}){after}"]


def broken(argument: str, indent: int) -> list[str]:
    """Return the lines of one argument; a text that is too long for one is cut into pieces that Python joins again."""
    space = " " * indent
    if len(space + argument) + 1 <= WIDTH:
        return [f"{space}{argument},"]
    name, equals, value = argument.partition("=")
    if not (equals and name.isidentifier()):
        name, equals, value = "", "", argument
    pieces = _pieces(value)
    if pieces is None:
        return [f"{space}{argument},"]
    return [f"{space}{name}{equals}(", *(f"{space}    {piece}" for piece in pieces), f"{space}),"]


def _pieces(value: str) -> list[str] | None:
    """Return literals whose texts together are the text of the literal *value*; None where it is no plain text."""
    import ast

    try:
        found = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return None
    if not isinstance(found, str):
        return None
    return [literal(found[start : start + _PIECE]) for start in range(0, len(found), _PIECE)]


def docstring(text: str | None, other: str) -> str:
    """Return a docstring of *text*, where it is one plain line; else of *other*, which is ours."""
    line = (text or "").strip()
    is_plain = line and len(line) <= WIDTH - 12 and line.isprintable() and '"' not in line and "\\" not in line
    return f'"""{_sentence(line)}"""' if is_plain else f'"""{other}"""'


def _sentence(line: str) -> str:
    return line if line[-1] in ".!?…" else f"{line}."
