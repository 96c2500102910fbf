"""The WSGI application, ``lazydb.wsgi:application``, for Granian or any other WSGI server."""

from lazydb.application import main

application = main.run_uwsgi()
