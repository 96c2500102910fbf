"""The page that Flask-Philo's models and pool were promised on: every block of code on it, run as it is written, on every engine, twice.

The blocks are kept to the letter, but for the modules that they import from and the addresses of their databases. Where a block ends in a
parenthesis too many, it is taken away.
"""

from __future__ import annotations

from textwrap import dedent

import pytest

from qapla.database.pool import get_pool, init_pool
from qapla.errors import NothingPending
from qapla.testing.servers import ENGINE_NAMES, make_database

SETTINGS = """
    DATABASES = {
        'POSTGRESQL': {
            'DEFAULT': 'postgresql://user:password@host:port/database_name',
        },
    }
"""

MODELS = """
    from qapla.database.models import BaseModel

    from sqlalchemy import Column, ForeignKey, Integer, String
    from sqlalchemy.orm import relationship


    class Artist(BaseModel):
        __tablename__ = 'artist'
        name = Column(String(256))
        description = Column(String(256))
        albums = relationship('Album', backref='artist')
        genre_id = Column(Integer, ForeignKey('genre.id'))


    class Album(BaseModel):
        __tablename__ = 'album'
        name = Column(String(256))
        description = Column(String(256))
        artist_id = Column(Integer, ForeignKey('artist.id'))


    class Genre(BaseModel):
        __tablename__ = 'genre'
        name = Column(String(256))
        description = Column(String(256))
"""

POOL = """
      from qapla.database.pool import get_pool
      pool = get_pool()
"""

QUERIES = """
        rock = Genre(name='Rock', description='rock yeah!!!')
        rock.add()
        pool.commit()
        pink = Artist(
            genre_id=rock.id, name='Pink Floyd', description='Awsome')
        pink.add()
        pool.commit()
        dark = Album(
            artist_id=pink.id, name='Dark side of the moon',
            description='Interesting')
        dark.add()
        pool.commit()
        rolling = Artist(
            genre_id=rock.id, name='Rolling Stones',
            description='Acceptable')

        rolling.add()
        pool.commit()

        hits = Album(
            artist_id=rolling.id, name='Greatest hits',
            description='Interesting')
        hits.add()
        pool.commit()
        assert 2 == Album.objects.count()

        wall = Album(
            artist_id=pink.id, name='The Wall',
            description='Interesting')
        wall.add()
        pool.commit()
        assert 2 == len(pink.albums)
        assert 2 == len(Artist.objects.filter_by(genre_id=rock.id)[:])
"""

SEVERAL = """
 DATABASES = {
     'POSTGRESQL': {
         'DEFAULT': 'postgresql://user:password@host:port/database_name',
         'MUSIC_CATALOG': 'postgresql://user:password@host:port/songs_database_name',
     }
 }
"""

MISTAKE = """
        rock = Genre(name='Rock', description='rock yeah!!!')
        rock.add()
        pool.commit(connection_name='MUSIC_CATALOG')
"""

DEFAULT_URL = "postgresql://user:password@host:port/database_name"
CATALOG_URL = "postgresql://user:password@host:port/songs_database_name"
ODD = {"Rock": "100% 'Röck' %s %(name)s", "Pink Floyd": 'P"ink; -- \\\\ 🎸', "The Wall": ":wall {} 壁"}


class Page:
    """A program that has the page's blocks in it, on databases of its own."""

    def __init__(self, urls):
        self.urls = {DEFAULT_URL: urls[0], CATALOG_URL: urls[1]}
        self.names = {"__name__": "flask_philo_page"}

    def run(self, block):
        for text, url in self.urls.items():
            block = block.replace(f"'{text}'", repr(url))
        exec(compile(dedent(block), "flask-philo.rst", "exec"), self.names)

    def start(self, settings):
        """Do what a program does with the settings of the page, before it uses its databases."""
        self.run(settings)
        pool = init_pool({"DATABASES": self.names["DATABASES"]})
        self.run(MODELS)
        self.run(POOL)
        pool.drop_tables()
        pool.create_tables()

    def __getattr__(self, name):
        return self.names[name]


@pytest.fixture(scope="module", params=ENGINE_NAMES)
def urls(request):
    with make_database(request.param) as default, make_database(request.param) as catalog:
        yield [url.render_as_string(hide_password=False) for url in (default, catalog)]


@pytest.fixture
def page(urls):
    yield Page(urls)
    get_pool().dispose()


def test_models(page):
    """*Creating Database Models*: each model is a mapped class with an id and two times, its relations in both directions."""
    page.run(MODELS)

    assert list(page.Genre.__table__.columns.keys()) == ["id", "name", "description", "created_at", "updated_at"]
    assert page.Album(artist=page.Artist(name="Nina Hagen")).artist.name == "Nina Hagen"


def test_queries(page):
    """*Postgresql Connection Pool*: rows are added, committed by hand, counted, followed and filtered; twice on the same databases."""
    for _ in range(2):
        page.start(SETTINGS)
        page.run(QUERIES)

    assert [album.name for album in page.Album.objects.filter_by()] == ["Dark side of the moon", "Greatest hits", "The Wall"]


def test_odd_values(page):
    """The same with quotes, percent signs, placeholders and any script in the values."""
    page.start(SETTINGS)
    block = QUERIES
    for name, odd in ODD.items():
        block = block.replace(f"'{name}'", repr(odd))

    page.run(block)

    page.pool.close()
    assert page.Genre.objects.get(name=ODD["Rock"]).name == ODD["Rock"]
    assert page.Artist.objects.filter_by(name=ODD["Pink Floyd"]).first().albums[1].name == ODD["The Wall"]
    found = page.Album.objects.raw_sql("SELECT id, '50%' AS half FROM album WHERE name = :name", name=ODD["The Wall"]).fetchone()
    assert (found.id, found.half) == (3, "50%")


def test_several_databases(page):
    """*Using multiple Postgresql databases*: each connection has its tables, its rows and its commit."""
    for _ in range(2):
        page.start(SEVERAL)
        page.run(QUERIES)
        page.Genre(name="Rock", description="of the catalog").add(connection_name="MUSIC_CATALOG")
        page.pool.commit(connection_name="MUSIC_CATALOG")

    assert page.Genre.objects.get(name="Rock", connection_name="MUSIC_CATALOG").description == "of the catalog"
    assert page.Genre.objects.get(name="Rock").description == "rock yeah!!!"
    assert (page.Album.objects.count(), page.Album.objects.count(connection_name="MUSIC_CATALOG")) == (3, 0)


def test_mistake(page):
    """The page's last block adds to DEFAULT and commits MUSIC_CATALOG: the error names both, and nothing is lost by it."""
    page.start(SEVERAL)

    with pytest.raises(NothingPending, match="nothing to commit on connection 'MUSIC_CATALOG', but there is on 'DEFAULT'"):
        page.run(MISTAKE)

    page.pool.commit()
    page.pool.close()
    assert [page.Genre.objects.count(connection_name=name) for name in page.pool.connections] == [1, 0]


def test_mistake_put_right(page):
    """The same block, with the row added where it is committed."""
    page.start(SEVERAL)

    page.run(MISTAKE.replace("rock.add()", "rock.add(connection_name='MUSIC_CATALOG')"))

    page.pool.close()
    assert [page.Genre.objects.count(connection_name=name) for name in page.pool.connections] == [0, 1]
