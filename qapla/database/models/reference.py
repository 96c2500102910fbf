"""How another process opens the same database: a value that can be pickled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from qapla.errors import NotBound

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from qapla.database.spec import ConnectionSpec


@dataclass(frozen=True, slots=True)
class Reference:
    """A database by URL, by the name that lazydb knows it under, or by the name that an application's settings have.

    Only ``url`` takes a password along, in ``spec`` and in no ``repr``; the other two are looked up where they are opened.

    Args:
        kind: which of the three.
        text: the URL without its password, or the name.
    """

    kind: Literal["url", "lazydb", "settings"]
    text: str
    spec: ConnectionSpec | None = field(default=None, repr=False)

    def open(self, name: str | None = None) -> Engine:
        """Return an engine for the database; the caller disposes it, unless the application that declares it runs here.

        Raises:
            NotBound: the name is not known in this process.
        """
        if self.kind == "url" and self.spec is not None:
            from qapla.database.address import find_address
            from qapla.database.direct import make_direct_engine

            return make_direct_engine(self.spec, name or self.spec.place, find_address=find_address)
        raise NotBound(f"database {self.text!r} is not known here")
