"""What a repository has to know of a class of entities: its fields, their types, and how one is made.

Dataclasses, TypedDicts, attrs, pydantic models, msgspec's Structs and SQLAlchemy's mapped classes (``qapla.database.models``, too).
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from qapla.driver.repositories.encoding import UNREADABLE, Decoder, build_pydantic
from qapla.errors import EntityDamaged, EntityRefused, ModelError

Document = dict[str, bytes]  # an entity as stores have it: the JSON of each field, by its name
KINDS = "a dataclass, TypedDict, attrs or pydantic class, msgspec.Struct or mapped class"


class EntityType:
    """A class of entities.

    Args:
        cls: the class.

    Raises:
        ModelError: it is none of the kinds, or has a field whose type cannot be kept.
    """

    def __init__(self, cls: Any) -> None:
        self.cls = cls
        self.name: str = cls.__name__
        self._is_dict = typing.is_typeddict(cls)
        try:
            self._annotations, self.required, self._make = _describe(cls)
            self._decoders = {name: self._decoder(name, annotation) for name, annotation in self._annotations.items()}
        except NameError as error:
            hint = "classes that are made inside of functions cannot be found by their names"
            raise ModelError(f"the types of entity {self.name!r} cannot be read: {error}", hint=hint) from error

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the names of the fields."""
        return tuple(self._annotations)

    def annotation(self, name: str) -> Any:
        """Return the type of the field *name*."""
        return self._annotations[name]

    def holds(self, entity: Any) -> bool:
        """Tell whether *entity* is one of this class."""
        return isinstance(entity, dict) if self._is_dict else isinstance(entity, self.cls)

    def get(self, entity: Any, name: str) -> Any:
        """Return one value of *entity*, None where it has none."""
        return entity.get(name) if self._is_dict else getattr(entity, name, None)

    def write(self, entity: Any, repository: str, key: str) -> Document:
        """Return *entity* as a document.

        Raises:
            EntityRefused: a value would not come back as it was.
        """
        if self._is_dict:
            unknown = entity.keys() - self._annotations.keys()
            if unknown:
                raise EntityRefused(f"entity {self.name!r} has no field {min(unknown)!r}", repository=repository, key=key)
        document: Document = {}
        for name, decoder in self._decoders.items():
            if self._is_dict and name not in entity:
                continue
            try:
                document[name] = decoder.check(entity[name] if self._is_dict else getattr(entity, name))
            except (*UNREADABLE, AttributeError) as error:
                hint = f"its class declares {_named(self._annotations[name])}"
                message = f"field {name!r} of entity {self.name!r} cannot be kept: its value does not fit"
                raise EntityRefused(message, repository=repository, key=key, hint=hint) from error
        return document

    def read(self, document: Mapping[str, bytes], repository: str, key: str) -> Any:
        """Make an entity of a document. A field that the document lacks has its default.

        Raises:
            EntityDamaged: the document is not one of this class.
        """
        try:
            return self._make({name: self._decoders[name].decode(document[name]) for name in self._annotations if name in document})
        except (*UNREADABLE, AttributeError) as error:
            raise EntityDamaged(f"what is kept as {key!r} is no {self.name!r}", repository=repository, key=key) from error

    def read_fields(self, document: Mapping[str, bytes], repository: str, key: str) -> dict[str, Any]:
        """Return the values of a part of a document."""
        try:
            return {name: self._decoders[name].decode(text) for name, text in document.items()}
        except UNREADABLE as error:
            raise EntityDamaged(f"what is kept as {key!r} is no {self.name!r}", repository=repository, key=key) from error

    def make(self, values: dict[str, Any]) -> Any:
        """Make an entity of values."""
        return self._make(values)

    def _decoder(self, name: str, annotation: Any) -> Decoder:
        try:
            return Decoder(annotation)
        except (TypeError, ValueError) as error:
            raise ModelError(f"field {name!r} of entity {self.name!r} is of a type that cannot be kept: {error}") from error


def _describe(cls: Any) -> tuple[dict[str, Any], frozenset[str], Callable[[dict[str, Any]], Any]]:
    """Return the types of the fields, the names of those that must be there, and what makes an entity of values."""
    if hasattr(cls, "__mapper__"):
        return _describe_mapped(cls)
    if typing.is_typeddict(cls):
        return typing.get_type_hints(cls), cls.__required_keys__, partial(_make_dict, cls)
    if dataclasses.is_dataclass(cls):
        hints, fields = typing.get_type_hints(cls), [field for field in dataclasses.fields(cls) if field.init]
        missing = dataclasses.MISSING
        needed = frozenset(field.name for field in fields if field.default is missing and field.default_factory is missing)
        return {field.name: hints[field.name] for field in fields}, needed, partial(_make_object, cls)
    if hasattr(cls, "__attrs_attrs__"):
        return _describe_attrs(cls)
    if hasattr(cls, "__pydantic_fields__"):
        models = cls.__pydantic_fields__
        needed = frozenset(name for name, field in models.items() if field.is_required())
        return {name: field.annotation for name, field in models.items()}, needed, partial(build_pydantic, cls)
    if hasattr(cls, "__struct_fields__"):
        hints = typing.get_type_hints(cls)
        return {name: hints[name] for name in cls.__struct_fields__}, frozenset(), partial(_make_object, cls)
    raise ModelError(f"{getattr(cls, '__name__', cls)!r} cannot be kept in a repository", hint=f"entities are of {KINDS}")


def _describe_attrs(cls: Any) -> tuple[dict[str, Any], frozenset[str], Callable[[dict[str, Any]], Any]]:
    import attrs

    hints, fields = typing.get_type_hints(cls), [field for field in attrs.fields(cls) if field.init]
    aliases = {field.name: field.alias for field in fields}
    needed = frozenset(field.name for field in fields if field.default is attrs.NOTHING)
    make = partial(_make_aliased, cls, aliases)
    return {field.name: hints.get(field.name, Any) for field in fields}, needed, make


def _describe_mapped(cls: Any) -> tuple[dict[str, Any], frozenset[str], Callable[[dict[str, Any]], Any]]:
    import sqlalchemy

    annotations: dict[str, Any] = {}
    for attribute in sqlalchemy.inspect(cls).column_attrs:
        column = attribute.columns[0]
        try:
            kind: Any = column.type.python_type
        except NotImplementedError:
            kind = Any
        annotations[attribute.key] = kind if column.primary_key and not column.autoincrement else kind | None
    return annotations, frozenset(), partial(_make_object, cls)


def _make_object(cls: Any, values: dict[str, Any]) -> Any:
    return cls(**values)


def _make_aliased(cls: Any, aliases: dict[str, str], values: dict[str, Any]) -> Any:
    return cls(**{aliases[name]: value for name, value in values.items()})


def _make_dict(cls: Any, values: dict[str, Any]) -> Any:
    missing = cls.__required_keys__ - values.keys()
    if missing:
        raise ValueError(f"{min(missing)!r} is missing")
    return values


def _named(annotation: Any) -> str:
    return getattr(annotation, "__name__", None) or str(annotation)
