"""Replace the secret key: a new one, and every password and every secret among the settings sealed with it.

The key before stays in the file as one that opens but does not seal, until the next rotation: a process that runs meanwhile may still
seal with it. Keys before that one are forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from lazydb.models import Connection, bump
from lazydb.options import has_secrets
from lazydb.records import open_spec, place_of, stored_options
from lazydb.sealing import KEY_FILE, make_key, read_keys, write_keys
from lazydb.storing import store_options
from qapla.errors import NotOffered, SecretLost

if TYPE_CHECKING:
    from qapla.application import Application
    from qapla.database.catalog import Options


@dataclass(frozen=True, slots=True)
class Rotated:
    """How many passwords are sealed anew, and the names of the connections whose password could not be opened."""

    sealed: int
    lost: tuple[str, ...]


def rotate(app: Application) -> Rotated:
    """Make a new secret key and seal every password with it. Sessions of users end when the processes start again.

    Raises:
        NotOffered: the key is given by the environment, so it cannot be replaced from here.
    """
    if app.settings.get("lazydb:secret_key") is not None:
        raise NotOffered(
            "the secret key is given by LAZYDB_SECRET_KEY and cannot be replaced from here",
            hint="start with another one, then enter the passwords again: lazydb add with the same URL does it",
        )
    home, sealing, lost = app.settings["lazydb:home"], app["sealing"], []
    write_keys(Path(home) / KEY_FILE, [make_key(), read_keys(None, home)[0]])
    with app["registry"].transaction() as session:
        passwords: list[tuple[Connection, str]] = []
        settings: list[tuple[Connection, Options]] = []
        for row in session.scalars(select(Connection).order_by(Connection.name)):
            try:
                if row.sealed is not None:
                    passwords.append((row, open_spec(row, sealing).password or ""))
            except SecretLost:
                lost.append(row.name)
            options, problem, _lost = stored_options(row, sealing)
            if problem is None and has_secrets(options):
                settings.append((row, options))
        sealing.refresh()
        for row, password in passwords:
            row.sealed = sealing.seal(password, place_of(row.id, row.target.get("host")))
            row.revision = bump(session)
        for row, options in settings:
            store_options(row, options, sealing)
            row.revision = bump(session)
    return Rotated(len(passwords), tuple(lost))
