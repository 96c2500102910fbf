"""sandman2 over the tables of the benchmark: it reflects them and makes the rest by itself."""

import os

from sandman2 import get_app

application = get_app(os.environ["BENCH_URL"])
