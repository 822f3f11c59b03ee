"""How well labels are judged that people got wrong: CIFAR-10 with the labels of CIFAR-10N (Wei et
al. 2022), and the errors of its test set that people confirmed (Northcutt et al. 2021).

    python -m tests.benchmarks.human_labels index.csv cifar10 --features lite0.npy
    python -m tests.benchmarks.human_labels index.csv cifar10 --bundle models/cifar10-dpnp-9d
    python -m tests.benchmarks.human_labels index.csv cifar10 --write-halves halves
    python -m tests.benchmarks.human_labels index.csv cifar10 --halves models/half0 models/half1
    python -m tests.benchmarks.human_labels index.csv cifar10 --learnt models/half0

The index has a row for each picture: its path below the folder (`png`, as train/cat/NAME.png), and
labels that people gave to training pictures in columns whose names start with `human_`. Of test
pictures it has `mturk` (how many of five people saw the given label, Cleanlab's guess, neither or
both) and `cleanlab` (the ten published probabilities).

The first command judges human labels by features of a network that has seen neither these pictures
nor their labels: EfficientNet-lite0 of ImageNet. They are computed once, which takes minutes, and
kept in the file. The second one judges the test set by a bundle.

The last three are for networks that have learned from such labels. The first links the training
pictures, in two random halves, into folders by the aggregate label. `dpnp train` makes a bundle of
each half, and tests it on the other one. Each half is judged by the bundle that has not seen it.
With --learnt the bundle of the first half judges every second label that it has learnt, beside some
that it has not, as `dpnp audit` does with a model and the pictures that it was trained on.
"""

import argparse
import csv
from collections.abc import Sequence
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
    parser.add_argument("--write-halves", type=Path, help="folder for links to the pictures")
    parser.add_argument("--halves", type=Path, nargs=2, help="bundles of the two halves")
    parser.add_argument("--learnt", type=Path, help="bundle of the first half, to judge that half")
    arguments = parser.parse_args()
    with arguments.index.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    whole = [row for row in rows if row["png"].startswith("train/")]
    if arguments.write_halves is not None:
        write_halves(whole, arguments.pictures, arguments.write_halves)
    if arguments.halves is not None:
        by_the_other_half(whole, arguments.halves, arguments.pictures)
    if arguments.learnt is not None:
        by_its_own_half(whole, Bundle.load(arguments.learnt), arguments.pictures)
    if arguments.features is not None:
        train = whole[:: arguments.every]
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


def halves(rows: list[dict[str, str]]) -> np.ndarray:
    """Which half each picture belongs to: 0 or 1."""
    return np.random.default_rng(0).permutation(len(rows)) % 2


def write_halves(rows: list[dict[str, str]], pictures: Path, folder: Path) -> None:
    """Each picture as folder/half0/train/LABEL/… and folder/half1/test/LABEL/…, or the other way
    round, by the label that people gave.
    """
    for row, half in zip(rows, halves(rows), strict=True):
        source = (pictures / row["png"]).absolute()
        for split, owner in (("train", half), ("test", 1 - half)):
            place = folder / f"half{owner}" / split / row["human_aggregate"]
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{class_of(row)}-{source.name}").symlink_to(source)


def by_the_other_half(rows: list[dict[str, str]], bundles: Sequence[Path], pictures: Path) -> None:
    """A table like that of `human_labels`: each half judged by the bundle of the other."""
    half, found = halves(rows), []
    for other, path in enumerate(bundles):
        bundle, chosen = Bundle.load(path), np.flatnonzero(half != other)
        seen = predicted(bundle, [pictures / rows[row]["png"] for row in chosen])
        found.append((bundle, chosen, seen))
    right = [
        (seen.answers == [bundle.class_index(class_of(rows[row])) for row in chosen]).mean()
        for bundle, chosen, seen in found
    ]
    table = labels_table(
        f"average precision, {len(rows):,} training pictures, by networks of the other half, "
        f"{np.mean(right):.1%} of whose answers are the original label"
    )
    for column in [name for name in rows[0] if name.startswith("human_")]:
        parts = []
        for bundle, chosen, seen in found:
            labels = np.array([bundle.class_index(rows[row][column]) for row in chosen])
            true = np.array([bundle.class_index(class_of(rows[row])) for row in chosen])
            unknown = np.zeros(len(labels), bool)
            judged = judge_labels(seen.embedding, seen.probabilities, labels, unknown)
            parts.append((labels != true, judged, cleanlab(labels, seen.probabilities)))
        wrong = np.concatenate([part[0] for part in parts])
        scores = np.concatenate([part[2] for part in parts], axis=1)
        named = [len(judged.suspects()) for _, judged, _ in parts]
        hits = [part[judged.suspects()].sum() for part, judged, _ in parts]
        stated = [judged.suspicion[judged.suspects()].sum() for _, judged, _ in parts]
        suspicion = np.concatenate([judged.suspicion for _, judged, _ in parts])
        table.add_row(
            column.removeprefix("human_"),
            f"{wrong.mean():.1%}",
            f"{np.mean([judged.accuracy for _, judged, _ in parts]):.1%}",
            f"{average_precision_score(wrong, suspicion):.3f}",
            *(f"{average_precision_score(wrong, -score):.3f}" for score in scores),
            f"{sum(named):,}",
            f"{sum(stated) / max(sum(named), 1):.1%}",
            f"{sum(hits) / max(sum(named), 1):.1%}",
        )
    Console(width=130).print(table)


def by_its_own_half(rows: list[dict[str, str]], bundle: Bundle, pictures: Path) -> None:
    """The same of labels that the network learnt, and of others beside them."""
    half = halves(rows)
    chosen = np.concatenate([np.flatnonzero(half == 0)[::2], np.flatnonzero(half == 1)[::10]])
    learnt = half[chosen] == 0
    labels = np.array([bundle.class_index(rows[row]["human_aggregate"]) for row in chosen])
    wrong = labels != [bundle.class_index(class_of(rows[row])) for row in chosen]
    seen = predicted(bundle, [pictures / rows[row]["png"] for row in chosen])
    judged = judge_labels(seen.embedding, seen.probabilities, labels, learnt)
    named = np.isin(np.arange(len(chosen)), judged.suspects())
    table = Table(title=f"aggregate labels by {bundle.manifest.name}")
    for heading in ("labels", "number", "wrong", "dpnp audit", "named", "expected", "are wrong"):
        table.add_column(heading, justify="left" if heading == "labels" else "right")
    for title, part in (("learnt", learnt), ("others", ~learnt)):
        table.add_row(
            title,
            f"{part.sum():,}",
            f"{wrong[part].sum():,}",
            f"{average_precision_score(wrong[part], judged.suspicion[part]):.3f}",
            f"{(named & part).sum():,}",
            f"{judged.suspicion[named & part].mean():.1%}",
            f"{wrong[named & part].mean():.1%}",
        )
    Console(width=130).print(table)


def labels_table(title: str) -> Table:
    """A table with a row for each set of labels that people gave."""
    table = Table(title=title)
    for heading in ("labels", "wrong", "cross-validated", "dpnp audit", "self-confidence",
                    "normalised margin", "named", "expected wrong", "are wrong"):  # fmt: skip
        table.add_column(heading, justify="left" if heading == "labels" else "right")
    return table


def human_labels(rows: list[dict[str, str]], features: np.ndarray) -> None:
    """A table of average precisions, a row for each set of labels that people gave."""
    names = sorted({class_of(row) for row in rows})
    true = np.array([names.index(class_of(row)) for row in rows])
    centred = features - features.mean(0)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :COMPONENTS]
    points = (centred @ axes).astype(np.float32)
    points /= points.std(0)
    table = labels_table(f"average precision, {len(rows):,} training pictures, frozen {NETWORK}")
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
