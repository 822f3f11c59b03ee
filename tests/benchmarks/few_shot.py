"""Few pictures a class: the head that `dpnp train` fits to frozen features, against a logistic
regression and the nearest class mean on the same features.

    python -m tests.benchmarks.few_shot FOLDER… [--shots 1 5 10 20 50] [--draws 20]

Accuracy in % on all pictures that were not drawn, the mean over the draws; behind it the standard
error of the head's difference from each rival.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import StandardScaler

from tests.benchmarks.photographs import features, trunk
from training.data.datasets import load_to_measure
from training.run.head_fit import fit_softmax

SIZE = 224


class Points(NamedTuple):
    """Features (N, F) with their labels (N,)."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]

    def subset(self, rows: NDArray[np.int64]) -> Points:
        return Points(self.features[rows], self.labels[rows])


def points_of(folder: Path) -> Points:
    (split,) = load_to_measure(f"folder:{folder}", None).splits.values()
    return Points(features(trunk(SIZE), split.pixels(SIZE, folder.name)), split.labels)


def drawn(labels: NDArray[np.int64], shots: int, seed: int) -> NDArray[np.int64]:
    random = np.random.default_rng(seed)
    own = (np.flatnonzero(labels == label) for label in np.unique(labels))
    return np.concatenate([random.permutation(rows)[: min(shots, len(rows) // 2)] for rows in own])


def accuracies(known: Points, asked: Points, seed: int) -> tuple[float, float, float]:
    head = fit_softmax(known.features, known.labels, int(known.labels.max()) + 1, seed)
    answers = (asked.features @ head.weight.numpy().T + head.bias.numpy()).argmax(1)
    scale = StandardScaler().fit(known.features)
    points = scale.transform(known.features), scale.transform(asked.features)
    regression = LogisticRegression(max_iter=1000).fit(points[0], known.labels)
    means = NearestCentroid().fit(known.features, known.labels)
    return (
        float(np.mean(answers == asked.labels)),
        float(regression.score(points[1], asked.labels)),
        float(means.score(asked.features, asked.labels)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 5, 10, 20, 50])
    parser.add_argument("--draws", type=int, default=20)
    asked = parser.parse_args()
    print("| set | pictures a class | dpnp | logistic regression | nearest class mean |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for folder in asked.folders:
        points = points_of(folder)
        for shots in asked.shots:
            found = []
            for seed in range(asked.draws):
                rows = drawn(points.labels, shots, seed)
                rest = np.setdiff1d(np.arange(len(points.labels)), rows)
                found.append(accuracies(points.subset(rows), points.subset(rest), seed))
            table = 100 * np.array(found)
            ours, *rivals = table.mean(0)
            errors = (table[:, :1] - table[:, 1:]).std(0) / np.sqrt(asked.draws)
            cells = (f"{r:.1f} (± {e:.1f})" for r, e in zip(rivals, errors, strict=True))
            print(f"| {folder.name} | {shots} | {ours:.1f} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
