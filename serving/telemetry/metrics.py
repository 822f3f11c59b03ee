"""The numbers at /metrics, for Prometheus: summed over all workers, a bounded number of series.

BentoML's own HTTP metrics are off: every path that anyone ever asked for becomes a label there.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import time
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
    values,
)

from interpret.explain.answers import Classification, ModelInfo
from serving.telemetry.later import later

FOLDER = "DPNP_METRICS_FOLDER"  # set by the parent for its workers, not by users
_MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's own

FAST = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.5, 1, 2, 5, 10)
_SHARES = (0.01, 0.05, *(i / 10 for i in range(1, 10)), 0.95, 0.99, 1.0)
_PROC = Path("/proc")
_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64)


def share_folder() -> None:
    """Make the folder through which several workers share their numbers. Their parent calls it.

    A lone worker needs no folder: it counts in memory, which is faster. BentoML's own folder will
    not do: all servers of a user share it, and each that starts empties it.
    """
    folder = tempfile.mkdtemp(prefix="dpnp-metrics-")
    os.environ[FOLDER] = folder
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


class Observed:
    """A histogram, or one of its series, whose values are counted a little later, many at once."""

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram

    def observe(self, value: float) -> None:
        """Count one value."""
        later().put(self.count, value)

    def time(self) -> Stopwatch:
        """Count the seconds of what is done inside of its `with`."""
        return Stopwatch(self)

    def count(self, values: Sequence[float]) -> None:
        """Count many values at once, which prometheus_client has no way to do: it would take two
        locks, and go through the bounds, for each.
        """
        own = self._histogram
        found = Tally(map(partial(bisect_left, own._upper_bounds), values))
        own._sum.inc(sum(values))
        for bucket, number in found.items():
            own._buckets[bucket].inc(number)


class Stopwatch:
    """What `Observed.time` returns. A class: a generator's context manager takes twice as long."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._observed.observe(time.perf_counter() - self._start)


class ObservedBy:
    """A histogram with a series for each value of its label."""

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._series: dict[str, Observed] = {}

    def count(self, labelled: Sequence[tuple[str, float]]) -> None:
        """Count many values at once, each under its label."""
        values: dict[str, list[float]] = {}
        for label, value in labelled:
            values.setdefault(label, []).append(value)
        for label, own in values.items():
            if label not in self._series:
                self._series[label] = Observed(self._histogram.labels(label))
            self._series[label].count(own)


class Metrics:
    """The service's metrics, made once in a process."""

    def __init__(self) -> None:
        if FOLDER in os.environ:
            os.environ[_MULTIPROCESS] = os.environ[FOLDER]
        elif "BENTOML_CONFIG" not in os.environ:
            # BentoML has every worker count in files, for metrics of its own that are off here. It
            # takes three times as long.
            values.ValueClass = values.MutexValue
        self._registry = CollectorRegistry()
        counter = partial(Counter, registry=self._registry)
        gauge = partial(Gauge, registry=self._registry)
        histogram = partial(Histogram, registry=self._registry)
        self._requests = counter("dpnp_requests", "Answered requests", ["endpoint", "status"])
        self._request_seconds = ObservedBy(
            histogram(
                "dpnp_request_seconds",
                "From a request's head to the end of its answer",
                ["endpoint"],
                buckets=FAST,
            )
        )
        stage = histogram(
            "dpnp_stage_seconds", "Where the time of a request goes", ["stage"], buckets=FAST
        )
        self.upload, self.queue, self.decode, self.inference = (
            Observed(stage.labels(name)) for name in ("upload", "queue", "decode", "inference")
        )
        self.batch = Observed(
            histogram("dpnp_batch_pictures", "Pictures in an inference", buckets=_SIZES)
        )
        self._predictions = counter(
            "dpnp_predictions", "Answers by class and verdict", ["label", "verdict"]
        )
        self._distance, self._margin = (
            ObservedBy(
                histogram(
                    f"dpnp_{name}_rank",
                    f"Share of the class's training images with a smaller {name}",
                    ["label"],
                    buckets=_SHARES,
                )
            )
            for name in ("distance", "margin")
        )
        self._drift = gauge(
            "dpnp_drift",
            "Kolmogorov-Smirnov distance of the latest distance ranks from an even spread",
            ["label"],
            multiprocess_mode="livemax",
        )
        self._scored: set[str] = set()
        self._workers = gauge(
            "dpnp_bundle_workers",
            "Workers that serve this bundle",
            ["name", "fingerprint"],
            multiprocess_mode="livesum",
        )
        self.reloads = counter("dpnp_reloads", "Bundles read anew, by outcome", ["outcome"])

    def serving(self, new: ModelInfo, old: ModelInfo | None) -> None:
        """Note that this worker serves `new` from now on, and `old` no longer."""
        later().flush()  # the answers of `old`
        if old is not None:
            self._workers.labels(old.name, old.fingerprint).set(0)
            for label in self._scored:
                self._drift.labels(label).set(0)
        self._workers.labels(new.name, new.fingerprint).set(1)

    def answered(
        self, answers: Sequence[Classification], ranks: Sequence[tuple[float, float] | None]
    ) -> None:
        """Count answers, each with the ranks of its distance and margin if its class has any."""
        kinds = Tally((answer.label, answer.verdict) for answer in answers)
        for (label, verdict), number in kinds.items():
            self._predictions.labels(label, verdict).inc(number)
        ranked = [
            (answer.label, own)
            for answer, own in zip(answers, ranks, strict=True)
            if own is not None
        ]
        self._distance.count([(label, distance) for label, (distance, _) in ranked])
        self._margin.count([(label, margin) for label, (_, margin) in ranked])

    def drifted(self, label: str, score: float) -> None:
        """Tell the drift score of a class."""
        self._scored.add(label)
        self._drift.labels(label).set(score)

    def ended(self, requests: Sequence[tuple[str, int, float]]) -> None:
        """Count requests: endpoint, status (0: the client went away before its answer), seconds."""
        kinds = Tally((endpoint, status) for endpoint, status, _ in requests)
        for (endpoint, status), number in kinds.items():
            self._requests.labels(endpoint, status or "none").inc(number)
        self._request_seconds.count([(endpoint, seconds) for endpoint, _, seconds in requests])

    def text(self) -> bytes:
        """The numbers of all workers in Prometheus's text format.

        Those of the others may be `later.SECONDS` old.
        """
        later().flush()
        if FOLDER not in os.environ:
            return generate_latest(self._registry)
        folder = os.environ[FOLDER]
        for pid in {file.stem.rpartition("_")[2] for file in Path(folder).glob("gauge_live*.db")}:
            if _PROC.is_dir() and not (_PROC / pid).exists():  # a worker that was killed
                _forget(int(pid), folder)
        registry = CollectorRegistry()
        _gather(registry, folder)
        return generate_latest(registry)


# prometheus_client has no types for these two.
_forget: Callable[[int, str], None] = multiprocess.mark_process_dead
_gather: Callable[[CollectorRegistry, str], object] = multiprocess.MultiProcessCollector


@cache
def metrics() -> Metrics:
    """The metrics of this process."""
    return Metrics()
