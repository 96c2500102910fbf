"""Choose the format of an answer by the ``Accept`` header (RFC 9110 §12.5.1)."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from qapla.plugins.rest.errors import NotAcceptable

Format = Literal[
    "json", "object", "stripped", "stripped_object", "csv", "ndjson", "arrow", "parquet", "geojson", "plan", "html", "openapi"
]  # fmt: skip

FORMATS: dict[str, Format] = {
    "application/json": "json",
    "application/vnd.pgrst.array+json": "json",
    "application/vnd.pgrst.array": "json",
    "application/vnd.pgrst.object+json": "object",
    "application/vnd.pgrst.object": "object",
    "text/csv": "csv",
    "application/x-ndjson": "ndjson",
    "application/vnd.apache.arrow.stream": "arrow",
    "application/vnd.apache.parquet": "parquet",
    "application/geo+json": "geojson",
    "application/vnd.pgrst.plan": "plan",
    "application/vnd.pgrst.plan+json": "plan",
    "application/vnd.pgrst.plan+text": "plan",
    "application/openapi+json": "openapi",
    "text/html": "html",
}
WITHOUT_NULLS: dict[Format, Format] = {"json": "stripped", "object": "stripped_object"}  # by the parameter nulls=stripped
CONTENT_TYPES: dict[Format, str] = {
    "json": "application/json; charset=utf-8",
    "object": "application/vnd.pgrst.object+json; charset=utf-8",
    "stripped": "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8",
    "stripped_object": "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
    "geojson": "application/geo+json; charset=utf-8",
    "plan": "application/vnd.pgrst.plan+text; charset=utf-8",
    "openapi": "application/openapi+json; charset=utf-8",
    "html": "text/html; charset=utf-8",
}
OBJECTS: frozenset[Format] = frozenset({"object", "stripped_object"})  # exactly one row
NAMED = frozenset({*OBJECTS, "stripped", "plan"})
ROWS: tuple[Format, ...] = (  # of a table; the first answers */*
    "json", "object", "stripped", "stripped_object", "csv", "ndjson", "arrow", "parquet", "geojson"
)  # fmt: skip
READ_ROWS: tuple[Format, ...] = (*ROWS, "plan")
ROW: tuple[Format, ...] = ("json", "object", "stripped", "stripped_object")
ROOT: tuple[Format, ...] = ("openapi", "json", "html")
JSON_ONLY: tuple[Format, ...] = ("json",)


def choose_format(accept: str | None, offered: tuple[Format, ...]) -> Format:
    """Return which of the *offered* formats the header *accept* likes best; the first of them when it does not care.

    Raises:
        NotAcceptable: none of them (406 PGRST107).
    """
    return _choose(accept[:1000], offered) if accept else offered[0]


def accepts(accept: str | None, media: str) -> Literal["by name", "by range"] | None:
    """Say how the header *accept* takes answers of the type *media*; None: not at all."""
    if not accept:
        return "by range"
    found = {each: quality for each, _, quality in _read(accept[:1000])}
    if media in found:
        return "by name" if found[media] else None
    wide = found.get(f"{media.partition('/')[0]}/*", found.get("*/*", 0.0))
    return "by range" if wide else None


@lru_cache(maxsize=256)
def _choose(accept: str, offered: tuple[Format, ...]) -> Format:
    ranges = _read(accept)
    refused = {found for media, parameters, quality in ranges if quality == 0 and (found := _find(media, parameters))}
    for media, parameters, quality in sorted(ranges, key=lambda each: -each[2]):  # stable: what is liked alike stays in its order
        if quality == 0:
            continue
        found = _find(media, parameters)
        if found in offered:
            return found
        if media.endswith("/*"):
            matching = (name for name in offered if _is_in(name, media) and name not in refused and (name != "html" or media == "text/*"))
            if (first := next(matching, None)) is not None:
                return first
    hint = "one of " + ", ".join(CONTENT_TYPES[name].removesuffix("; charset=utf-8") for name in offered)
    raise NotAcceptable(f"None of these media types are available: {accept[:200]}", hint=hint)


def _find(media: str, parameters: str) -> Format | None:
    found = FORMATS.get(media)
    return WITHOUT_NULLS.get(found, found) if found is not None and "nulls=stripped" in parameters.split(";") else found


def _is_in(name: Format, media: str) -> bool:
    """Tell whether a range such as ``text/*`` means a format; those for one row, or without NULLs, have to be named."""
    return (media == "*/*" or CONTENT_TYPES[name].startswith(media[:-1])) and name not in NAMED


def _read(accept: str) -> list[tuple[str, str, float]]:
    """Return the media ranges of the header with their parameters and qualities, in their order."""
    ranges = []
    for text in accept.split(","):
        media, _, parameters = text.partition(";")
        parameters = parameters.lower().replace(" ", "")
        quality = 1.0
        for parameter in parameters.split(";"):
            if parameter.startswith("q="):
                quality = _read_quality(parameter[2:])
        if media.strip():
            ranges.append((media.strip().lower(), parameters, quality))
    return ranges


def _read_quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0
