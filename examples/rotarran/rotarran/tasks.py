"""What is done in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import shared_task

from qapla.database.decorators import WithDatabase
from rotarran import main as app
from rotarran.application.drivers import WarriorWriteDriver

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@shared_task
@WithDatabase(app, "main")
def count_honour(main: Session) -> None:
    """Count anew what every warrior has won; to do it twice does no harm."""
    WarriorWriteDriver(main).count_honour()
    main.commit()
