"""The drivers, on a real database."""

from __future__ import annotations

from datetime import date

from fixtures import RotarranFixture
from rotarran.application.db import Battle
from rotarran.application.drivers import WarriorReadDriver, WarriorWriteDriver


class TestWarriors(RotarranFixture):
    """Questions and changes."""

    def test_enlisting(self, dbsession):
        """Whoever is enlisted is found by his name."""
        WarriorWriteDriver(dbsession).create(name="Martok")

        assert WarriorReadDriver(dbsession).find_by(name="Martok").rank == "bekk"

    def test_a_clean_slate(self, dbsession):
        """What another test has committed is not there."""
        assert WarriorReadDriver(dbsession).count() == 0

    def test_honour(self, dbsession):
        """A battle that was won counts, one that was lost does not."""
        martok = WarriorWriteDriver(dbsession).create(name="Martok")
        martok.battles += [Battle(place="Cardassia", fought_on=date(2375, 1, day), is_won=day > 1) for day in (1, 2, 3)]
        dbsession.flush()

        WarriorWriteDriver(dbsession).count_honour()

        dbsession.refresh(martok)
        assert martok.honour == 2
