"""View predicates of plugins: each says which requests its views are for. Register one by ``config.add_view_predicate(name, class)``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyramid.config import Configurator
    from pyramid.request import Request


class Predicate:
    """Compares something with the value that a view was registered with.

    Attributes:
        name: that of the predicate.
    """

    name: str

    def __init__(self, value: Any, _config: Configurator) -> None:
        self.value = value

    def text(self) -> str:
        """Return the predicate as it is shown in a list of views."""
        return f"{self.name} = {self.value}"

    phash = text

    def __call__(self, context: Any, request: Request) -> bool:
        """Tell whether the view is for this request."""
        raise NotImplementedError


class Below(Predicate):
    """Whether the path is *prefix*, or below it.

    Attributes:
        prefix: ``/api``.
    """

    prefix: str

    def __call__(self, context: Any, request: Request) -> bool:
        """Tell whether it is as the view wants it, without decoding the path."""
        path = request.environ.get("PATH_INFO", "")
        return (path == self.prefix or path.startswith(f"{self.prefix}/")) is self.value
