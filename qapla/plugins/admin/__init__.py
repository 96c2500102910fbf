"""The admin: every served database as pages, made by the server, usable without JavaScript.

``pages.py`` renders templates, ``listing.py`` reads and prints the address of a list, ``forms.py`` and ``widgets.py`` make an edit
form of a table, ``views/`` are the pages. Nothing here builds SQL: a page is a ``Query`` and a driver.
"""
