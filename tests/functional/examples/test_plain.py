"""examples/plain: a Pyramid application that includes only the database part"""

from __future__ import annotations

SCRIPT = """
from pyramid.paster import get_app
from webtest import TestApp

web = TestApp(get_app("development.ini"))
for word in ("qapla", "batlh"):
    web.post("/words", {"word": word})
print(web.get("/words").json)
"""


def test_words(make_example, fresh_database):
    """Through PasteDeploy, with the URL in Pyramid's settings: what one request commits, the next one reads."""
    example = make_example("plain")
    settings = (example.folder / "development.ini").read_text()
    url = fresh_database.render_as_string(hide_password=False)
    (example.folder / "development.ini").write_text(settings.replace("sqlite:///%(here)s/words.sqlite", url))
    (example.folder / "ask.py").write_text(SCRIPT)

    assert "['batlh', 'qapla']" in example.run("ask")
