"""Where to go after logging in: only to a page of ours."""

from __future__ import annotations

import re

_PATH = re.compile(r"/(?![/\\])[\x21-\x7e]*", re.ASCII)


def safe_target(wanted: str | None, otherwise: str) -> str:
    """Return *wanted* when it is a path on this server, else *otherwise*.

    ``//elsewhere``, ``/\\elsewhere``, ``https:…``, control characters and line ends lead nowhere.
    """
    if wanted and len(wanted) <= 2000 and "\\" not in wanted and _PATH.fullmatch(wanted):
        return wanted
    return otherwise
