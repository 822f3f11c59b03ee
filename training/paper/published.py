"""The figures that the paper printed, from the table published.csv beside this file."""

from __future__ import annotations

import csv
import functools
from importlib import resources

from training.paper.protocol import Setting


def published(setting: Setting, method: str, measure: str) -> float | None:
    """The paper's figure for a cell; accuracy as a fraction. None where it has none."""
    value = _table().get((setting.key, method, measure))
    return value / 100 if value is not None and measure == "accuracy" else value


@functools.cache
def _table() -> dict[tuple[str, str, str], float]:
    text = (resources.files("training.paper") / "published.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {
        (row["setting"], row["method"], row["measure"]): float(row["value"])
        for row in rows
        if row["value"]
    }
