"""Mark models that have a REST API: ``@rest()``.

::

    @rest()
    class Question(models.Model): ...

    @rest(without=["post", "delete", "patch"])
    class Choice(models.Model): ...

A model is a mapped class, of ``models.Model`` or of SQLAlchemy alone. What is marked is served by ``app`` (``program.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, overload

import sqlalchemy as sa

from qapla.errors import ConfigurationError, ModelError, nearest

METHODS = ("get", "post", "put", "patch", "delete")
FOLLOWERS = {"head": "it goes with 'get'", "options": "it says which methods there are"}
READING = ("put", "patch", "delete")  # which rows, is said by conditions that read them

ModelType = TypeVar("ModelType", bound=type)


@dataclass(frozen=True, slots=True)
class Mark:
    """One model and what its API is served without: methods of HTTP, in capital letters."""

    model: type
    without: frozenset[str]

    @property
    def table(self) -> sa.Table:
        """Return the model's table."""
        found: sa.Table = self.model.__table__  # type: ignore[attr-defined]
        return found

    @property
    def name(self) -> str:
        """Return the model's name, for messages."""
        return self.model.__name__

    @property
    def place(self) -> str:
        """Return where the model is declared; a class that is declared there again takes its place."""
        return f"{self.model.__module__}.{self.model.__qualname__}"


class Marks:
    """The marked models, in their order. Calling it makes the decorator."""

    def __init__(self) -> None:
        self._marks: dict[str, Mark] = {}
        self.is_closed = False  # once they are served

    def __iter__(self) -> Iterator[Mark]:
        """Yield the marks, the first one first."""
        return iter(tuple(self._marks.values()))

    @overload
    def __call__(self, model: ModelType, /) -> ModelType: ...

    @overload
    def __call__(self, model: None = None, /, *, without: Collection[str] = ()) -> Callable[[ModelType], ModelType]: ...

    def __call__(self, model: Any = None, /, *, without: Collection[str] = ()) -> Any:
        """Return a decorator that gives a model its REST API; ``@rest`` without parentheses is the same as ``@rest()``.

        Args:
            without: methods that are left out: ``"get"``, ``"post"``, ``"put"``, ``"patch"``, ``"delete"``. ``put`` makes rows and changes
                them, so it goes with either of ``post`` and ``patch``.

        Raises:
            ConfigurationError: a method is not known, or nothing is left.
            ModelError: what is marked is no model, or is marked twice.
        """
        left_out = read_methods(without)
        if model is None:
            return lambda each: self.add(each, left_out)
        return self.add(model, left_out)

    def add(self, model: ModelType, without: frozenset[str] = frozenset()) -> ModelType:
        """Mark *model* and return it."""
        if not isinstance(model, type) or not isinstance(getattr(model, "__table__", None), sa.Table):
            name = getattr(model, "__name__", repr(model))
            raise ModelError(f"{name[:100]!r} is no model and cannot be served", hint="put @rest() on a class of models.Model with fields")
        mark = Mark(model, without)
        if self.is_closed:
            raise ConfigurationError(f"model {mark.name!r} is marked too late: models are served already", hint="mark it before app.run()")
        if (known := self._marks.get(mark.place)) is not None and known.model is model:
            raise ModelError(f"model {mark.name!r} is marked with @rest twice", hint="once is enough; without= takes several methods")
        self._marks[mark.place] = mark
        return model


def read_methods(given: Collection[str]) -> frozenset[str]:
    """Return the methods that are left out, in capital letters, with those that cannot stay without them.

    Raises:
        ConfigurationError: one is not known, needs another one, or nothing is left.
    """
    if isinstance(given, str) or not all(isinstance(each, str) for each in given):
        raise ConfigurationError(f"without={given!r} is no list of methods", hint="without=['post', 'delete']")
    found = {each.lower() for each in given}
    for name in sorted(found - set(METHODS)):
        hint = FOLLOWERS.get(name) or nearest(name, METHODS) or f"one of {', '.join(METHODS)}"
        raise ConfigurationError(f"method {name[:50]!r} in without= cannot be left out", hint=hint)
    if found & {"post", "patch"}:
        found.add("put")
    if found == set(METHODS):
        raise ConfigurationError("every method is left out: nothing would be served", hint="leave @rest away")
    if "get" in found and (left := [name for name in READING if name not in found]):
        message = f"{left[0]!r} cannot be there without 'get': what it answers tells of rows that are there"
        raise ConfigurationError(message, hint=f"leave {left[0]!r} out, too")
    return frozenset(name.upper() for name in found)


def withheld_methods(without: frozenset[str]) -> frozenset[str]:
    """Return the methods that are refused: HEAD goes with GET."""
    return without | {"HEAD"} if "GET" in without else without


rest = Marks()
