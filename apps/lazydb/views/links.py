"""The addresses of lazydb's own pages: the only place that makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazydb.exports import PAGE

if TYPE_CHECKING:
    from pyramid.request import Request


@dataclass(frozen=True, slots=True)
class ConnectionLinks:
    """What can be done with one connection. Names of connections need no quoting."""

    root: str
    name: str

    def action(self, name: str) -> str:
        """Return what can be done with it: edit, pause, resume, remove, refresh, state."""
        return f"{self.root}/admin/-/connections/{self.name}/{name}"

    @property
    def browse(self) -> str:
        """Return the page of the database."""
        return f"{self.root}/admin/{self.name}"

    @property
    def api(self) -> str:
        """Return the root of its REST API, which is its interactive page in a browser."""
        return f"{self.root}/api/{self.name}/"


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses below ``/admin``, as the reader sees them behind a proxy."""

    root: str

    @classmethod
    def of_request(cls, request: Request) -> Links:
        """Return the addresses for the reader of *request*."""
        return cls(request.script_name)

    @property
    def overview(self) -> str:
        """Return the start page."""
        return f"{self.root}/admin/"

    @property
    def new(self) -> str:
        """Return the form that adds a database."""
        return f"{self.root}/admin/-/connections/new"

    @property
    def exports(self) -> str:
        """Return the files that the reader has exported."""
        return f"{self.root}{PAGE}"

    @property
    def tokens(self) -> str:
        """Return the list of tokens."""
        return f"{self.root}/admin/-/tokens"

    def export(self, export_id: str, action: str) -> str:
        """Return what can be done with one of them: file, delete, again."""
        return f"{self.exports}/{export_id}/{action}"

    def of(self, name: str) -> ConnectionLinks:
        """Return the addresses of the connection called *name*."""
        return ConnectionLinks(self.root, name)

    def job(self, job_id: str) -> str:
        """Return the progress of a job."""
        return f"{self.root}/admin/-/jobs/{job_id}"
