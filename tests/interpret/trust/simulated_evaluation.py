"""An evaluation of pictures whose labels and answers are given."""

from collections.abc import Sequence

import numpy as np

from interpret.bundle.manifest import Geometry
from interpret.trust.evaluation import Evaluation
from interpret.trust.metrics import Scored

GEOMETRY = Geometry(
    min_sep_deg=90, mean_sep_deg=90, std_deg=0, intra_class_angle_deg=5, scr=3, split="test"
)


def evaluation(
    labels: Sequence[int],
    answers: Sequence[int],
    class_names: Sequence[str],
    confidence: Sequence[float] | None = None,
    trained_on: Sequence[bool] | None = None,
) -> Evaluation:
    """Wrong answers' classes come third; the surest picture is the first, unless it is said."""
    own, given, count = np.array(labels, int), np.array(answers, int), len(labels)
    sure = np.linspace(0.9, 0.5, count) if confidence is None else np.array(confidence)
    scored = Scored(
        labels=own,
        predicted=given,
        nearest=given,
        confidence=sure,
        distance=np.ones(count),
        margin=np.ones(count),
        ood_score=np.ones(count),
        rank=np.where(own == given, 0, 2),
    )
    known = np.zeros(count, bool) if trained_on is None else np.array(trained_on)
    return Evaluation.of(scored, "test", GEOMETRY, list(class_names), known)
