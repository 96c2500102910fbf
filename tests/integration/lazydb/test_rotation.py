"""Another secret key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lazydb.rotation import rotate
from lazydb.sealing import KEY_FILE
from qapla.errors import NotOffered

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazydb.application import LazydbApplication
    from qapla.database.spec import ConnectionSpec

    Start = Callable[..., LazydbApplication]


def test_rotating_seals_every_password_anew(start: Start, login: ConnectionSpec) -> None:
    """After it the old key is needed by nobody, and a process that was running goes on."""
    one, running = start(secret_key=None), start(secret_key=None)
    path = Path(one.settings["lazydb:home"]) / KEY_FILE
    one["connections"].add(login, name="shop")
    old = path.read_text().split()

    rotated = rotate(one)

    assert (rotated.sealed, rotated.lost) == (1, ())
    new = path.read_text().split()
    assert new == [new[0], old[0]]
    path.write_text(f"{new[0]}\n")
    assert start(secret_key=None)["connections"].spec_with_password("shop").password == "geheim-1"
    assert running["connections"].spec_with_password("shop").password == "geheim-1"
    running["catalog"].refresh()
    assert running["catalog"].get("shop").bulkhead.ping() < 5


def test_what_cannot_be_opened_is_named(start: Start, login: ConnectionSpec) -> None:
    """A password that was sealed with a lost key is named, and the others are sealed anew."""
    one = start(secret_key=None)
    one["connections"].add(login, name="lost")
    (Path(one.settings["lazydb:home"]) / KEY_FILE).unlink()
    other = start(secret_key=None)
    other["connections"].add(login, name="found")

    rotated = rotate(other)

    assert (rotated.sealed, rotated.lost) == (1, ("lost",))


def test_a_given_key_cannot_be_rotated(app: LazydbApplication) -> None:
    """A key of the environment is not ours to replace."""
    with pytest.raises(NotOffered, match="LAZYDB_SECRET_KEY"):
        rotate(app)
