"""For any WSGI server: ``rotarran.wsgi:application``."""

from rotarran import main

application = main.run_uwsgi()
