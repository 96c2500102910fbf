"""Every question about warriors, and every change to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from qapla.driver import ReadDriver, WriteDriver
from rotarran.application.db import Battle, Warrior

if TYPE_CHECKING:
    from collections.abc import Sequence


class WarriorReadDriver(ReadDriver[Warrior]):
    """Questions about warriors."""

    model = Warrior

    def most_honoured(self, limit: int = 10) -> Sequence[Warrior]:
        """Return the warriors with the most honour first."""
        return self.session.scalars(select(Warrior).order_by(Warrior.honour.desc(), Warrior.name).limit(limit)).all()


class WarriorWriteDriver(WriteDriver[Warrior]):
    """Changes to warriors."""

    model = Warrior

    def count_honour(self) -> None:
        """Give every warrior one honour per battle won."""
        won = select(func.count()).where(Battle.warrior_id == Warrior.id, Battle.is_won.is_(True)).scalar_subquery()
        self.session.execute(update(Warrior).values(honour=won).execution_options(synchronize_session=False))
