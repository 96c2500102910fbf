"""``python -m qapla``: the ``qapla`` command."""

from qapla.cli import main

if __name__ == "__main__":  # else a worker that was spawned imports it
    main()
