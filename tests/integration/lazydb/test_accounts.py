"""Users, tokens, login links, and what they may do."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from lazydb.models import now
from qapla.errors import InputError, NameTaken, NotFound, SettingsError, Unavailable
from qapla.plugins.auth.passwords import is_right
from qapla.ports import ANONYMOUS, SYSTEM, Identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazydb.application import LazydbApplication
    from qapla.database.spec import ConnectionSpec


def operations(app: LazydbApplication, identity: Identity, database: str = "shop") -> set[str]:
    """Return what *identity* may do with a table of the database."""
    rights = app["policy"].rights(identity, database)
    return {operation for operation in ("select", "insert", "update", "delete") if rights.allows(operation, None, "item")}


def test_users_are_found_from_memory(app: LazydbApplication) -> None:
    """A new user is found at once, by name and by id, and listed without the hash."""
    added = app["accounts"].add_user("ann", "hash-of-ann")

    assert app["accounts"].find_user(added.id) == app["accounts"].find_user_by_name("ann") == added
    assert added.password_hash == "hash-of-ann"
    assert app["accounts"].find_user_by_name("Ann") is None
    assert "hash-of-ann" not in f"{app['accounts'].list_users()!r} {added!r}"


def test_a_new_password_ends_sessions_and_links(app: LazydbApplication) -> None:
    """The epoch grows with the password, and login links that were made before are void."""
    ann = app["accounts"].add_user("ann", "old")
    app["accounts"].add_login_link(ann.id, "digest", 60)

    app["accounts"].set_password(ann.id, "new")

    found = app["accounts"].find_user(ann.id)
    assert (found.password_hash, found.epoch) == ("new", ann.epoch + 1)
    assert app["accounts"].use_login_link("digest") is None
    app["accounts"].set_password(ann.id, "rehashed", end_sessions=False)
    assert app["accounts"].find_user(ann.id).epoch == ann.epoch + 1


def test_a_login_link_is_used_once(start: Callable[..., LazydbApplication]) -> None:
    """Of many who use a link at once, also in several processes, one gets the account."""
    apps = [start(), start()]
    ann = apps[0]["accounts"].add_user("ann")
    apps[0]["accounts"].add_login_link(ann.id, "digest", 60)
    barrier, results = threading.Barrier(8), []

    def use(application: LazydbApplication) -> None:
        barrier.wait()
        results.append(application["accounts"].use_login_link("digest"))

    threads = [threading.Thread(target=use, args=(apps[number % 2],)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [account.name for account in results if account is not None] == ["ann"]


def test_login_links_expire(app: LazydbApplication) -> None:
    """A link that is too old, or was never made, opens nothing."""
    ann = app["accounts"].add_user("ann")
    app["accounts"].add_login_link(ann.id, "digest", -1)

    assert app["accounts"].use_login_link("digest") is None
    assert app["accounts"].use_login_link("never") is None


def test_other_processes_see_accounts_soon(start: Callable[..., LazydbApplication]) -> None:
    """A removed user or token is refused by every process within two seconds."""
    one, other = start(), start()
    ann = one["accounts"].add_user("ann")
    one["accounts"].add_token("robot", "d" * 64, {"*": "read"})
    threading.Event().wait(1.6)
    assert other["accounts"].find_user(ann.id) is not None
    assert other["accounts"].find_token("d" * 64).name == "robot"

    one["accounts"].remove_user("ann")
    one["accounts"].remove_token("robot")
    threading.Event().wait(1.6)

    assert other["accounts"].find_user(ann.id) is None
    assert other["accounts"].find_token("d" * 64) is None


def test_tokens_carry_rights_and_an_end(app: LazydbApplication) -> None:
    """A token is kept by its hash, with rights by database and the moment at which it ends."""
    until = now() + timedelta(days=1)

    app["accounts"].add_token("robot", "d" * 64, {"shop": "write", "*": "read"}, until)

    found = app["accounts"].find_token("d" * 64)
    assert (found.name, found.expires_at) == ("robot", pytest.approx(until.timestamp()))
    assert [facts.rights for facts in app["accounts"].list_tokens()] == [{"shop": "write", "*": "read"}]


def test_wrong_accounts_are_refused(app: LazydbApplication) -> None:
    """Names are unique and printable, rights are known words, and what is removed must be there."""
    accounts = app["accounts"]
    accounts.add_user("ann")
    accounts.add_token("robot", "d" * 64, {})

    with pytest.raises(NameTaken, match="there is a user called 'ann' already"):
        accounts.add_user("ann")
    with pytest.raises(NameTaken, match="there is a token called 'robot' already"):
        accounts.add_token("robot", "e" * 64, {})
    for name in ("", " ann", "a\nb", "x" * 101):
        with pytest.raises(InputError, match="cannot be used"):
            accounts.add_user(name)
    with pytest.raises(InputError, match="right 'all' on 'shop' is not known"):
        accounts.add_token("other", "f" * 64, {"shop": "all"})
    with pytest.raises(NotFound, match=r"no user is called 'anne' \(did you mean 'ann'\?\)"):
        accounts.remove_user("anne")


def test_the_first_admin_comes_from_the_environment(start: Callable[..., LazydbApplication]) -> None:
    """With a password for one, the first start makes the user admin; later starts change nothing."""
    first = start(admin_password="correct horse battery")

    again = start(admin_password="another password entirely")

    account = again["accounts"].find_user_by_name("admin")
    assert account is not None
    assert is_right("correct horse battery", account.password_hash)
    assert first["accounts"].is_admin(Identity("user", account.id, "admin"))


def test_a_first_password_that_is_too_short_is_refused(start: Callable[..., LazydbApplication]) -> None:
    """lazydb does not start with a weak first password, and says which variable it was."""
    with pytest.raises(SettingsError, match="LAZYDB_ADMIN_PASSWORD cannot be used: the password has 5 characters"):
        start(admin_password="short")


def test_the_policy_knows_everybody(app: LazydbApplication, make_file: Callable[..., ConnectionSpec]) -> None:
    """Anonymous callers have what the connection gives them, accounts their own rights or those, whichever is more."""
    app["connections"].add(make_file("shop"), settings={"anonymous": "read"})
    app["connections"].add(make_file("closed"))
    accounts = app["accounts"]
    ann = Identity("user", accounts.add_user("ann").id, "ann")
    bob = Identity("user", accounts.add_user("bob", role="user", rights={"closed": "write"}).id, "bob")
    accounts.add_token("robot", "d" * 64, {"*": "read", "shop": "none"})
    robot = Identity("token", accounts.find_token("d" * 64).id, "robot")
    every = {"select", "insert", "update", "delete"}

    assert [operations(app, ANONYMOUS, name) for name in ("shop", "closed", "nothing")] == [{"select"}, set(), set()]
    assert [operations(app, ann, name) for name in ("shop", "closed", "nothing")] == [every, every, set()]
    assert [operations(app, bob, name) for name in ("shop", "closed")] == [{"select"}, every]
    assert [operations(app, robot, name) for name in ("shop", "closed")] == [{"select"}, {"select"}]
    assert operations(app, SYSTEM) == every
    assert not app["policy"].rights(ANONYMOUS, "shop").authenticated
    assert app["policy"].rights(bob, "shop").authenticated
    accounts.remove_user("ann")
    assert operations(app, ann, "closed") == set()


def test_the_last_use_of_a_token_is_written_down_later(start: Callable[..., LazydbApplication]) -> None:
    """Looking a token up writes nothing; what was used is written at once for all, and is no new revision for anybody."""
    one, other = start(), start()
    one["accounts"].add_token("nightly", "digest", {"*": "read"})
    one["accounts"].add_token("over", "another", {"*": "read"}, expires_at=now() - timedelta(seconds=1))
    revision = one["revision"].read()
    for digest in ("digest", "digest", "another", "unknown"):
        one["accounts"].find_token(digest)

    before = [token.last_used_at for token in one["accounts"].list_tokens()]
    one["accounts"].write_uses()
    one["accounts"].write_uses()

    assert before == [None, None]
    used = {token.name: token.last_used_at for token in other["accounts"].list_tokens()}
    assert used["over"] is None
    assert timedelta(0) <= now() - used["nightly"] < timedelta(seconds=30)
    assert one["revision"].read() == revision


def test_a_registry_that_is_away_loses_no_use(app: LazydbApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written the next time."""
    app["accounts"].add_token("nightly", "digest", {"*": "read"})
    app["accounts"].find_token("digest")

    def fail(*_: object) -> None:
        raise Unavailable("the registry is away")

    with monkeypatch.context() as patched:
        patched.setattr("lazydb.accounts.transaction", fail)
        app["accounts"].write_uses()
    app["accounts"].write_uses()

    assert app["accounts"].list_tokens()[0].last_used_at is not None


def test_rights_are_about_tables_too(app: LazydbApplication, make_file: Callable[..., ConnectionSpec]) -> None:
    """A token may be for one table, and follows the database to its new name."""
    app["connections"].add(make_file(), name="shop")
    app["accounts"].add_token("orders", "digest", {"shop.item": {"right": "read", "columns": ["id"]}})
    token = Identity("token", app["accounts"].find_token("digest").id)

    rights = app["policy"].rights(token, "shop")

    assert rights.allows("select", None, "item", "id")
    assert not rights.allows("select", None, "item", "name")
    assert not rights.allows("select", None, "other")
    app["connections"].change("shop", new_name="store")
    assert app["policy"].rights(token, "store").allows("select", None, "item", "id")
    assert not app["policy"].rights(token, "shop").allows("select", None, "item", "id")
