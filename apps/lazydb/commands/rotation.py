"""``lazydb rotate``: another secret key."""

from __future__ import annotations

import click

from lazydb.commands.output import count, example, json_option, say, show
from lazydb.commands.session import open_lazydb


@click.command("rotate", epilog=example("lazydb rotate"))
@json_option
def rotate_command(as_json: bool) -> None:
    """Make a new secret key and seal every stored password with it.

    Processes that are serving go on, and see the new key by themselves; people have to log in again after the next restart. A key that
    is given by LAZYDB_SECRET_KEY cannot be replaced from here.
    """
    from lazydb.rotation import rotate

    with open_lazydb() as app:
        rotated = rotate(app)

    def for_people() -> None:
        say(f"{count(rotated.sealed, 'password')} sealed with a new key")
        for name in rotated.lost:
            say(f"{name}: its password cannot be opened; enter it again")

    show({"sealed": rotated.sealed, "lost": list(rotated.lost)}, as_json, for_people)
    click.get_current_context().exit(1 if rotated.lost else 0)
