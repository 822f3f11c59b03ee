"""Classes of very unequal size: `--balance logits` against none, on long-tailed subsets.

    python -m tests.benchmarks.long_tail FOLDER… [--ratio 20] [--draws 10] [--train]

The pictures of the training split are thinned so that the classes fall geometrically from the
largest to a `ratio`th of it, in an order that each draw shuffles. Balanced accuracy in % on the
test split, of the head on frozen features, and with --train of `dpnp train` for one draw.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score

from tests.benchmarks.few_shot import SIZE, Points
from tests.benchmarks.photographs import features, trunk
from training.data.datasets import load_data
from training.data.splits import DataSet
from training.recipes.train_classifier import run_job
from training.run.head_fit import fit_softmax


def thinned(labels: NDArray[np.int64], ratio: float, seed: int) -> NDArray[np.int64]:
    """Rows whose classes fall from the smallest class's whole size to a ratio-th of it."""
    random = np.random.default_rng(seed)
    counts = np.bincount(labels)
    sizes = counts.min() * ratio ** -np.linspace(0, 1, len(counts))
    order = random.permutation(len(counts))
    return np.concatenate(
        [
            random.permutation(np.flatnonzero(labels == label))[: max(1, round(size))]
            for label, size in zip(order, sizes, strict=True)
        ]
    )


def head(known: Points, asked: Points, balanced: bool) -> float:
    fitted = fit_softmax(
        known.features, known.labels, int(known.labels.max()) + 1, balanced=balanced
    )
    logits = asked.features @ fitted.weight.numpy().T + fitted.bias.numpy()
    return float(balanced_accuracy_score(asked.labels, logits.argmax(1)))


def trained(data: DataSet, folder: Path, rows: NDArray[np.int64], balance: str) -> float:
    """Balanced accuracy of `dpnp train` on a copy of the folder with these training pictures."""
    with tempfile.TemporaryDirectory() as place:
        for name, chosen in (("train", rows), ("test", np.arange(len(data.splits["test"])))):
            for row in chosen:
                source = folder / data.splits[name].sources[row]
                target = Path(place) / "data" / name / source.parent.name / source.name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
        given = {"data": f"folder:{place}/data", "balance": balance}
        done = run_job(given, Path(place) / "bundle", Path(place) / "run")
    assert done is not None
    found = done.bundle.manifest.metrics.balanced_accuracy
    assert found is not None
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--ratio", type=float, default=20)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--train", action="store_true", help="dpnp train as well: minutes each")
    asked = parser.parse_args()
    print("| set | how | draws | none | logits | difference |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for folder in asked.folders:
        data, network = load_data(f"folder:{folder}"), trunk(SIZE)
        points = {
            name: Points(features(network, split.pixels(SIZE, name)), split.labels)
            for name, split in data.splits.items()
        }
        found = []
        for seed in range(asked.draws):
            known = points["train"].subset(thinned(points["train"].labels, asked.ratio, seed))
            found.append([head(known, points["test"], balanced) for balanced in (False, True)])
        rows = {("head", asked.draws): 100 * np.array(found)}
        if asked.train:
            kept = thinned(points["train"].labels, asked.ratio, 0)
            each = [trained(data, folder, kept, balance) for balance in ("none", "logits")]
            rows["dpnp train", 1] = 100 * np.array([each])
        for (how, draws), table in rows.items():
            none, logits = table.mean(0)
            error = (table[:, 1] - table[:, 0]).std() / np.sqrt(draws)
            sure = f" (± {error:.1f})" if draws > 1 else ""
            print(
                f"| {folder.name} | {how} | {draws} | {none:.1f} | {logits:.1f} "
                f"| {logits - none:+.1f}{sure} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
