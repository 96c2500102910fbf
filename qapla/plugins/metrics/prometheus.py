"""A ``MetricsBackend`` for Prometheus. The only module that imports its client.

Numbers with tags that nobody bounds would fill the memory of whoever keeps them. Here a metric has at most so many combinations of
tags; everything beyond is counted under ``other``.
"""

from __future__ import annotations

import os
import re
import threading
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from qapla.errors import ConfigurationError

if TYPE_CHECKING:
    from prometheus_client.metrics import MetricWrapperBase

OTHER = "other"
SERIES = 1000
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
LONGEST = 200
_NO_NAME = re.compile(r"[^A-Za-z0-9_]")


class PrometheusMetrics:
    """Counters, histograms and gauges of Prometheus, made when they are first used.

    Args:
        prefix: what every name begins with.
        series: at most so many combinations of tags in one metric.
    """

    def __init__(self, prefix: str = "qapla", series: int = SERIES) -> None:
        self._prefix = prefix
        self._series = series
        self._registry = CollectorRegistry()
        self._metrics: dict[str, Metric] = {}
        self._lock = threading.RLock()  # what ends in the collector while it is held may count, too

    def increment(self, name: str, value: float = 1, **tags: str) -> None:
        """Add *value* to a counter."""
        self._find(name, Counter, tags).child(tags).inc(value)

    def observe(self, name: str, seconds: float, **tags: str) -> None:
        """Record one duration, in seconds."""
        self._find(name, Histogram, tags).child(tags).observe(seconds)

    def set(self, name: str, value: float, **tags: str) -> None:
        """Say what something that goes up and down is now."""
        self._find(name, Gauge, tags).child(tags).set(value)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Return all numbers, and their content type, in the format that *accept*, a header, prefers."""
        registry = self._registry
        if FOLDER in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)
        encode, content_type = choose_encoder(accept)
        return encode(registry), content_type

    def close(self) -> None:
        """Take the gauges of this process away from those of its siblings."""
        if FOLDER in os.environ:
            mark_process_dead(os.getpid())

    def _find(self, name: str, kind: type[MetricWrapperBase], tags: dict[str, str]) -> Metric:
        metric = self._metrics.get(name)
        if metric is None:
            with self._lock:
                metric = self._metrics.get(name)
                if metric is None:
                    metric = self._metrics[name] = self._make(name, kind, tuple(tags))
        if metric.kind is not kind:
            problem = f"is a {metric.kind.__name__.lower()}, not a {kind.__name__.lower()}"
            raise ConfigurationError(f"metric {name!r} {problem}", hint="use another name")
        return metric

    def _make(self, name: str, kind: type[MetricWrapperBase], tags: tuple[str, ...]) -> Metric:
        options: dict[str, Any] = {"multiprocess_mode": "liveall"} if kind is Gauge else {}
        full = _NO_NAME.sub("_", f"{self._prefix}_{name}" if self._prefix else name)
        try:
            made = kind(full, name.replace("_", " ").capitalize() + ".", tags, registry=self._registry, **options)
        except ValueError as error:  # a name that is taken, a tag that Prometheus keeps for itself
            raise ConfigurationError(f"metric {name!r} cannot be made: {error}", hint="use another name") from error
        return Metric(name, kind, tags, made, self._series)


class Metric:
    """One metric, and those combinations of its tags that are counted apart."""

    def __init__(self, name: str, kind: type[MetricWrapperBase], tags: tuple[str, ...], made: MetricWrapperBase, series: int) -> None:
        self.kind = kind
        self._name = name
        self._tags = tags
        self._made = made
        self._series = series
        self._children: dict[tuple[str, ...], Any] = {}
        self._lock = threading.RLock()

    def child(self, tags: dict[str, str]) -> Any:
        """Return what counts for *tags*.

        Raises:
            ConfigurationError: the metric has other tags.
        """
        try:
            values = tuple([tags[tag] for tag in self._tags])
        except KeyError:
            values = None
        if values is None or len(values) != len(tags):
            raise ConfigurationError(f"metric {self._name!r} has the tags {list(self._tags)}, not {list(tags)}", hint="use another name")
        return self._children.get(values) or self._add(values)

    def _add(self, values: tuple[str, ...]) -> Any:
        with self._lock:
            if values not in self._children and len(self._children) >= self._series:
                values = (OTHER,) * len(values)
            if values not in self._children:
                self._children[values] = self._made.labels(*(str(value)[:LONGEST] for value in values)) if values else self._made
            return self._children[values]
