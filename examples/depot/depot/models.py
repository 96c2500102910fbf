"""A base of models per database."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, DateTime, Numeric, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class OrdersModel(DeclarativeBase):
    """What is kept in ``orders``."""


class StockModel(DeclarativeBase):
    """What is kept in ``stock``."""


class PricesModel(DeclarativeBase):
    """What is kept in ``prices``."""


class Order(OrdersModel):
    """Somebody wants some of an article."""

    __tablename__ = "order"

    id: Mapped[int] = mapped_column(primary_key=True)
    article: Mapped[str] = mapped_column(String(50))
    count: Mapped[int]
    total: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    ordered_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))


class Shelf(StockModel):
    """How many of an article are there; never less than none."""

    __tablename__ = "shelf"
    __table_args__ = (CheckConstraint("count >= 0", name="shelf_has_enough"),)

    article: Mapped[str] = mapped_column(String(50), primary_key=True)
    count: Mapped[int]


class Price(PricesModel):
    """What one of an article costs."""

    __tablename__ = "price"

    article: Mapped[str] = mapped_column(String(50), primary_key=True)
    amount: Mapped[Decimal] = mapped_column(Numeric(12, 2))
