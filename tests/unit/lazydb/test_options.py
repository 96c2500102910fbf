"""The settings of one connection, as people write them."""

from __future__ import annotations

import pytest

from lazydb.options import LATER, as_stored, read_options
from qapla.database.catalog import Options
from qapla.errors import NotOffered, TargetRefused


def test_text_becomes_values() -> None:
    """Settings are read from text by their type; ``-`` in a name means ``_``."""
    given = {"db-max-rows": "100", "writable": "yes", "anonymous": "write", "db_schemas": "a, b", "pool_timeout_s": "2.5"}
    given["require_filter"] = "off"

    options = read_options(given)

    assert options == Options(
        db_max_rows=100, writable=True, anonymous="write", db_schemas=("a", "b"), pool_timeout_s=2.5, require_filter=False
    )


def test_stored_options_come_back() -> None:
    """What differs from the defaults is stored, and nothing else."""
    options = Options(writable=True, include=("a*",), db_max_rows=5)

    assert as_stored(options) == {"writable": True, "include": ["a*"], "db_max_rows": 5}
    assert read_options(as_stored(options)) == options
    assert as_stored(Options()) == {}


def test_an_empty_limit_is_no_limit() -> None:
    """A limit that may be absent is absent when its text is empty."""
    assert read_options({"db_max_rows": ""}, Options(db_max_rows=3)).db_max_rows is None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("db_max_row", "1", "setting 'db_max_row' is not known"),
        ("db_max_rows", "0", "db_max_rows '0' is not a whole number from 1"),
        ("db_max_rows", "9" * 5000, "is not a whole number"),
        ("db_max_rows", True, "is not a whole number"),
        ("pool_size", "1000", "pool_size '1000' is not a whole number from 1 to 100"),
        ("statement_timeout_s", "nan", "statement_timeout_s 'nan' is not a number"),
        ("writable", "maybe", "writable 'maybe' is not true or false"),
        ("anonymous", "all", "anonymous 'all' is not known"),
        ("include", [1], "include is not a list of names"),
        ("anonymous", "write", "anonymous writing needs a writable connection"),
    ],
)
def test_wrong_settings_are_refused_by_name(name: str, value: object, message: str) -> None:
    """An unknown setting, or a value that is wrong, is an error that names the setting."""
    with pytest.raises(TargetRefused, match=message) as refused:
        read_options({name: value})

    assert refused.value.field == name


@pytest.mark.parametrize("name", sorted(LATER | {"app_settings.x"}))
def test_settings_of_later_releases_are_refused(name: str) -> None:
    """What PostgREST has and this release does not is refused, never ignored."""
    with pytest.raises(NotOffered, match="is not offered in this release"):
        read_options({name: "x"})
