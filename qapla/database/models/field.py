"""What all fields have in common: options, and the column that a field becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import mapped_column

from qapla.database.models.naming import quoted
from qapla.errors import ModelError, ValueRefused, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.types import TypeEngine

MISSING: Any = object()
OPTIONS = ("null", "default", "server_default", "unique", "index", "primary_key", "choices", "comment", "column")
SAME = {"nullable": "null", "db_column": "column", "name": "column", "required": "null=False"}


class Field:
    """One value of a row.

    Args:
        null: whether it may be missing (``None``, SQL's NULL); ``nullable`` is the same.
        default: a value, or a function without arguments that makes one, for rows that are saved without.
        server_default: what the database fills in, as SQL text (``"'red'"``, ``"0"``) or an expression of SQLAlchemy.
        unique: whether two rows may not have the same.
        index: whether the database keeps an index on it.
        primary_key: whether it is the key, or a part of it.
        choices: the values it may have; or pairs of value and label.
        comment: what people read about it in the database.
        column: the name of the column, where it is not that of the attribute.
    """

    words: ClassVar[str] = "a value"

    def __init__(
        self,
        *,
        null: bool | None = None,
        nullable: bool | None = None,
        default: Any = MISSING,
        server_default: Any = None,
        unique: bool = False,
        index: bool = False,
        primary_key: bool = False,
        choices: Sequence[Any] | None = None,
        comment: str | None = None,
        column: str | None = None,
        **unknown: Any,
    ) -> None:
        if unknown:
            self._refuse(next(iter(unknown)))
        if null is not None and nullable is not None and null != nullable:
            raise ModelError(f"{self.kind} has both null={null!r} and nullable={nullable!r}", hint="they mean the same; give one")
        self.null = bool(null if null is not None else nullable)
        self.default = default
        self.server_default = sa.text(server_default) if isinstance(server_default, str) else server_default
        self.unique = unique
        self.index = index
        self.primary_key = primary_key
        self.choices = tuple(choice[0] if isinstance(choice, tuple) else choice for choice in choices) if choices is not None else None
        self.comment = comment
        self.column = column
        self.name = ""
        self.model_name = ""
        if primary_key and self.null:
            raise ModelError(f"{self.kind} cannot be a primary key and null", hint="leave one of them out")
        if choices is not None and not self.choices:
            raise ModelError(f"{self.kind} has no choices", hint="choices=('red', 'blue')")

    @property
    def kind(self) -> str:
        """Return what it is called in source: ``Integer``."""
        return type(self).__name__

    def __repr__(self) -> str:
        return f"<{self.kind} {self.model_name}.{self.name}>" if self.name else f"<{self.kind}>"

    def __set_name__(self, owner: type, name: str) -> None:
        self.name, self.model_name = name, owner.__name__

    def sql_type(self) -> TypeEngine[Any]:
        """Return SQLAlchemy's type of the column."""
        raise NotImplementedError

    def attributes(self, model: type, name: str) -> Mapping[str, Any]:
        """Return what is mapped for it on *model*, by attribute."""
        return {name: self.make_column(model, name)}

    def make_column(self, model: type, name: str, *constraints: Any, **options: Any) -> Any:
        """Return the mapped column, a new one each time."""
        given: dict[str, Any] = {
            "nullable": self.null,
            "primary_key": self.primary_key,
            "unique": self.unique or None,
            "index": self.index or None,
            "comment": self.comment,
            "server_default": self.server_default,
            **options,
        }
        if self.default is not MISSING:
            given["default"] = self._made_default(model)
        return mapped_column(quoted(self.column or name), self.type_for(model, name), *constraints, **given)

    def type_for(self, model: type, name: str) -> TypeEngine[Any]:
        """Return the type of the column on *model*; those that have a name of their own in the database are named after both."""
        return self.sql_type()

    def read(self, value: Any) -> Any:
        """Return *value* as rows have it.

        Raises:
            ValueError, TypeError: it is none of this field's; the text, if any, says why.
        """
        return value

    def check(self, value: Any) -> Any:
        """Return *value* as rows have it; SQL expressions and None pass as they are.

        Raises:
            ValueRefused: it is none; names model, field and the value's type.
        """
        if value is None or hasattr(value, "__clause_element__") or isinstance(value, sa.ClauseElement):
            return value
        try:
            found = self.read(value)
        except (ValueError, TypeError, ArithmeticError) as error:
            raise self.refusal(value, error.args[0] if error.args and isinstance(error, Refused) else None) from error
        if self.choices is not None and found not in self.choices:
            hint = f"one of {', '.join(map(repr, self.choices[:10]))}"
            raise ValueRefused(f"{self.path}: {self.shown(value)} is none of its choices", hint=hint)
        return found

    @property
    def path(self) -> str:
        """Return ``Choice.votes``."""
        return f"{self.model_name}.{self.name}"

    def shown(self, value: Any) -> str:
        """Return *value* for a message: in quotes, cut at 60 characters, with its type."""
        text = str(value)
        return f"{text if len(text) <= 60 else text[:59] + '…'!r} ({type(value).__name__})"

    def refusal(self, value: Any, why: str | None = None) -> ValueRefused:
        """Return the error for a value that is none."""
        return ValueRefused(f"{self.path}: {self.shown(value)} is not {self.words}", hint=why)

    def _made_default(self, model: type) -> Any:
        default = self.default
        if callable(default):
            return lambda: self.check(default())
        try:
            return self.check(default)
        except ValueRefused as error:
            raise ModelError(f"the default of {error.message}", hint=error.hint) from error

    def _refuse(self, name: str) -> None:
        known = [*OPTIONS, *self.own_options()]
        hint = f"write {SAME[name]}" if name in SAME else nearest(name, known) or f"there are {', '.join(known)}"
        raise ModelError(f"{self.kind} has no option {name!r}", hint=hint)

    @classmethod
    def own_options(cls) -> tuple[str, ...]:
        """Return the names of the options that not every field has."""
        import inspect

        parameters = inspect.signature(cls.__init__).parameters.values()
        kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        return tuple(each.name for each in parameters if each.kind in kinds and each.name not in (*OPTIONS, "self"))


class Refused(ValueError):
    """A value is refused, and its text may be shown to people."""
