"""Is DPNP's accuracy another than a rival's? Both answered the same test pictures, so the
differences are taken picture by picture: that is sharper than two intervals side by side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from training.config.method_names import METHOD_NAMES
from training.paper.protocol import Setting
from training.paper.tables import markdown_table, setting_name, terminal_table

OURS = "dpnp"

# Which test pictures were answered right (N,), by seed.
Answers = Mapping[int, NDArray[np.bool_]]


class Paired(NamedTuple):
    """DPNP against a rival. Accuracies are fractions."""

    difference: float  # DPNP's accuracy less the rival's
    error: float  # its standard error, over the test pictures
    p: float  # two-sided; 1 where no picture is answered otherwise
    seeds: int


def paired(ours: Answers, rival: Answers) -> Paired | None:
    """A paired z test over the test pictures, each with its mean over the seeds that both have.

    With one seed it is McNemar's test for large samples. Other seeds than these are not in the
    standard error. None without a common seed.
    """
    seeds = sorted(ours.keys() & rival.keys())
    if not seeds:
        return None
    each = np.mean([ours[s].astype(float) - rival[s] for s in seeds], axis=0)
    error = float(each.std(ddof=1) / math.sqrt(len(each)))
    difference = float(each.mean())
    p = math.erfc(abs(difference) / error / math.sqrt(2)) if error else 1.0
    return Paired(difference, error, p, len(seeds))


def paired_tables(answers: Mapping[Setting, Mapping[str, Answers]]) -> tuple[str, list[Table]]:
    """A table for each setting that has DPNP and a rival, as Markdown and for a terminal."""
    parts, tables = [], []
    for setting, methods in answers.items():
        rows = _rows(methods)
        if not rows:
            continue
        title = f"{setting_name(setting)}: accuracy of {OURS.upper()} less the rival's, paired"
        heading = ["rival", "difference, points", "standard error", "p", "seeds"]
        parts.append(markdown_table(title, heading, rows))
        tables.append(terminal_table(title, heading, rows))
    return "\n\n".join(parts) + "\n", tables


def _rows(methods: Mapping[str, Answers]) -> list[list[str]]:
    rows = []
    for rival in (m for m in METHOD_NAMES if m in methods and m != OURS):
        found = paired(methods.get(OURS, {}), methods[rival])
        if found is not None:
            p = f"{found.p:.3f}" if found.p >= 0.001 else "< 0.001"
            difference, error = f"{100 * found.difference:+.2f}", f"{100 * found.error:.2f}"
            rows.append([rival.upper(), difference, error, p, str(found.seeds)])
    return rows
