"""How well labels are judged that people got wrong: CIFAR-10 with the labels of CIFAR-10N (Wei et
al. 2022), and the errors of its test set that people confirmed (Northcutt et al. 2021).

    python -m tests.benchmarks.human_labels index.csv cifar10 --features lite0.npy
    python -m tests.benchmarks.human_labels index.csv cifar10 --bundle models/cifar10-dpnp-9d

The index has a row for each picture: its path below the folder (`png`, as train/cat/NAME.png), and
labels that people gave to training pictures in columns whose names start with `human_`. Of test
pictures it has `mturk` (how many of five people saw the given label, Cleanlab's guess, neither or
both) and `cleanlab` (the ten published probabilities).

The first command judges human labels by features of a network that has seen neither these pictures
nor their labels: EfficientNet-lite0 of ImageNet. They are computed once, which takes minutes, and
kept in the file. The second one judges the test set by a bundle.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from cleanlab.rank import get_label_quality_scores
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import cross_val_predict

from interpret.bundle.bundle import Bundle
from interpret.model.fitting import fit_square
from interpret.model.images import open_image
from interpret.model.predictor import Prediction, Predictor, concatenated
from interpret.trust.suspects import Judgement, judge_labels
from training.model.timm_backbones import normalisation, published_tensors, timm_backbone

NETWORK, COMPONENTS, BATCH = "tf_efficientnet_lite0", 64, 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--features", type=Path, help="of the training pictures judged: .npy")
    parser.add_argument("--every", type=int, default=1, help="judge every n-th training picture")
    parser.add_argument("--size", type=int, default=128, help="pixels a side")
    parser.add_argument("--bundle", type=Path, help="judge the test set by this one")
    arguments = parser.parse_args()
    with arguments.index.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if arguments.features is not None:
        train = [row for row in rows if row["png"].startswith("train/")][:: arguments.every]
        files, kept = [arguments.pictures / row["png"] for row in train], arguments.features
        if not kept.exists():
            np.save(kept, frozen_features(files, arguments.size))
        human_labels(train, np.load(kept).astype(np.float32))
    if arguments.bundle is not None:
        test = [row for row in rows if row["png"].startswith("test/")]
        known_errors(test, Bundle.load(arguments.bundle), arguments.pictures)


@torch.inference_mode()
def frozen_features(files: list[Path], size: int) -> np.ndarray:
    """Pooled features (N, 1280) by the published network."""
    network = timm_backbone(NETWORK, size)
    tensors = published_tensors(NETWORK)
    network.model.load_state_dict(
        {name: value for name, value in tensors.items() if not name.startswith("classifier")}
    )
    network.eval()
    mean, std = normalisation(NETWORK)
    result = []
    for start in range(0, len(files), BATCH):
        pixels = [fit_square(open_image(file), size) for file in files[start : start + BATCH]]
        x = (torch.from_numpy(np.stack(pixels)).float() - mean[0]) / std[0]
        result.append(network(x.permute(0, 3, 1, 2)).mean((2, 3)).half().numpy())
    return np.concatenate(result)


def human_labels(rows: list[dict[str, str]], features: np.ndarray) -> None:
    """A table of average precisions, a row for each set of labels that people gave."""
    names = sorted({class_of(row) for row in rows})
    true = np.array([names.index(class_of(row)) for row in rows])
    centred = features - features.mean(0)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :COMPONENTS]
    points = (centred @ axes).astype(np.float32)
    points /= points.std(0)
    table = Table(title=f"average precision, {len(rows):,} training pictures, frozen {NETWORK}")
    for heading in ("labels", "wrong", "cross-validated", "dpnp audit", "self-confidence",
                    "normalised margin", "named", "expected wrong", "are wrong"):  # fmt: skip
        table.add_column(heading, justify="left" if heading == "labels" else "right")
    for column in [name for name in rows[0] if name.startswith("human_") and rows[0][name]]:
        labels = np.array([names.index(row[column]) for row in rows])
        regression = LogisticRegression(max_iter=200)
        seen = cross_val_predict(regression, points, labels, cv=5, method="predict_proba")
        judged = judge_labels(points, seen, labels, np.zeros(len(labels), bool))
        wrong = labels != true
        table.add_row(
            column.removeprefix("human_"),
            f"{wrong.mean():.1%}",
            f"{judged.accuracy:.1%}",
            f"{average_precision_score(wrong, judged.suspicion):.3f}",
            *(f"{average_precision_score(wrong, -score):.3f}" for score in cleanlab(labels, seen)),
            *precision_columns(judged, wrong),
        )
    Console(width=130).print(table)


def known_errors(rows: list[dict[str, str]], bundle: Bundle, pictures: Path) -> None:
    """Confirmed errors of the test set among all pictures, and among those that people looked at:
    they looked at none but Cleanlab's candidates, so the first figure favours Cleanlab.
    """
    labels = np.array([bundle.class_index(class_of(row)) for row in rows])
    looked_at = np.array([bool(row["mturk"]) for row in rows])
    wrong = np.array([seen and int(row["mturk"].split()[0]) < 3
                      for seen, row in zip(looked_at, rows, strict=True)])  # fmt: skip
    found = predicted(bundle, [pictures / row["png"] for row in rows])
    judged = judge_labels(found.embedding, found.probabilities, labels, np.zeros(len(rows), bool))
    published = np.array([[float(value) for value in row["cleanlab"].split()] for row in rows])
    table = Table(title=f"{wrong.sum()} confirmed errors of {len(rows):,} test pictures")
    for heading in ("ranking", "among all", f"among the {looked_at.sum()} looked at"):
        table.add_column(heading)
    _, own = cleanlab(labels, found.probabilities)
    # In the order of the bundle's classes, which is the alphabet's, as CIFAR-10's own is.
    rankings = {
        f"dpnp audit, {bundle.manifest.name}": judged.suspicion,
        "Cleanlab's margin, the same probabilities": -own,
        "Cleanlab's margin, its published probabilities": -cleanlab(labels, published)[1],
    }
    for name, ranking in rankings.items():
        among = average_precision_score(wrong[looked_at], ranking[looked_at])
        table.add_row(name, f"{average_precision_score(wrong, ranking):.3f}", f"{among:.3f}")
    Console(width=130).print(table, *precision_columns(judged, wrong))


def cleanlab(labels: np.ndarray, probabilities: np.ndarray) -> list[np.ndarray]:
    """Cleanlab's scores, small for wrong labels: self-confidence and normalised margin."""
    even = probabilities / probabilities.sum(1, keepdims=True)
    return [
        get_label_quality_scores(labels, even, method=method)
        for method in ("self_confidence", "normalized_margin")
    ]


def precision_columns(judged: Judgement, wrong: np.ndarray) -> list[str]:
    """How many suspects are named, the share expected to be wrong, and the share that is."""
    named = judged.suspects()
    if not len(named):
        return ["none", "", ""]
    return [
        f"{len(named):,}",
        f"{judged.suspicion[named].mean():.1%}",
        f"{wrong[named].mean():.1%}",
    ]


def predicted(bundle: Bundle, files: list[Path]) -> Prediction:
    """What the bundle's model says of the pictures, without evidence."""
    predictor, parts = Predictor(bundle), []
    for start in range(0, len(files), BATCH):
        size, fit = predictor.input_size, bundle.manifest.fit
        pixels = [fit_square(open_image(file), size, fit) for file in files[start : start + BATCH]]
        parts.append(predictor(np.stack(pixels))._replace(evidence=None))
    return concatenated(parts)


def class_of(row: dict[str, str]) -> str:
    """The class that a picture's folder has: the original label."""
    return row["png"].split("/")[1]


if __name__ == "__main__":
    main()
