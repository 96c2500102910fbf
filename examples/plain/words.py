"""A list of words: plain Pyramid, with sessions of qapla's."""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator
from pyramid.view import view_config
from sqlalchemy import text


def make_application(global_config: dict[str, str], **settings: str) -> Any:
    """Make the WSGI application. Every ``qapla.db.<name>.url`` among the settings becomes ``request.<name>``."""
    with Configurator(settings=settings) as config:
        config.include("qapla.database.web")
        config.add_route("words", "/words")
        config.scan()
        return config.make_wsgi_app()


@view_config(route_name="words", request_method="GET", renderer="json")
def list_words(request: Any) -> list[str]:
    """Answer all words in their order."""
    make_table(request)
    return list(request.main.scalars(text("SELECT word FROM words ORDER BY word")))


@view_config(route_name="words", request_method="POST", renderer="json")
def add_word(request: Any) -> str:
    """Add a word; the session is the request's, and committed by hand."""
    make_table(request)
    word = request.POST["word"]
    request.main.execute(text("INSERT INTO words VALUES (:word)"), {"word": word})
    request.main.commit()
    return word


def make_table(request: Any) -> None:
    """Make the table where there is none."""
    request.main.execute(text("CREATE TABLE IF NOT EXISTS words (word VARCHAR(100))"))
