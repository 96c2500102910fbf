"""Lines of CSV straight from the JSON of flat rows, by substitution in their text: several times as fast as reading it.

Good for rows whose text has no backslash, so that no cell has a quote or a line break in it, and nothing nested; others are refused, and
taken apart by ``printing``.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST_NAMES = 200
_CELL = r'(?:null|("[^"]*"|[^",{}\[\]]+))'  # NULL leaves its group empty
_NEEDLESS = re.compile(r'"(?!NULL")([^",\n]+)"')  # quotes around what has no comma; "" is the empty text, NULL without them none


def make_flat(names: Sequence[str]) -> Callable[[str, int], str | None]:
    """Return a function from the text of rows with these cells, one after the other, and their number to lines; None: they are not flat."""
    if not names or len(set(names)) != len(names) or len(names) > MOST_NAMES:
        return lambda _text, _count: None
    row = re.compile(r"\{" + ",".join(re.escape(json.dumps(name, ensure_ascii=False)) + ":" + _CELL for name in names) + r"\}")
    line = ",".join(rf"\g<{place}>" for place in range(1, len(names) + 1)) + r"\n"

    def print_flat(text: str, count: int) -> str | None:
        if "\\" in text:
            return None
        lines, found = row.subn(line, text)
        return _NEEDLESS.sub(r"\1", lines) if found == count else None

    return print_flat
