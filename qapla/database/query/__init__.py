"""What someone asks of a database: one frozen ``Query``, resolved against a schema, compiled to one statement."""
