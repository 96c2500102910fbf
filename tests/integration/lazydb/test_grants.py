"""Rights of users and tokens, when the database that they name gets another name or goes."""

from __future__ import annotations

from qapla.plugins.auth.tokens import make_token


def rights_of(app):
    """Return what the one user and the one token may do, by database name."""
    (user,), (token,) = app["accounts"].list_users(), app["accounts"].list_tokens()
    return user.rights, token.rights


def give(app, rights):
    """Add a user and a token with these rights."""
    app["accounts"].add_user("ada", role="user", rights=rights)
    app["accounts"].add_token("nightly", make_token()[1], rights)


def test_rights_follow_a_new_name(app, make_file):
    """Who could read the database can read it under its new name, and nothing under the old one."""
    app["connections"].add(make_file(), name="shop")
    give(app, {"shop": "read", "*": "none"})

    app["connections"].change("shop", new_name="store")

    assert rights_of(app) == ({"store": "read", "*": "none"},) * 2


def test_rights_go_with_their_database(app, make_file):
    """Another database of the same name is not open to who had a right on the first; other rights stay."""
    app["connections"].add(make_file(), name="shop")
    give(app, {"shop": "write", "other": "read"})

    app["connections"].remove("shop")

    assert rights_of(app) == ({"other": "read"},) * 2


def test_a_change_without_a_new_name_leaves_rights_alone(app, make_file):
    """Settings may change without anybody losing a right."""
    app["connections"].add(make_file(), name="shop")
    give(app, {"shop": "write"})

    app["connections"].change("shop", settings={"writable": True})

    assert rights_of(app) == ({"shop": "write"},) * 2
