"""``lazydb token``: keys for programs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from lazydb.commands.output import example, json_option, say, show, table
from lazydb.commands.rights import read_rights, rights_option, rights_text
from lazydb.commands.session import open_lazydb

PREFIX = "lazydb_"  # so that a key found in a log or a repository is recognized


@click.group("token", epilog=example("lazydb token add nightly --right shop=write --days 90", "lazydb token list"))
def token_command() -> None:
    """Add, list and remove keys for programs."""


@token_command.command("add", epilog=example("lazydb token add nightly --right shop=write --days 90"))
@click.argument("name")
@rights_option
@click.option("--days", type=click.IntRange(1, 3650), default=None, help="After how many days it ends; never by default.")
@json_option
def add_token(name: str, rights: tuple[str, ...], days: int | None, as_json: bool) -> None:
    """Make a token and show it, this one time. Without --right it may read every database."""
    from qapla.plugins.auth.tokens import make_token

    allowed = read_rights(rights) or {"*": "read"}
    expires_at = datetime.now(UTC) + timedelta(days=days) if days is not None else None
    token, digest = make_token(PREFIX)
    with open_lazydb() as app:
        app["accounts"].add_token(name, digest, allowed, expires_at)

    def for_people() -> None:
        say(f"{name}: may {rights_text(allowed)}")
        say(token)
        say("it is not shown again; callers send it as: Authorization: Bearer TOKEN")

    show({"name": name, "token": token, "rights": allowed, "expires_at": expires_at}, as_json, for_people)


@token_command.command("list", epilog=example("lazydb token list"))
@json_option
def list_tokens(as_json: bool) -> None:
    """List the tokens; what they are is kept by nobody."""
    with open_lazydb() as app:
        tokens = app["accounts"].list_tokens()
    facts = [{name: getattr(token, name) for name in ("name", "rights", "created_at", "expires_at", "last_used_at")} for token in tokens]

    def for_people() -> None:
        if not tokens:
            say("there is no token; lazydb token add NAME makes one")
            return
        lines = [
            (token.name, rights_text(token.rights), token.created_at, token.expires_at or "never", token.last_used_at or "never")
            for token in tokens
        ]
        table(("NAME", "RIGHTS", "MADE", "ENDS", "USED"), lines)

    show(facts, as_json, for_people)


@token_command.command("remove", epilog=example("lazydb token remove nightly --yes"))
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def remove_token(name: str, yes: bool, as_json: bool) -> None:
    """Remove a token; it is refused from now on."""
    with open_lazydb() as app:
        if not yes:
            click.confirm(f"remove token {name!r}?", abort=True, err=True)
        app["accounts"].remove_token(name)
    show({"name": name, "state": "removed"}, as_json, lambda: say(f"{name}: removed"))
