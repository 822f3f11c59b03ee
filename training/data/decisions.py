"""Decisions about pictures: which labels to keep, which to change, which pictures to leave out.

The page of an audit writes them, as CSV or JSON. `dpnp train --decisions FILE` and the next audit
obey them. A picture is named by its `source`: its path below the folder of `--data`.
"""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from training.config.errors import DataError
from training.data.splits import DataSet, Split

_LOG = logging.getLogger(__name__)

Choice = Literal["keep", "relabel", "drop"]
_CHOICES: tuple[Choice, ...] = get_args(Choice)
COLUMNS = ("source", "label", "decision", "new_label", "kind", "probability")
_NAMED = 5  # pictures that are not there and are named; the others are counted


@dataclass(frozen=True)
class Decision:
    """What a person decided about one picture. `label` is the one it had, "" where it is not told;
    `kind` and `probability` are those of the finding that led to it.
    """

    source: str
    decision: Choice
    label: str = ""
    new_label: str = ""
    kind: str = ""
    probability: float | None = None


def read_decisions(path: Path) -> list[Decision]:
    """The decisions of a .csv or .json file. Raises DataError that names the line at fault."""
    if path.suffix.lower() not in (".csv", ".json"):
        raise DataError(f"--decisions {path}: decisions are read from .csv or .json")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"--decisions {path}: cannot be read ({error})") from error
    rows = _json_rows(text, path) if path.suffix.lower() == ".json" else _csv_rows(text, path)
    found: dict[str, Decision] = {}
    for number, row in rows:
        where = f"--decisions {path}: {number}"
        decision = _decision(row, where)
        if found.setdefault(decision.source, decision) != decision:
            raise DataError(f"{where} decides {decision.source!r} again, and otherwise")
    if not found:
        raise DataError(f"--decisions {path}: there is no decision in it")
    return list(found.values())


def obeyed(
    data: DataSet, decisions: Iterable[Decision], more_classes: Sequence[str] = ()
) -> DataSet:
    """The data set with labels changed and pictures dropped, its splits otherwise as they are.

    A new label is a class of the data set, or one of `more_classes`. Raises DataError for one that
    is neither, and for a picture that does not have the label that it is said to have.
    """
    names = [*data.class_names, *(name for name in more_classes if name not in data.class_names)]
    index = {name: label for label, name in enumerate(names)}
    decided = {decision.source: decision for decision in decisions}
    for decision in decided.values():
        if decision.decision == "relabel" and decision.new_label not in index:
            raise DataError(
                f"--decisions: {decision.source} is to be {decision.new_label!r}, which is no "
                f"class of {data.name}"
            )
    splits = {name: _obeyed(split, decided, index, names) for name, split in data.splits.items()}
    splits = {name: split for name, split in splits.items() if len(split)}
    if not splits:
        raise DataError("--decisions: every picture is dropped")
    used = max(len(data.class_names), 1 + max(int(split.labels.max()) for split in splits.values()))
    return replace(data, class_names=names[:used], splits=splits)


def check_trainable(data: DataSet) -> None:
    """Raise DataError for a class that decisions left without a training picture."""
    train = data.splits.get("train")
    counts = np.bincount(
        train.labels if train else np.zeros(0, np.int64), minlength=len(data.class_names)
    )
    if empty := [data.class_names[label] for label in np.flatnonzero(counts == 0)]:
        raise DataError(f"--decisions: no training picture is left of {', '.join(empty)}")


def check_present(data: DataSet, decisions: Sequence[Decision]) -> None:
    """Name decisions about pictures that are not there on the log; raise DataError if all are."""
    present = {source for split in data.splits.values() for source in split.sources}
    absent = [each.source for each in decisions if each.source not in present]
    if decisions and len(absent) == len(decisions):
        raise DataError(
            f"--decisions: none of the {len(decisions)} pictures decided is in {data.name}; the "
            f"first is {absent[0]}"
        )
    if absent:
        more = f" and {len(absent) - _NAMED} more" if len(absent) > _NAMED else ""
        _LOG.warning("decided, but not there: %s%s", ", ".join(absent[:_NAMED]), more)


def _obeyed(
    split: Split, decided: Mapping[str, Decision], index: Mapping[str, int], names: Sequence[str]
) -> Split:
    labels, kept = split.labels.copy(), np.ones(len(split), bool)
    for row, source in enumerate(split.sources):
        decision = decided.get(source)
        if decision is None:
            continue
        own = names[labels[row]]
        if decision.label not in ("", own):
            raise DataError(
                f"--decisions: {source} is said to be labelled {decision.label!r}, and is {own!r}: "
                "the decisions are about other pictures"
            )
        kept[row] = decision.decision != "drop"
        if decision.decision == "relabel":
            labels[row] = index[decision.new_label]
    rows = np.flatnonzero(kept)
    return replace(split, labels=labels).subset(rows)


def _csv_rows(text: str, path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text))
    if missing := {"source", "decision"} - set(reader.fieldnames or ()):
        raise DataError(f"--decisions {path}: the column {min(missing)!r} is missing")
    return [(f"line {reader.line_num}", row) for row in reader]


def _json_rows(text: str, path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise DataError(f"--decisions {path}: no JSON ({error})") from error
    rows = content.get("decisions") if isinstance(content, dict) else content
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"--decisions {path}: a list of decisions must stand in it")
    return [(f"decision {number}", row) for number, row in enumerate(rows, 1)]


def _decision(row: Mapping[str, Any], where: str) -> Decision:
    known = {name: str(row.get(name) or "").strip() for name in COLUMNS}
    if not known["source"]:
        raise DataError(f"{where} names no source")
    new = known["new_label"]
    choice = next((each for each in _CHOICES if each == known["decision"]), None)
    if choice is None:
        raise DataError(f"{where}: {known['decision']!r} is none of {', '.join(_CHOICES)}")
    if choice == "relabel" and not new:
        raise DataError(f"{where}: a relabel without new_label")
    if choice != "relabel" and new:
        raise DataError(f"{where}: new_label is for relabel, and the decision is {choice}")
    try:
        probability = float(known["probability"]) if known["probability"] else None
    except ValueError as error:
        raise DataError(f"{where}: {known['probability']!r} is no probability") from error
    return Decision(known["source"], choice, known["label"], new, known["kind"], probability)
