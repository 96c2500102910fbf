"""The format of PostgREST's configuration files."""

from __future__ import annotations

import pytest

from lazydb.configurator import read
from qapla.errors import InputError


def test_reads_texts_numbers_and_flags() -> None:
    """Comments are left out; of a key that is there twice the last one counts."""
    text = '# all\na-b = "x # y"   # why\nc = 10\nd=true\ne = off\n\nf = -1.5\nc = 11\n'

    assert read(text, {}) == {"a-b": "x # y", "c": 11, "d": True, "e": False, "f": -1.5}


def test_groups_are_dots() -> None:
    """A group puts its name in front of what is in it."""
    assert read('app { settings {\n mail = "m"\n} }\napp.settings.x = "y"', {}) == {"app.settings.mail": "m", "app.settings.x": "y"}


def test_texts_have_escapes_and_variables() -> None:
    """A dollar names a key before or a variable of the environment; two are one dollar."""
    text = r'a = "say \"hi\"\n\u00e9 \\"' + '\nb = "$(HOME_OF)/$$/$(a-b)"'

    found = read('a-b = "k"\n' + text, {"HOME_OF": "/srv"})

    assert (found["a"], found["b"]) == ('say "hi"\né \\', "/srv/$/k")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "line 1 of"),
        ("\na = b", "line 2 of"),
        ('a = "geheim', "line 1 of"),
        (r'a = "geheim\q"', "line 1 of"),
        ('a = "x" b = "y"', "line 1 of"),
        ("a = 1x", "line 1 of"),
        ("a = [1]", "line 1 of"),
        ("}", "line 1 of"),
        ("a {\nb = 1", "'a' of the configuration has no closing"),
        ("a {" * 5000, "cannot be read"),
        ('import "other.conf"', "line 1 of the configuration imports another file"),
        ('a = "$geheim"', "'a' has a '\\$' by itself"),
        ('a = "$(NO_SUCH)"', "'a' names the variable 'NO_SUCH', which is not set"),
    ],
)
def test_what_cannot_be_read_is_told_by_its_line(text: str, message: str) -> None:
    """An error names line or key, and shows no value: it may be a secret."""
    with pytest.raises(InputError, match=message) as refused:
        read(text, {})

    assert "geheim" not in str(refused.value)
