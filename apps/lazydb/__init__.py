"""lazydb: point it at a database and there is a REST API and an admin for it."""
