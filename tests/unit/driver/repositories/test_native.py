"""qapla.driver.repositories.native: fields as values of a store"""

from __future__ import annotations

import pytest

from qapla.driver.repositories.native import to_native, to_text


@pytest.mark.parametrize(
    ("text", "depth", "value"),
    [
        (b'"x"', 0, "x"),
        (b"1", 0, 1),
        (b"1.0", 0, 1.0),
        (b"true", 0, True),
        (b"null", 0, None),
        (b"-9223372036854775808", 0, -(2**63)),
        (b"9223372036854775808", 0, b"9223372036854775808"),
        (b"[1]", 0, b"[1]"),
        (b'[1,{"a":null}]', 2, [1, {"a": None}]),
        (b'[1,{"a":null}]', 1, b'[1,{"a":null}]'),
        (b'{"a":9223372036854775808}', 5, b'{"a":9223372036854775808}'),
        (b'{"a.b":1}', 5, b'{"a.b":1}'),
        (b'{"$a":1}', 5, b'{"$a":1}'),
        (b'{"":1}', 5, b'{"":1}'),
    ],
)
def test_what_a_store_holds_is_a_value_of_it(text, depth, value):
    """A field is a value of the same type, or its JSON where the store would change it; it comes back as it was."""
    native = to_native(text, depth)

    assert (native, type(native)) == (value, type(value))
    assert to_text(native) == text


def test_value_of_another_kind_is_no_field():
    """What no field was made into is told."""
    with pytest.raises(TypeError):
        to_text({"when": object()})
