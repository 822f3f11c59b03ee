"""Which fit serves photographs best: crop, letterbox or squash, by the head on frozen features.

    python -m tests.benchmarks.fits FOLDER… [--splits 10]

Accuracy in %, the mean over random splits of four fifths and one fifth.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

import numpy as np
from sklearn.model_selection import StratifiedShuffleSplit

from interpret.bundle.manifest import Fit
from tests.benchmarks.few_shot import SIZE, Points
from tests.benchmarks.photographs import features, trunk
from training.data.datasets import load_to_measure
from training.run.head_fit import fit_softmax


def accuracy(known: Points, asked: Points) -> float:
    head = fit_softmax(known.features, known.labels, int(known.labels.max()) + 1)
    answers = (asked.features @ head.weight.numpy().T + head.bias.numpy()).argmax(1)
    return float(np.mean(answers == asked.labels))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--splits", type=int, default=10)
    asked = parser.parse_args()
    fits, network = get_args(Fit), trunk(SIZE)
    print(f"| set | {' | '.join(fits)} |\n| --- |{' ---: |' * len(fits)}")
    for folder in asked.folders:
        (split,) = load_to_measure(f"folder:{folder}", None).splits.values()
        parts = StratifiedShuffleSplit(asked.splits, test_size=0.2, random_state=0)
        cells = []
        for fit in fits:
            pixels = split.with_fit(fit).pixels(SIZE, f"{folder.name}, {fit}")
            points = Points(features(network, pixels), split.labels)
            found = [
                accuracy(points.subset(known), points.subset(rest))
                for known, rest in parts.split(points.features, points.labels)
            ]
            cells.append(f"{np.mean(found):.1%}")
        print(f"| {folder.name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
