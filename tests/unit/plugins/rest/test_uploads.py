"""The body of a request as it arrives."""

from __future__ import annotations

import io
from typing import Any

import pytest

from qapla.errors import QaplaError
from qapla.plugins.rest.uploads import read_upload


def environ(body: bytes, **headers: str) -> dict[str, Any]:
    """Return what a server says of a request whose body comes in chunks."""
    return {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True, **headers}


def test_json_in_chunks_ends_by_itself() -> None:
    """Whether all of it arrived is seen by reading it."""
    assert read_upload(environ(b'{"a":1}', CONTENT_TYPE="application/json"), 100) == b'{"a":1}'
    assert read_upload(environ(b'{"a":1}'), 100) == b'{"a":1}'


@pytest.mark.parametrize("kind", ["text/csv", "application/x-www-form-urlencoded"])
def test_what_may_have_been_cut_off_is_refused(kind: str) -> None:
    """Half of a CSV file is a CSV file: without a length it is not taken, so that no write is half of one."""
    with pytest.raises(QaplaError) as caught:
        read_upload(environ(b"name\nada\n", CONTENT_TYPE=kind), 100)

    assert caught.value.status == 411
    assert read_upload(environ(b"name\nada\n", CONTENT_TYPE=kind, CONTENT_LENGTH="9"), 100) == b"name\nada\n"
    assert read_upload(environ(b"", CONTENT_TYPE=kind), 100) == b""
