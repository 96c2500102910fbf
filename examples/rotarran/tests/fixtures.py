"""What the tests share: the application, and the database that they work on."""

from rotarran.application.app import RotarranApplication

from qapla.testing import WebFixture


class RotarranFixture(WebFixture):
    """Fixtures ``application``, ``dbplugin``, ``dbsession``, ``web``; what a test does is gone for the next."""

    APP_CLASS = RotarranApplication
    DATABASE_KEY = "main"
