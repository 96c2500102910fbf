"""Fields of numbers."""

from __future__ import annotations

import decimal
import math
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from qapla.database.models import types
from qapla.database.models.field import Field, Refused
from qapla.errors import ModelError

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

BITS = {16: sa.SmallInteger, 32: sa.Integer, 64: sa.BigInteger}
KEY_TYPE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite numbers rows by itself in an INTEGER only


class Integer(Field):
    """A whole number.

    Args:
        bits: 16, 32 or 64: how large it may be.
        unsigned: without a sign, for MariaDB and MySQL; others ignore it in the column, and check it in Python.
    """

    words = "a whole number"

    def __init__(self, *, bits: int = 32, unsigned: bool = False, autoincrement: bool | None = None, **options: Any) -> None:
        super().__init__(**options)
        if bits not in BITS:
            raise ModelError(f"Integer of {bits!r} bits is not offered", hint="bits=16, 32 or 64")
        self.bits, self.unsigned, self.autoincrement = bits, unsigned, autoincrement

    def sql_type(self) -> TypeEngine[Any]:
        """Return the integer type of that size."""
        found: TypeEngine[Any] = BITS[self.bits]()
        if self.unsigned:
            unsigned = {16: mysql.SMALLINT, 32: mysql.INTEGER, 64: mysql.BIGINT}[self.bits](unsigned=True)
            return found.with_variant(unsigned, "mysql", "mariadb")
        if self.primary_key and self.bits == 64:
            return KEY_TYPE
        return found

    def make_column(self, model: type, name: str, *constraints: Any, **options: Any) -> Any:
        """Return the mapped column; a key made of several columns is not numbered by the database."""
        if self.autoincrement is not None:
            options["autoincrement"] = self.autoincrement
        return super().make_column(model, name, *constraints, **options)

    def read(self, value: Any) -> int:
        """Return a whole number that fits; also from text of digits, never from a float with a fraction."""
        if isinstance(value, bool):
            raise Refused("true and false are none; see Boolean")
        number = value if isinstance(value, int) else int(value) if isinstance(value, str) else _whole(value)
        low, high = (0, 2**self.bits - 1) if self.unsigned else (-(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1)
        if not low <= number <= high:
            raise Refused(f"from {low} to {high}; bits=64 takes more" if self.bits < 64 else f"from {low} to {high}")
        return number


class PrimaryKey(Integer):
    """The number of a row, made by the database. A model without any primary key gets one that is called ``id``."""

    def __init__(self, *, bits: int = 64, **options: Any) -> None:
        super().__init__(bits=bits, primary_key=options.pop("primary_key", True), **options)


class Float(Field):
    """A number as floating point, with about 15 digits; not for money, see Decimal."""

    words = "a number"

    def sql_type(self) -> TypeEngine[Any]:
        """Return double precision."""
        return sa.Double()

    def read(self, value: Any) -> float:
        """Return a finite number: infinity and NaN are not the same on every engine, and most have none."""
        if isinstance(value, bool):
            raise Refused("true and false are none; see Boolean")
        number = float(value)
        if not math.isfinite(number):
            raise Refused("infinity and NaN are not kept by every engine; use None")
        return number


class Decimal(Field):
    """A number with exact digits.

    Args:
        precision: how many digits it has; ``max_digits`` is the same.
        scale: how many of them are behind the point; ``decimal_places`` is the same.
    """

    words = "a decimal number"

    def __init__(
        self,
        precision: int | None = None,
        scale: int | None = None,
        *,
        max_digits: int | None = None,
        decimal_places: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.precision = precision if precision is not None else max_digits if max_digits is not None else 18
        self.scale = scale if scale is not None else decimal_places if decimal_places is not None else min(6, self.precision)
        if not 1 <= self.precision <= 65 or not 0 <= self.scale <= min(30, self.precision):
            raise ModelError(f"Decimal({self.precision}, {self.scale}) is not offered", hint="1 to 65 digits, at most 30 behind the point")

    def sql_type(self) -> TypeEngine[Any]:
        """Return the exact type of that size; on SQLite, which has none, text."""
        return types.ExactDecimal(self.precision, self.scale)

    def read(self, value: Any) -> decimal.Decimal:
        """Return a finite number that loses no digit; a float is read as it is printed."""
        if isinstance(value, bool):
            raise Refused("true and false are none; see Boolean")
        number = value if isinstance(value, decimal.Decimal) else decimal.Decimal(str(value) if isinstance(value, float) else value)
        if not number.is_finite():
            raise Refused("infinity and NaN are not kept by every engine; use None")
        with decimal.localcontext() as context:
            context.prec = 200
            rounded = number.quantize(decimal.Decimal(1).scaleb(-self.scale))
        if rounded != number or rounded.adjusted() >= self.precision - self.scale:
            raise Refused(f"at most {self.precision} digits, {self.scale} of them behind the point")
        return rounded


def _whole(value: Any) -> int:
    number = int(value)
    if number != value:
        raise Refused("it has a fraction")
    return number
