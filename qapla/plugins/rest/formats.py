"""Choose the format of an answer by the ``Accept`` header (RFC 9110 §12.5.1)."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from qapla.plugins.rest.errors import NotAcceptable

Format = Literal["json", "object", "csv", "ndjson", "html", "openapi"]

FORMATS: dict[str, Format] = {
    "application/json": "json",
    "application/vnd.pgrst.array+json": "json",
    "application/vnd.pgrst.object+json": "object",
    "application/vnd.pgrst.object": "object",
    "text/csv": "csv",
    "application/x-ndjson": "ndjson",
    "application/openapi+json": "openapi",
    "text/html": "html",
}
CONTENT_TYPES: dict[Format, str] = {
    "json": "application/json; charset=utf-8",
    "object": "application/vnd.pgrst.object+json; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "openapi": "application/openapi+json; charset=utf-8",
    "html": "text/html; charset=utf-8",
}
# Formats that the contract has and this release has not: refused by name.
PLANNED = frozenset(
    {"application/geo+json", "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet", "application/vnd.pgrst.plan"}
)
ROWS: tuple[Format, ...] = ("json", "object", "csv", "ndjson")  # of a table; the first answers */*
ROW: tuple[Format, ...] = ("json", "object")
ROOT: tuple[Format, ...] = ("openapi", "json", "html")
JSON_ONLY: tuple[Format, ...] = ("json",)


def choose_format(accept: str | None, offered: tuple[Format, ...]) -> Format:
    """Return which of the *offered* formats the header *accept* likes best; the first of them when it does not care.

    Raises:
        NotAcceptable: none of them (406 PGRST107).
    """
    return _choose(accept[:1000], offered) if accept else offered[0]


@lru_cache(maxsize=256)
def _choose(accept: str, offered: tuple[Format, ...]) -> Format:
    planned = None
    for media, parameters in _by_preference(accept):
        found = FORMATS.get(media)
        if found is not None and "nulls=stripped" in parameters and found in offered:
            planned = f"{media};nulls=stripped"
        elif found is not None and found in offered:
            return found
        elif media in ("*/*", "application/*"):
            return next((name for name in offered if name != "html"), offered[0])
        elif media == "text/*" and ("csv" in offered or "html" in offered):
            return "csv" if "csv" in offered else "html"
        elif media.split(";")[0].split("+")[0] in PLANNED or media in PLANNED:
            planned = planned or media
    hint = "one of " + ", ".join(media for media, name in FORMATS.items() if name in offered)
    if planned:
        raise NotAcceptable(f"answers as {planned!r} are not offered yet", hint=hint)
    raise NotAcceptable(f"None of these media types are available: {accept[:200]}", hint=hint)


def _by_preference(accept: str) -> list[tuple[str, str]]:
    """Return the media types of the header with their parameters, the best liked first; those with ``q=0`` are left out."""
    ranges = []
    for place, text in enumerate(accept.split(",")):
        media, _, parameters = text.partition(";")
        parameters = parameters.lower().replace(" ", "")
        quality = 1.0
        for parameter in parameters.split(";"):
            if parameter.startswith("q="):
                quality = _read_quality(parameter[2:])
        if media.strip() and quality > 0:
            ranges.append((-quality, place, media.strip().lower(), parameters))
    return [(media, parameters) for _quality, _place, media, parameters in sorted(ranges)]


def _read_quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0
