"""Drivers: every question and every change that an application puts to a database, behind methods with names."""
