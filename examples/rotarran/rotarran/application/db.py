"""What is kept: warriors, and the battles they fought."""

from __future__ import annotations

from datetime import date

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Model(DeclarativeBase):
    """The base of every model."""


class Warrior(Model):
    """Somebody who serves on the ship."""

    __tablename__ = "warrior"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    rank: Mapped[str] = mapped_column(String(50), default="bekk")
    honour: Mapped[int] = mapped_column(default=0)
    battles: Mapped[list[Battle]] = relationship(back_populates="warrior", order_by="Battle.fought_on")


class Battle(Model):
    """One fight of one warrior, and how it ended."""

    __tablename__ = "battle"

    id: Mapped[int] = mapped_column(primary_key=True)
    warrior_id: Mapped[int] = mapped_column(ForeignKey("warrior.id"))
    place: Mapped[str] = mapped_column(String(100))
    fought_on: Mapped[date]
    is_won: Mapped[bool]
    warrior: Mapped[Warrior] = relationship(back_populates="battles")
