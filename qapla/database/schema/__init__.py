"""What a database looks like: one frozen ``DatabaseSchema``, made by introspection, read by everything else."""
