"""Models: classes whose rows are saved to, and read from, the databases that are open.

::

    from qapla.database import models
    from qapla.database.drivers import Sqlite

    class Question(models.Model):
        question_text = models.Char(max_length=200)
        pub_date = models.DateTime()
"""

from __future__ import annotations

from qapla.database.models.field import Field
from qapla.database.models.fields import (
    GUID,
    IP,
    JSON,
    UUID,
    Binary,
    Boolean,
    Char,
    Date,
    DateTime,
    Decimal,
    Enum,
    Float,
    Integer,
    Other,
    PrimaryKey,
    Text,
    Time,
    Timestamp,
    Varchar,
)
from qapla.database.models.links import ForeignKey
from qapla.database.models.manager import BaseManager
from qapla.database.models.middle import ManyToMany
from qapla.database.models.model import Model, bound_of
from qapla.database.models.native import Native, make_types
from qapla.database.models.objects import BaseModel, InvalidQueryError, MultipleResults, NotFoundError
from qapla.database.models.password import Password

__all__ = [
    "GUID",
    "IP",
    "JSON",
    "UUID",
    "BaseManager",
    "BaseModel",
    "Binary",
    "Boolean",
    "Char",
    "Date",
    "DateTime",
    "Decimal",
    "Enum",
    "Field",
    "Float",
    "ForeignKey",
    "Integer",
    "InvalidQueryError",
    "ManyToMany",
    "Model",
    "MultipleResults",
    "Native",
    "NotFoundError",
    "Other",
    "Password",
    "PrimaryKey",
    "Text",
    "Time",
    "Timestamp",
    "Varchar",
    "bound_of",
    "make_types",
]
