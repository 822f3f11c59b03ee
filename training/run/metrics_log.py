"""The metrics of a run, an epoch a line, in RUN/metrics.jsonl."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from interpret.bundle.atomic_files import write_atomically

FILE = "metrics.jsonl"

EpochMetrics = dict[str, float | int | None]


def read(run: Path) -> list[EpochMetrics]:
    """The metrics of the epochs that are done; none before the first."""
    file = run / FILE
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def write(run: Path, epochs: Sequence[EpochMetrics]) -> None:
    """Replace the file by these epochs, in one step."""
    text = "".join(f"{json.dumps(metrics)}\n" for metrics in epochs)
    write_atomically(run / FILE, text.encode())


def mean_seconds(epochs: Sequence[EpochMetrics]) -> float:
    """Seconds that an epoch took on average, of one or more."""
    return sum(float(metrics["seconds"] or 0) for metrics in epochs) / len(epochs)


def seconds_of(run: Path) -> float:
    """Seconds that the epochs of a run took, over all its interruptions."""
    return sum(float(metrics["seconds"] or 0) for metrics in read(run))


def sentence(metrics: EpochMetrics, epochs: int, seconds_left: float = 0.0) -> str:
    """An epoch's metrics in a line for the log, of a run of `epochs` that has some time to go."""
    valid = metrics["valid_accuracy"]
    left = f"; {spoken(seconds_left)} to go" if seconds_left else ""
    return (
        f"epoch {metrics['epoch']}/{epochs}: loss {metrics['loss']:.3f}{_parts(metrics)}, accuracy "
        f"{metrics['train_accuracy']:.2%} train"
        + ("" if valid is None else f", {valid:.2%} valid")
        + f"; MinSep {metrics['min_sep_deg']:.2f}°; {metrics['images_per_second']:,.0f} images/s"
        + left
    )


def spoken(seconds: float) -> str:
    """A length of time as people say it: 45 seconds, 3 minutes, 2.5 hours."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def _parts(metrics: EpochMetrics) -> str:
    """The parts of a loss that may fall below zero, so that it is not taken for an error: the
    cross-entropy, whose fall tells of progress, and the push, said once to be negative by design.
    """
    pushes = [float(v or 0) for name, v in metrics.items() if name.startswith("negative")]
    if not pushes:
        return ""
    why = ", below zero by design: it grows as classes part" if metrics["epoch"] == 1 else ""
    return f" (cross-entropy {metrics['cross_entropy']:.3f}; push {sum(pushes):.3f}{why})"
