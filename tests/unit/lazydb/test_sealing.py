"""Secrets at rest."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from lazydb.sealing import KEY_FILE, Sealing, read_keys, write_keys
from qapla.errors import SecretLost, SettingsError

KEY, OTHER = "a" * 32, "b" * 32


def test_a_secret_opens_where_it_was_sealed() -> None:
    """Sealing hides the secret; the same key and place bring it back, and each sealing looks different."""
    box = Sealing([KEY])

    first, second = box.seal("pä$$", "7 db.example"), box.seal("pä$$", "7 db.example")

    assert first != second
    assert "pä$$" not in first
    assert box.open(first, "7 db.example") == box.open(second, "7 db.example") == "pä$$"


@pytest.mark.parametrize("place", ["8 db.example", "7 evil.example", ""])
def test_a_secret_is_bound_to_its_place(place: str) -> None:
    """Moved to another row, or with its host changed, a sealed secret does not open."""
    box = Sealing([KEY])

    with pytest.raises(SecretLost, match="enter the password again"):
        box.open(box.seal("secret", "7 db.example"), place)


@pytest.mark.parametrize("damage", ["{0:.30}AAAA", "v1.x", "", "{0:.20}.é", "v9.{0}"])
def test_damaged_text_does_not_open(damage: str) -> None:
    """What was changed, cut or made by another version is lost, never a crash."""
    box = Sealing([KEY])

    with pytest.raises(SecretLost):
        box.open(damage.format(box.seal("secret", "x")), "x")


def test_another_key_does_not_open() -> None:
    """With the key lost, the secret is lost, and the error says what to do."""
    with pytest.raises(SecretLost, match="another secret key"):
        Sealing([OTHER]).open(Sealing([KEY]).seal("secret", "x"), "x")


def test_an_old_key_still_opens() -> None:
    """After a rotation old text opens with the old key, and new text is sealed with the new one."""
    old = Sealing([KEY]).seal("secret", "x")

    both = Sealing([OTHER, KEY])

    assert both.open(old, "x") == "secret"
    assert not both.is_current(old)
    assert both.is_current(both.seal("secret", "x"))


def test_derived_keys_differ_by_purpose() -> None:
    """Other uses of the key get other bytes, the same ones each time."""
    box = Sealing([KEY])

    assert box.derive("session") == Sealing([KEY]).derive("session") != box.derive("links")


def test_the_key_file_is_made_once_and_private(tmp_path: Path) -> None:
    """The first start makes the key, readable by its owner only; later starts read it."""
    home = tmp_path / "home"

    keys = read_keys(None, str(home))

    assert read_keys(None, str(home)) == keys
    assert (home / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert os.listdir(home) == [KEY_FILE]


def test_a_key_file_that_others_may_read_is_closed(tmp_path: Path) -> None:
    """A key file with a wrong mode is made private."""
    read_keys(None, str(tmp_path))
    (tmp_path / KEY_FILE).chmod(0o644)

    read_keys(None, str(tmp_path))

    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_processes_that_start_at_once_agree_on_the_key(tmp_path: Path) -> None:
    """One of several first starts makes the key, and the others use it."""
    found: list[list[str]] = []
    threads = [threading.Thread(target=lambda: found.append(read_keys(None, str(tmp_path)))) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({tuple(keys) for keys in found}) == 1


def test_short_keys_are_refused(tmp_path: Path) -> None:
    """A key of less than 32 characters is an error that does not show it."""
    with pytest.raises(SettingsError, match="has 8 characters"):
        read_keys("too-weak", str(tmp_path))
    write_keys(tmp_path / KEY_FILE, ["short"])
    with pytest.raises(SettingsError, match="is damaged"):
        read_keys(None, str(tmp_path))
