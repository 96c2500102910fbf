"""``lazydb user``: who may log in."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from lazydb.commands.output import example, json_option, say, show, table
from lazydb.commands.rights import read_rights, rights_option, rights_text
from lazydb.commands.session import open_lazydb

if TYPE_CHECKING:
    from lazydb.accounts import Accounts, UserFacts
    from qapla.ports import Account

password_option = click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")


@click.group("user", epilog=example("lazydb user add ada", "lazydb user add bob --role user --right shop=read", "lazydb user list"))
def user_command() -> None:
    """Add, list and remove who may log in to the admin."""


@user_command.command("add", epilog=example("lazydb user add ada", "lazydb user add bob --role user --right shop=read"))
@click.argument("name")
@click.option("--role", type=click.Choice(["admin", "user"]), default="admin", show_default=True, help="An admin may do everything.")
@rights_option
@password_option
@json_option
def add_user(name: str, role: str, rights: tuple[str, ...], password_stdin: bool, as_json: bool) -> None:
    """Add a user; the password is asked for (at least 12 characters)."""
    allowed = read_rights(rights)
    with open_lazydb() as app:
        password_hash = _read_password(password_stdin)
        app["accounts"].add_user(name, password_hash, role, allowed)
    show({"name": name, "role": role, "rights": allowed}, as_json, lambda: say(f"{name}: added, may log in as {role}"))


@user_command.command("list", epilog=example("lazydb user list"))
@json_option
def list_users(as_json: bool) -> None:
    """List the users."""
    with open_lazydb() as app:
        users = app["accounts"].list_users()
    shown = ("name", "role", "rights", "has_password", "created_at", "last_login_at")
    facts = [{name: getattr(user, name) for name in shown} for user in users]

    def for_people() -> None:
        if not users:
            say("there is no user; lazydb user add NAME adds one")
            return
        table(("NAME", "ROLE", "RIGHTS", "PASSWORD", "LAST LOGIN"), [_line(user) for user in users])

    show(facts, as_json, for_people)


@user_command.command("password", epilog=example("lazydb user password ada"))
@click.argument("name")
@password_option
@json_option
def change_password(name: str, password_stdin: bool, as_json: bool) -> None:
    """Set another password; the user's sessions end."""
    with open_lazydb() as app:
        account = _get_user(app["accounts"], name)
        app["accounts"].set_password(account.id, _read_password(password_stdin))
    show({"name": name}, as_json, lambda: say(f"{name}: the password is changed, all sessions have ended"))


@user_command.command("remove", epilog=example("lazydb user remove bob --yes"))
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def remove_user(name: str, yes: bool, as_json: bool) -> None:
    """Remove a user; the user's sessions end."""
    with open_lazydb() as app:
        _get_user(app["accounts"], name)
        if not yes:
            click.confirm(f"remove user {name!r}?", abort=True, err=True)
        app["accounts"].remove_user(name)
    show({"name": name, "state": "removed"}, as_json, lambda: say(f"{name}: removed"))


def _line(user: UserFacts) -> tuple[Any, ...]:
    rights = "everything" if user.role == "admin" else rights_text(user.rights)
    return user.name, user.role, rights, user.has_password, user.last_login_at


def _get_user(accounts: Accounts, name: str) -> Account:
    from qapla.errors import NotFound, nearest

    account = accounts.find_user_by_name(name)
    if account is None:
        raise NotFound(f"no user is called {name[:100]!r}", hint=nearest(name[:100], [user.name for user in accounts.list_users()]))
    return account


def _read_password(from_stdin: bool) -> str:
    """Return the hash of the password that is typed, twice, or piped in."""
    from qapla.plugins.auth.passwords import hash_password

    if from_stdin:
        return hash_password(sys.stdin.readline().rstrip("\r\n"))
    if not sys.stdin.isatty():
        raise click.UsageError("there is nobody to ask for a password; pipe it in with --password-stdin", click.get_current_context())
    return hash_password(click.prompt("password (at least 12 characters)", hide_input=True, confirmation_prompt="once more", err=True))
