"""A question to a repository: ``repository.query("john_doe")``, then one of its answers, to be awaited."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from qapla.errors import QueryError

if TYPE_CHECKING:
    from qapla.driver.repositories.keys import Key
    from qapla.driver.repositories.repository import Repository

Entity = TypeVar("Entity")


@dataclass(frozen=True, slots=True)
class Query(Generic[Entity]):
    """What is asked, and of which repository.

    Attributes:
        keys: of which entities.
        is_many: whether they were given with ``many=``.
        memory: whether the memory is asked, too; without it the store behind it answers.
        fields: the only fields that are wanted; None for all.
        deadline_s: seconds that an answer may take; None: as long as the repository says.
        is_alone: whether the store behind the memory has to answer alone: what waits for it cannot be read, either.
        options: what only this kind of repository understands.
    """

    repository: Repository[Entity, Any]
    keys: tuple[Key, ...]
    is_many: bool = False
    memory: bool = True
    fields: tuple[str, ...] | None = None
    options: Any = None
    deadline_s: float | None = None
    is_alone: bool = False

    @property
    def entity(self) -> Coroutine[Any, Any, Entity]:
        """Await the entity; with ``fields=`` a dict of these fields.

        Raises:
            EntityNotFound: there is none.
            StoreUnavailable: nobody can tell; StoreTimedOut: not in time.
        """
        self.only_key()
        return self.repository.read_one(self)

    @property
    def entities(self) -> Coroutine[Any, Any, list[Entity]]:
        """Await the entities, in the order of the keys; those that do not exist are left out."""
        return self.repository.read_many(self)

    @property
    def exists(self) -> Coroutine[Any, Any, bool]:
        """Await whether the entity exists."""
        self.only_key()
        return self.repository.has(self)

    @property
    def delete(self) -> Coroutine[Any, Any, None]:
        """Await that the entity, or all of them, is gone; it need not have been there."""
        return self.repository.delete(self)

    def only_key(self) -> Key:
        """Return the one key.

        Raises:
            QueryError: the question is about many.
        """
        if self.is_many:
            raise QueryError("a question about many entities has no single answer", hint="use 'entities'")
        return self.keys[0]


def read_fields(given: Sequence[str] | None, known: Sequence[str], entity: str) -> tuple[str, ...] | None:
    """Check the fields that are wanted.

    Raises:
        QueryError: the entity has no such field.
    """
    from qapla.errors import nearest

    if given is None:
        return None
    if isinstance(given, str):
        raise QueryError(f"fields are a list of names, not the text {given!r}", hint=f"fields=[{given!r}]")
    if not isinstance(given, Iterable):
        raise QueryError(f"fields are a list of names, not of type {type(given).__name__!r}", hint="fields=['name']")
    given = list(given)
    for name in given:
        if not isinstance(name, str) or name not in known:
            raise QueryError(f"entity {entity!r} has no field {name!r}", hint=nearest(str(name), known))
    if not given:
        raise QueryError("no field is asked for", hint="leave 'fields' out for all of them")
    return tuple(dict.fromkeys(given))
