"""The tables of `dpnp reproduce`: the paper's number, ours, the difference and the limit."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from rich.table import Table

from interpret.geometry.packing import NUMERICAL, Limit, widest_angle
from training.config.method_names import METHOD_NAMES
from training.paper.protocol import Setting
from training.paper.published import published
from training.paper.runs import Result

NAMES = {
    "accuracy": "accuracy, %",
    "min_sep_deg": "MinSep, °",
    "mean_sep_deg": "MeanSep, °",
    "std_deg": "Std, °",
    "scr": "SCR",
}
_BOUNDED = {"min_sep_deg", "mean_sep_deg"}  # by the widest possible angle
DATA_NAMES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "flowers102": "Flower-102"}

Results = Mapping[Setting, Mapping[str, Sequence[Result]]]  # by setting, method; one a seed


class Entry(NamedTuple):
    """One figure of one method on one setting. Accuracies are fractions, angles degrees."""

    paper: float | None
    mean: float
    std: float  # over the seeds
    seeds: int

    @property
    def difference(self) -> float | None:
        """Ours less the paper's."""
        return None if self.paper is None else self.mean - self.paper


def title(setting: Setting, results: Mapping[str, Sequence[Result]]) -> str:
    """A setting in words: CIFAR-10, 3-D (resnet18-reduced, 200 epochs, seeds 0 and 1)."""
    runs = [result for own in results.values() for result in own]
    config, seeds = runs[0].config, sorted({run.config.seed for run in runs})
    told = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))}"
    name = DATA_NAMES.get(setting.data, setting.data)
    return f"{name}, {runs[0].dim}-D ({config.backbone}, {config.epochs} epochs, {told})"


def setting_name(setting: Setting) -> str:
    """A setting without its runs: CIFAR-10, 3-D."""
    network = f"{setting.dim}-D" if setting.reduced else "standard network"
    return f"{DATA_NAMES.get(setting.data, setting.data)}, {network}"


def entry(setting: Setting, method: str, measure: str, results: Sequence[Result]) -> Entry:
    """The mean over the seeds, and how far they scatter."""
    values = [measured(result, measure) for result in results]
    return Entry(
        published(setting, method, measure),
        float(np.mean(values)),
        float(np.std(values)),
        len(values),
    )


def measured(result: Result, measure: str) -> float:
    """A run's figure by its name in the manifest."""
    source = result.metrics if measure == "accuracy" else result.metrics.geometry
    value: float = getattr(source, measure)
    return value


def limit(results: Mapping[str, Sequence[Result]]) -> Limit | None:
    """The widest possible MinSep, and MeanSep, for the setting's classes and dimensions. Where it
    is not proven it is the widest that was found: by a search, or by the runs themselves.
    """
    runs = [run for own in results.values() for run in own]
    known = widest_angle(len(runs[0].class_names), runs[0].dim)
    if known is None or known.source != NUMERICAL:
        return known
    return known._replace(
        degrees=max(known.degrees, *(measured(run, "min_sep_deg") for run in runs))
    )


def cells(
    setting: Setting, results: Mapping[str, Sequence[Result]], measures: Sequence[str]
) -> tuple[list[str], list[list[str]]]:
    """Heading and rows of a setting's table, as text: a row a method, and one of the limits."""
    papers = {
        m: any(published(setting, own, m) is not None for own in METHOD_NAMES) for m in measures
    }
    heading = ["method"]
    for measure in measures:
        heading += [NAMES[measure], *(["paper", "difference"] if papers[measure] else [])]
    rows = []
    for method in (m for m in METHOD_NAMES if m in results):
        row = [method.upper()]
        for measure in measures:
            found = entry(setting, method, measure, results[method])
            row.append(_number(found.mean, measure) + _scatter(found, measure))
            if papers[measure]:
                row += [_or_dash(found.paper, measure), _or_dash(found.difference, measure, "+")]
        rows.append(row)
    widest = limit(results)
    if widest and _BOUNDED & set(measures):
        row = [f"limit ({widest.source})"]
        for measure in measures:
            known = f"{widest.degrees:.2f}" if measure in _BOUNDED else ""
            row += [known, *([""] * 2 * papers[measure])]
        rows.append(row)
    return heading, rows


def markdown(results: Results, measures: Sequence[str]) -> str:
    """A table for each setting."""
    parts = [
        markdown_table(title(setting, own), *cells(setting, own, measures))
        for setting, own in results.items()
    ]
    return "\n\n".join(parts) + "\n"


def markdown_table(name: str, heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table under its name: text on the left, numbers on the right."""
    lines = [f"**{name}**", "", _line(heading)]
    lines.append(_line(["---", *["---:"] * (len(heading) - 1)]))
    return "\n".join([*lines, *map(_line, rows)])


def rich_tables(results: Results, measures: Sequence[str]) -> list[Table]:
    """The same for a terminal."""
    return [
        terminal_table(title(setting, own), *cells(setting, own, measures))
        for setting, own in results.items()
    ]


def terminal_table(name: str, heading: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table under its name: text on the left, numbers on the right."""
    table = Table(title=name, title_justify="left")
    for i, column in enumerate(heading):
        table.add_column(column, justify="right" if i else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def comma_separated(results: Results, measures: Sequence[str]) -> str:
    """CSV with a line for each figure, in full digits; accuracies as fractions."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(
        ["data", "network", "dim", "method", "measure", "paper", "mean", "std", "seeds", "limit"]
    )
    for setting, own in results.items():
        widest = limit(own)
        for method in (m for m in METHOD_NAMES if m in own):
            first = own[method][0]
            for measure in measures:
                found = entry(setting, method, measure, own[method])
                known = widest.degrees if widest and measure in _BOUNDED else None
                row = [setting.data, first.config.backbone, first.dim, method, measure]
                row += [found.paper, found.mean, found.std, found.seeds, known]
                writer.writerow(row)  # None is an empty field
    return buffer.getvalue()


def _number(value: float, measure: str, sign: str = "") -> str:
    return f"{value * (100 if measure == 'accuracy' else 1):{sign}.2f}"


def _or_dash(value: float | None, measure: str, sign: str = "") -> str:
    return "–" if value is None else _number(value, measure, sign)


def _scatter(found: Entry, measure: str) -> str:
    return f" ± {_number(found.std, measure)}" if found.seeds > 1 else ""


def _line(texts: Sequence[str]) -> str:
    return "| " + " | ".join(texts) + " |"
