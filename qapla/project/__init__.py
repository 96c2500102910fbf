"""``qapla startproject``: an application to begin with, which runs and has a model, a migration, controllers, a task and tests."""
