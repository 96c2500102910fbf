"""Settings of lazydb: ``default``, then the start point, then ``local``."""
