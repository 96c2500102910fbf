"""``lazydb user`` and ``lazydb token``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

PASSWORD = "correct horse battery\n"


def test_user_is_added_and_removed(lazydb: Callable[..., Any], ask: Callable[..., Any]) -> None:
    """A user has a role, rights and a password that nobody sees again."""
    lazydb("user", "add", "ada", "--password-stdin", stdin=PASSWORD)
    added = lazydb("user", "add", "bob", "--role", "user", "--right", "shop=read", "--password-stdin", stdin=PASSWORD)

    users = ask("user", "list")
    removed = lazydb("user", "remove", "bob", "--yes")

    assert (added.code, removed.code) == (0, 0)
    assert [(user["name"], user["role"], user["rights"], user["has_password"]) for user in users] == [
        ("ada", "admin", {}, True),
        ("bob", "user", {"shop": "read"}, True),
    ]
    assert [user["name"] for user in ask("user", "list")] == ["ada"]
    assert "correct horse" not in str(users)


def test_short_password_is_refused(lazydb: Callable[..., Any], ask: Callable[..., Any]) -> None:
    """A password has at least twelve characters; a refused one adds nobody."""
    outcome = lazydb("user", "add", "ada", "--password-stdin", stdin="short\n")

    assert (outcome.code, "at least 12" in outcome.err) == (1, True)
    assert ask("user", "list") == []


def test_password_is_never_waited_for(lazydb: Callable[..., Any]) -> None:
    """In a script, where nobody can be asked, the command says how to give the password."""
    outcome = lazydb("user", "add", "ada")

    assert (outcome.code, "--password-stdin" in outcome.err) == (2, True)


def test_password_is_changed(lazydb: Callable[..., Any]) -> None:
    """A known user gets another password; an unknown one is told with the nearest name."""
    lazydb("user", "add", "ada", "--password-stdin", stdin=PASSWORD)

    changed = lazydb("user", "password", "ada", "--password-stdin", stdin="another long one\n")
    unknown = lazydb("user", "password", "adda", "--password-stdin", stdin="another long one\n")

    assert (changed.code, unknown.code) == (0, 1)
    assert "did you mean 'ada'?" in unknown.err


def test_first_admin_comes_from_the_environment(ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """LAZYDB_ADMIN_PASSWORD makes the user admin at the first start."""
    monkeypatch.setenv("LAZYDB_ADMIN_PASSWORD", "correct horse battery")

    users = ask("user", "list")

    assert [(user["name"], user["has_password"]) for user in users] == [("admin", True)]


def test_token_is_shown_once(lazydb: Callable[..., Any], ask: Callable[..., Any]) -> None:
    """A token is printed when it is made and by no list afterwards."""
    made = ask("token", "add", "nightly", "--right", "shop=write", "--days", "3")

    listed = lazydb("token", "list")

    assert made["token"].startswith("lazydb_")
    assert made["expires_at"] is not None
    assert "nightly" in listed.out
    assert made["token"] not in listed.out


def test_token_reads_everything_by_default(ask: Callable[..., Any]) -> None:
    """Without rights a token may read every database and write in none."""
    assert ask("token", "add", "reader")["rights"] == {"*": "read"}


def test_wrong_right_is_refused(lazydb: Callable[..., Any]) -> None:
    """A right is none, read or write."""
    outcome = lazydb("token", "add", "nightly", "--right", "shop=all")

    assert (outcome.code, "shop=all" in outcome.err) == (2, True)


def test_token_is_removed(lazydb: Callable[..., Any], ask: Callable[..., Any]) -> None:
    """A removed token is gone; removing it again is an error."""
    ask("token", "add", "nightly")

    removed, again = lazydb("token", "remove", "nightly", "--yes"), lazydb("token", "remove", "nightly", "--yes")

    assert (removed.code, again.code) == (0, 1)
    assert ask("token", "list") == []
