"""Rights of users and tokens that name a database: they go where its name goes.

Rights are kept by name. Without this a database that is called later what another one was called before would be open to whoever had a
right on the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from lazydb.models import Token, User

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def move_rights(session: Session, name: str, new_name: str | None) -> None:
    """Give the rights on the database *name* to its new name; None: it is removed, and they with it."""
    rows: list[User | Token] = [*session.scalars(select(User)), *session.scalars(select(Token))]
    for row in rows:
        named = [key for key in row.rights if key.partition(".")[0] == name]
        if named and name != new_name:
            rights = dict(row.rights)  # another dict: a change inside the same one would not be seen
            for key in named:
                right = rights.pop(key)
                if new_name is not None:
                    rights[new_name + key[len(name) :]] = right
            row.rights = rights
