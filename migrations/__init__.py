"""Alembic migrations of lazydb, one folder per database of its own."""
