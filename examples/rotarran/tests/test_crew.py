"""The crew over HTTP, through the whole application."""

from __future__ import annotations

from fixtures import RotarranFixture


class TestCrew(RotarranFixture):
    """Pages, and the task behind one of them."""

    def test_enlisting(self, web):
        """Whoever is enlisted is on the list."""
        web.post_json("/crew", {"name": "Worf"}, status=201)

        assert [warrior["name"] for warrior in web.get("/crew").json] == ["Worf"]

    def test_nobody(self, web):
        """A name is needed."""
        web.post_json("/crew", {"name": "  "}, status=400)

        assert web.get("/crew").json == []

    def test_a_battle(self, web):
        """A battle that is won brings honour, counted by a task once the battle is committed."""
        worf = web.post_json("/crew", {"name": "Worf"}, status=201).json["id"]

        web.post_json(f"/crew/{worf}/battles", {"place": "Ty'Gokor", "on": "2373-11-04", "won": True}, status=201)

        found = web.get(f"/crew/{worf}").json
        assert found["honour"] == 1
        assert found["battles"] == [{"place": "Ty'Gokor", "on": "2373-11-04", "won": True}]

    def test_a_stranger(self, web):
        """Nobody of that number serves here."""
        assert "no Warrior" in web.get("/crew/99", status=404).json["message"]
