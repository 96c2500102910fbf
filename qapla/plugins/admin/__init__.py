"""Screens to browse and edit every database in the catalog."""
