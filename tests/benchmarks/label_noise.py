"""How well wrong labels are found: labels changed on purpose, and the average precision of the
audit's ranking against Cleanlab's on the same embeddings.

    python -m tests.benchmarks.label_noise models/digits-dpnp --data digits --split train
"""

import argparse
from pathlib import Path

import numpy as np
from cleanlab.rank import get_label_quality_scores
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from interpret.bundle.bundle import Bundle
from interpret.geometry import geometry
from interpret.model.predictor import Predictor
from interpret.trust.suspects import judge_labels
from training.evaluate.labelled import DataSource, load_labelled, predict_split

NOISE, SEEDS = 0.05, 5


def noisy(labels: np.ndarray, prototypes: np.ndarray, kind: str, seed: int) -> np.ndarray:
    """5 % of the labels changed: to any other class, or to the one of the nearest prototype."""
    generator = np.random.default_rng(seed)
    rows = generator.permutation(len(labels))[: round(NOISE * len(labels))]
    wrong = labels.copy()
    if kind == "symmetric":
        step = generator.integers(1, len(prototypes), len(rows))
        wrong[rows] = (labels[rows] + step) % len(prototypes)
    else:
        between = geometry.distances(prototypes, prototypes)
        np.fill_diagonal(between, np.inf)
        wrong[rows] = between.argmin(1)[labels[rows]]
    return wrong


def rankings(embeddings: np.ndarray, probabilities: np.ndarray, labels: np.ndarray, learnt: bool):
    """Suspicion (N,) of each label, by method; `learnt`: the classifier was trained on them."""
    classes = probabilities.shape[1]
    regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    found = cross_val_predict(regression, embeddings, labels, cv=5, method="predict_proba")
    out_of_fold = np.zeros((len(labels), classes))
    out_of_fold[:, np.unique(labels)] = found

    def cleanlab(probabilities: np.ndarray, method: str) -> np.ndarray:
        return -get_label_quality_scores(labels, probabilities, method=method)

    def alone(probabilities: np.ndarray) -> np.ndarray:
        return -probabilities[np.arange(len(labels)), labels]

    judged = judge_labels(embeddings, probabilities, labels, np.full(len(labels), learnt))
    return {
        "dpnp audit": judged.suspicion,
        "  classifier alone": alone(probabilities),
        "  probe alone": alone(judged.witnesses.probe),
        "  neighbours alone": alone(judged.witnesses.neighbours),
        "Cleanlab, regression, self-confidence": cleanlab(out_of_fold, "self_confidence"),
        "Cleanlab, regression, normalised margin": cleanlab(out_of_fold, "normalized_margin"),
        "Cleanlab, classifier, normalised margin": cleanlab(probabilities, "normalized_margin"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split")
    arguments = parser.parse_args()
    bundle = Bundle.load(arguments.bundle)
    pictures = load_labelled(bundle, DataSource(arguments.data))
    split = pictures.chosen(arguments.split)
    predictor = Predictor(bundle)
    prediction = predict_split(predictor, pictures.splits[split], predictor.input_size, split)
    # In any order: where pictures lie sorted by class, so would the wrong labels be.
    order = np.random.default_rng(0).permutation(len(pictures.labels[split]))
    labels = pictures.labels[split][order]
    embeddings, probabilities = prediction.embedding[order], prediction.probabilities[order]
    table = Table(title=f"average precision, {NOISE:.0%} of {len(labels):,} labels wrong ({split})")
    table.add_column("ranking")
    results: dict[str, list[float]] = {}
    for kind in ("symmetric", "neighbours"):
        table.add_column(kind, justify="right")
        seeds: dict[str, list[float]] = {}
        for seed in range(SEEDS):
            wrong = noisy(labels, bundle.prototypes, kind, seed)
            found = rankings(embeddings, probabilities, wrong, split == "train")
            for name, suspicion in found.items():
                precision = average_precision_score(wrong != labels, suspicion)
                seeds.setdefault(name, []).append(float(precision))
        for name, values in seeds.items():
            results.setdefault(name, []).append(float(np.mean(values)))
    for name, values in results.items():
        table.add_row(name, *(f"{value:.4f}" for value in values))
    Console().print(table)


if __name__ == "__main__":
    main()
