"""``default`` always; ``tests`` for tests; ``local``, which belongs to one machine, last and never over ``tests``."""
