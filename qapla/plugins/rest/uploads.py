"""Read the body of a request, never more of it than is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qapla.errors import InputError, QueryError, TooLarge

if TYPE_CHECKING:
    from collections.abc import Mapping


def read_upload(environ: Mapping[str, Any], max_bytes: int) -> bytes:
    """Return the whole body.

    Raises:
        InputError: it is compressed (415 PGRST107); or it comes in chunks, of which servers do not say whether the last one arrived, and
            is in a format that has no end of its own (411).
        TooLarge: it has more than *max_bytes*; told before it is read where the client says its length.
        QueryError: it is shorter than it says, or its length is no number.
    """
    encoding = environ.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
    if encoding not in ("", "identity"):
        message = f"Content-Encoding {encoding[:40]!r} is not understood"
        raise InputError(message, code="PGRST107", status=415, hint="send the body as it is")
    length = environ.get("CONTENT_LENGTH") or None
    if length is not None:
        if not (length.isascii() and length.isdigit()) or len(length) > 18:
            raise QueryError(f"Content-Length {length[:40]!r} is not a length", code="PGRST102")
        if int(length) > max_bytes:
            raise _too_large(max_bytes)
        raw = _read(environ["wsgi.input"], int(length))
        if len(raw) < int(length):
            raise QueryError("the body ends before its Content-Length", code="PGRST102")
        return raw
    if not environ.get("wsgi.input_terminated") and "chunked" not in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        return b""
    raw = _read(environ["wsgi.input"], max_bytes + 1)
    if len(raw) > max_bytes:
        raise _too_large(max_bytes)
    if raw and "json" not in environ.get("CONTENT_TYPE", "json"):
        hint = "send Content-Length: without it only JSON shows whether all of it arrived"
        raise InputError("the length of the body is not known", code="QAPLA411", status=411, hint=hint)
    return raw


def _read(stream: Any, size: int) -> bytes:
    pieces, left = [], size
    while left > 0:
        piece = stream.read(left)
        if not piece:
            break
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"the body has more than {max_bytes} bytes", hint="send it in several requests")
