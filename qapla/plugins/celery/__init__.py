"""Work in the background: the same tasks on a Celery broker, or on a bounded pool in the serving process.

Adds      ``app["tasks"]``, a ``qapla.ports.TaskQueue``.
Settings  ``tasks:broker_url``: where the Celery broker is; without it tasks run in this process.
          ``tasks:threads``, ``tasks:queue_size``: of the pool in this process. ``tasks:time_limit_s``: after which a worker kills a task.
Uses      ``app["jobs"]``, a ``qapla.ports.JobStore``, for the progress.

Celery is imported only where a broker is configured.
"""
