"""Read names, quoted values and lists from one URL parameter, and say where it went wrong.

The grammar is PostgREST's: a name may stand bare (anything but the characters that mean something) or in double quotes with ``\\``
escapes. Every error is a QueryError PGRST100 with the column of the text and what was expected there.
"""

from __future__ import annotations

import re
from typing import NoReturn

from qapla.database.query.description import Path
from qapla.errors import QueryError, TooLarge

BARE_NAME = re.compile(r'(?:[^"(),.:!*>\x00-\x1f-]|-(?!>))+')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_INDEX = re.compile(r"-?\d{1,9}(?=->|::|\.|,|\)|$)")
_SPACE = re.compile(r"\s*")
_UNLISTED = re.compile(r"[^,)]*")
_ARRAY_ITEM = re.compile(r'[^",{}\\]+')
MAX_STEPS = 64  # into one JSON value: as deep as JSON may be
MAX_ITEMS = 10_000  # of one list: in.(…), eq(any).{…}
_SHOWN = 60  # characters of the caller's text in a message


class Scanner:
    """A place in a text that moves forward. *subject* is what the text is: ``select parameter``, ``filter``."""

    __slots__ = ("place", "subject", "text")

    def __init__(self, text: str, subject: str) -> None:
        self.text = text
        self.subject = subject
        self.place = 0

    @property
    def at_end(self) -> bool:
        """Tell whether all of the text is read."""
        return self.place >= len(self.text)

    def fail(self, expected: str) -> NoReturn:
        """Refuse the text: PGRST100 with this place and what was *expected*."""
        shown = self.text if len(self.text) <= _SHOWN else self.text[:_SHOWN] + "…"
        found = "end of input" if self.at_end else f'"{self.text[self.place]}"'
        raise QueryError(
            f'"failed to parse {self.subject} ({shown})" (line 1, column {self.place + 1})',
            details=f"unexpected {found} expecting {expected}",
        )

    def has(self, token: str) -> bool:
        """Tell whether *token* comes next."""
        return self.text.startswith(token, self.place)

    def take(self, token: str) -> bool:
        """Move over *token* when it comes next, and tell whether it did."""
        if self.text.startswith(token, self.place):
            self.place += len(token)
            return True
        return False

    def expect(self, token: str, expected: str | None = None) -> None:
        """Move over *token*, or fail."""
        if not self.take(token):
            self.fail(expected or f'"{token}"')

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Move over what *pattern* matches here."""
        found = pattern.match(self.text, self.place)
        if found:
            self.place = found.end()
        return found

    def skip_space(self) -> None:
        """Move over white space."""
        self.match(_SPACE)

    def end(self) -> None:
        """Fail unless everything is read."""
        if not self.at_end:
            self.fail('"," or end of input')

    # -- names ------------------------------------------------------------------------------------------------------------

    def find_quoted(self) -> str | None:
        """Return the quoted text that starts here, or None when there is no quote."""
        if not self.has('"'):
            return None
        found = self.match(_QUOTED)
        if not found:
            self.place = len(self.text)
            self.fail('"\\""')
        return _ESCAPE.sub(r"\1", found[1])

    def name(self, expected: str = "field name (* or [a..z0..9_$])") -> tuple[str, bool]:
        """Return a name, and whether it stood in quotes."""
        quoted = self.find_quoted()
        if quoted is not None:
            return quoted, True
        found = self.match(BARE_NAME)
        name = found[0].strip() if found else ""
        if not name:
            self.fail(expected)
        return name, False

    def path(self, column: str) -> Path:
        """Return the path that goes on from *column*: ``->a->>0``; ``->>`` is its last step."""
        steps: list[str | int] = []
        while not self.at_end and self.has("->"):
            if len(steps) == MAX_STEPS:
                raise TooLarge(f"a path of the {self.subject} has more than {MAX_STEPS} steps", status=400)
            as_text = self.take("->>")
            if not as_text:
                self.expect("->")
            index = self.match(_INDEX)
            steps.append(int(index[0]) if index else self.name("a key or an index")[0])
            if as_text:
                return Path(column, tuple(steps), as_text=True)
        return Path(column, tuple(steps))

    # -- values -----------------------------------------------------------------------------------------------------------

    def listed_value(self) -> str:
        """Return one value that ends at ``,`` or ``)``: in quotes, or plain."""
        start = self.place
        if self.has('"'):
            found = self.match(_QUOTED)
            if found and (self.at_end or self.text[self.place] in ",)"):
                return _ESCAPE.sub(r"\1", found[1])
            self.place = start
        plain = self.match(_UNLISTED)
        return plain[0] if plain else ""

    def listed_values(self) -> tuple[str, ...]:
        """Return the values of ``(a,"b,c")``; ``()`` has none."""
        self.expect("(")
        if self.take(")"):
            return ()
        values = [self.listed_value()]
        while self.take(","):
            values.append(self.listed_value())
            self._limit(len(values))
        self.expect(")", '"," or ")"')
        return tuple(values)

    def array(self) -> tuple[str, ...]:
        """Return the values of ``{a,"b,c"}``, an array as PostgreSQL writes it, one level deep, without NULL."""
        self.expect("{", '"{"')
        if self.take("}"):
            return ()
        values = [self._array_item()]
        while self.take(","):
            values.append(self._array_item())
            self._limit(len(values))
        self.expect("}", '"," or "}"')
        return tuple(values)

    def _array_item(self) -> str:
        self.skip_space()
        quoted = self.find_quoted()
        if quoted is not None:
            self.skip_space()
            return quoted
        start, found = self.place, self.match(_ARRAY_ITEM)
        value = found[0].strip() if found else ""
        if not value or value.upper() == "NULL":
            self.place = start
            self.fail("a value that is not NULL, in double quotes when it is empty")
        return value

    def braces(self) -> str:
        """Return the text of ``{…}`` with its braces, for operators that take an array as it is; commas inside belong to it."""
        start, depth = self.place, 0
        while depth or self.place == start:
            if self.at_end:
                self.fail('"}"')
            if self.has('"'):
                self.find_quoted()
                continue
            depth += {"{": 1, "}": -1}.get(self.text[self.place], 0)
            self.place += 1
        return self.text[start : self.place]

    def _limit(self, count: int) -> None:
        if count > MAX_ITEMS:
            raise TooLarge(f"a list of the {self.subject} has more than {MAX_ITEMS} values", status=400, hint="ask in several requests")
