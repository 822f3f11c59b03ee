"""What the strength of the pull, λ_pos, does: accuracy, compactness, and what a user has of it.

    python -m tests.benchmarks.pull_strength folder:cifar10 --weights \\
        models/cifar10-dpnp-9d/weights.safetensors --ood cifar100/test --out runs/pull

For each λ_pos the trained network goes on for one epoch of some training pictures in 3-D, without
smoothed labels, everything else alike. Then it is measured, in float32 and without novelty. Each
network's figures are kept in the folder; a command that was cut goes on from there. It prints the
table and writes it as table.csv, and draws figure.png.
"""

from __future__ import annotations

import argparse
import csv
import json
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.metrics import average_precision_score

from interpret.bundle.atomic_files import write_atomically
from interpret.figures.layout import save_figure
from interpret.figures.palette import GREY, INK, LINES
from interpret.geometry import geometry
from interpret.model.fitting import fit_square
from interpret.model.images import open_image
from interpret.model.picture_files import pictures_in
from interpret.model.predictor import Prediction
from interpret.trust.calibration import COVERAGE, coverage_on, label_margins
from interpret.trust.ood_scores import auroc
from interpret.trust.suspects import judge_labels
from tests.benchmarks.label_noise import noisy
from training.config.train_config import TrainConfig
from training.data.datasets import load_data
from training.data.splits import DataSet, Split
from training.evaluate.labelled import predict_split
from training.export.onnx_export import ServedModel, run_torch
from training.model.networks import PrototypeNetwork
from training.recipes.named_recipes import FINETUNE
from training.run.loop import train

PULLS = (0.0, 0.01, 0.1, 0.3, 1.0, 3.0)
SEEDS = 3  # of the wrong labels
# Column, its name in words, and whether more is better.
COLUMNS = {
    "accuracy": "accuracy on test pictures",
    "scr_train": "SCR, training pictures",
    "scr_test": "SCR, test pictures",
    "margin": "median margin ÷ distance between prototypes",
    "coverage": f"coverage, {COVERAGE:.0%} stated",
    "accepted": "share accepted",
    "near": "AUROC by distance, near pictures",
    "errors": "label errors found, average precision",
}
PANELS = {
    "right answers": ("accuracy", "coverage", "accepted"),
    "compactness (SCR)": ("scr_train", "scr_test"),
    "what it buys": ("near", "errors", "margin"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--weights", required=True, help="of a trained network, to go on from")
    parser.add_argument("--ood", type=Path, required=True, help="folder of pictures of no class")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=20_000, help="to train on")
    parser.add_argument("--measured", type=int, default=4_000, help="of each kind")
    parser.add_argument("--size", type=int, default=128, help="pixels a side")
    arguments = parser.parse_args()
    rows = []
    data = spaced(load_data(arguments.data), arguments.pictures, arguments.measured)
    near = strange(arguments.ood, data.image_size, arguments.measured // 2)
    for pull in PULLS:
        file = arguments.out / f"{pull:g}.json"
        if not file.exists():
            config = TrainConfig.of(
                **FINETUNE
                | {
                    "data": arguments.data,
                    "weights": arguments.weights,
                    "embedding_dim": 3,
                    "image_size": arguments.size,
                    "epochs": 1,
                    "batch_size": 64,
                    "label_smoothing": 0.0,
                    "lambda_pos": pull,
                }
            )
            network = train(config, data, arguments.out / f"run-{pull:g}")
            assert network is not None
            found = measured(network, arguments.size, data, near, arguments.measured)
            write_atomically(file, json.dumps(found).encode())
        rows.append({"pull": pull} | json.loads(file.read_text()))
    show(rows, arguments.out)


def spaced(data: DataSet, train: int, test: int) -> DataSet:
    """Evenly spaced pictures of both splits, and no others: without a valid split the trained
    network is never given up for the head that it started with.
    """
    splits = {
        name: data.splits[name].subset(
            np.linspace(0, len(data.splits[name]) - 1, min(count, len(data.splits[name]))).astype(
                np.int64
            )
        )
        for name, count in (("train", train), ("test", test))
    }
    return DataSet(data.name, data.class_names, splits, data.image_size, data.flip)


def strange(folder: Path, size: int, count: int) -> Split:
    """Evenly spaced pictures of a folder, fitted to squares."""
    files = pictures_in(folder)
    rows = np.linspace(0, len(files) - 1, min(count, len(files))).astype(int)
    pixels = np.stack([fit_square(open_image(files[row]), size) for row in rows])
    return Split.of_arrays(pixels, np.zeros(len(rows), np.int64), [str(files[row]) for row in rows])


def measured(
    network: PrototypeNetwork, size: int, data: DataSet, near: Split, count: int
) -> dict[str, float]:
    """The figures of a network, by column."""
    run = partial(run_torch, ServedModel(network.float().eval()))
    prototypes = np.asarray(network.head.prototypes.detach().numpy(), np.float32)
    train = data.splits["train"]
    train = train.subset(np.arange(0, len(train), max(1, len(train) // count)))
    test = data.splits["test"]
    inside, outside, foreign = (
        predict_split(run, split, size, name)
        for split, name in ((train, "train"), (test, "test"), (near, "strange"))
    )
    halves = np.arange(len(test)) % 2 == 0
    known, new = np.flatnonzero(halves), np.flatnonzero(~halves)
    coverage, accepted = coverage_on(
        (outside.part(known), test.labels[known]), (outside.part(new), test.labels[new]), COVERAGE
    )
    between = geometry.distances(prototypes, prototypes)
    np.fill_diagonal(between, np.inf)
    return {
        "accuracy": float((outside.answers == test.labels).mean()),
        "scr_train": geometry.separation_to_compactness(inside.embedding, train.labels, prototypes),
        "scr_test": geometry.separation_to_compactness(outside.embedding, test.labels, prototypes),
        "margin": float(np.median(label_margins(outside.distances, outside.answers)))
        / float(between.min()),
        "coverage": coverage,
        "accepted": accepted,
        "near": auroc(own_distance(foreign), own_distance(outside)),
        "errors": errors_found(outside, test.labels, prototypes),
    }


def own_distance(prediction: Prediction) -> NDArray[np.float64]:
    """The distance of each picture (N,) to the prototype of its answer."""
    return prediction.distances.astype(np.float64)[
        np.arange(len(prediction.answers)), prediction.answers
    ]


def errors_found(
    prediction: Prediction, labels: NDArray[np.int64], prototypes: NDArray[np.float32]
) -> float:
    """Average precision of the audit's ranking: 5 % of the test labels changed to a neighbour's."""
    found = []
    for seed in range(SEEDS):
        wrong = noisy(labels, prototypes, "neighbours", seed)
        unknown = np.zeros(len(labels), bool)
        judged = judge_labels(prediction.embedding, prediction.probabilities, wrong, unknown)
        found.append(float(average_precision_score(wrong != labels, judged.suspicion)))
    return float(np.mean(found))


def show(rows: list[dict[str, float]], out: Path) -> None:
    """Print the table, and write it and the figure."""
    table = Table("λ_pos", *COLUMNS.values())
    for row in rows:
        table.add_row(f"{row['pull']:g}", *(f"{row[name]:.3f}" for name in COLUMNS))
    Console(width=160).print(table)
    with (out / "table.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["pull", *COLUMNS], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    save_figure(figure(rows), out / "figure.png")


def figure(rows: list[dict[str, float]]) -> Figure:
    """A panel for each group of columns, against λ_pos; 0 stands at the left edge."""
    smallest = min(row["pull"] for row in rows if row["pull"])
    pulls = [row["pull"] or smallest / 3 for row in rows]
    labels = [f"{row['pull']:g}" for row in rows]
    drawn = Figure(figsize=(10.8, 3.9), layout="constrained", facecolor="white")
    axes = drawn.subplots(1, len(PANELS))
    for panel, (title, columns) in zip(axes, PANELS.items(), strict=True):
        for number, name in enumerate(columns):
            values = [row[name] for row in rows]
            panel.plot(pulls, values, "o-", color=LINES[number], ms=4, label=COLUMNS[name])
        panel.set_xscale("log")
        panel.set_xticks(pulls, labels, fontsize=8)
        panel.minorticks_off()
        panel.set_title(title, color=INK, fontsize=10, loc="left")
        panel.set_xlabel("strength of the pull, λ_pos", color=GREY, fontsize=8)
        panel.tick_params(labelsize=8, colors=GREY)
        panel.legend(fontsize=7, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.16))
        panel.spines[["top", "right"]].set_visible(False)
    return drawn


if __name__ == "__main__":
    main()
