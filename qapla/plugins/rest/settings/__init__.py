"""Settings of a program that serves its models: none is needed, and ``QAPLA__…`` in the environment wins over these."""
