"""Work that outlives a request: Celery with a broker, a bounded pool without one."""
