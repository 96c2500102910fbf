"""Databases in a Pyramid application: ``request.<name>`` for declared ones, ``request.databases[name]`` for any."""
