"""``lazydb export-project``: an application out of a database that is there, with its models, migrations, drivers, REST API and tests."""
