"""qapla.plugins.metrics.prometheus: numbers whose memory is bounded"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from qapla.errors import ConfigurationError
from qapla.plugins.metrics.prometheus import PrometheusMetrics


@pytest.fixture
def metrics():
    """Give a backend that tells three combinations of tags apart."""
    return PrometheusMetrics("shop", series=3)


def lines(metrics):
    """Return the samples of counters, histograms' counts and gauges, without comments."""
    text = metrics.render()[0].decode()
    return [line for line in text.splitlines() if not line.startswith("#") and "_bucket" not in line and "_created" not in line]


def test_kinds(metrics):
    """What is counted, timed and set is shown under its name."""
    metrics.increment("sales", 2, kind="book")
    metrics.observe("sale_seconds", 0.25)
    metrics.set("stock.level", 7)

    assert lines(metrics) == [
        'shop_sales_total{kind="book"} 2.0',
        "shop_sale_seconds_count 1.0",
        "shop_sale_seconds_sum 0.25",
        "shop_stock_level 7.0",
    ]


def test_tags_without_end_are_counted_together(metrics):
    """However many values a tag has, what is kept is bounded, and nothing is lost from the sum."""
    for number in range(100):
        metrics.increment("visits", page=f"/{number}", method="GET")

    found = lines(metrics)
    assert len(found) == 4
    assert found[-1] == 'shop_visits_total{method="other",page="other"} 97.0'


def test_long_values_are_cut(metrics):
    """A value of a tag is a word and no document."""
    metrics.increment("visits", page="x" * 10_000)

    assert len(lines(metrics)[0]) < 300


@pytest.mark.parametrize("tags", [{}, {"page": "a", "method": "GET"}, {"method": "GET"}])
def test_other_tags_are_refused(metrics, tags):
    """A metric has the same tags each time."""
    metrics.increment("visits", page="/")

    with pytest.raises(ConfigurationError, match=r"metric 'visits' has the tags \['page'\]"):
        metrics.increment("visits", **tags)


def test_one_name_is_one_kind(metrics):
    """A counter cannot be set."""
    metrics.increment("visits")

    with pytest.raises(ConfigurationError, match="metric 'visits' is a counter, not a gauge"):
        metrics.set("visits", 1)


def test_name_that_is_taken(metrics):
    """Two names that are one for Prometheus are refused when the second is first used."""
    metrics.set("a.b", 1)

    with pytest.raises(ConfigurationError, match="metric 'a_b' cannot be made"):
        metrics.set("a_b", 1)


def test_processes_answer_together(tmp_path):
    """With a folder for their files, each process of a server tells the numbers of all; a gauge is told apart by process."""
    program = textwrap.dedent("""
        import os
        from qapla.plugins.metrics.prometheus import PrometheusMetrics
        metrics = PrometheusMetrics("shop")
        metrics.increment("sales")
        for number in (1, 2):
            if not (child := os.fork()):
                metrics.increment("sales", number)
                metrics.set("stock", number)
                os._exit(0)
            os.waitpid(child, 0)
        print(metrics.render()[0].decode())
    """)
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)

    assert "shop_sales_total 4.0" in done.stdout
    assert done.stdout.count("shop_stock{") == 2
