"""What reading and writing drivers have in common: a model and a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from qapla.driver.subject import is_mapped, make_subject

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from qapla.driver.store import TableStore
    from qapla.driver.subject import Subject

Model = TypeVar("Model")


class Driver(Generic[Model]):
    """Something about one model.

    ``class VoteReadDriver(ReadDriver): model = Vote`` and ``class VoteReadDriver(ReadDriver[Vote])`` are the same; the second tells type
    checkers what comes back. ``model`` may be a Core table: rows then are dicts.

    Attributes:
        model: a mapped class or a ``sqlalchemy.Table``.
        session: where statements run. Whoever lent it closes it.
    """

    model: ClassVar[Any] = None

    def __class_getitem__(cls, model: Any) -> Any:
        """Return this driver for *model*: a class with the class attribute set."""
        if not is_mapped(model):
            return super().__class_getitem__(model)  # type: ignore[misc]
        return type(f"{cls.__name__}[{model.__name__}]", (cls,), {"model": model, "__module__": cls.__module__})

    def __init__(self, session: Session) -> None:
        self.session = session
        self.store = self._make_store(session)

    @classmethod
    def subject(cls) -> Subject:
        """Return what this driver is about, seen by names.

        Raises:
            ConfigurationError: the class has no model, or something else for one.
        """
        known = cls.__dict__.get("_subject")
        if known is None or known.selectable is not cls.model:
            known = cls._subject = make_subject(cls.model, cls.__qualname__)  # type: ignore[attr-defined]
        return known

    def _make_store(self, session: Session) -> TableStore:
        from qapla.driver.store import make_store

        return make_store(session, self.subject())
