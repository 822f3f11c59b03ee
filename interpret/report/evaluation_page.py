"""What labelled pictures say about a bundle, as one page with the surest mistakes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from interpret.figures.confusion_matrix import confusion_figure
from interpret.model.picture_formats import data_uri
from interpret.report import html_page as web
from interpret.trust.evaluation import Evaluation

MISTAKES = 48  # shown with their pictures, surest first
CONFUSIONS = 12  # pairs that are named


def evaluation_page(
    found: Evaluation, title: str, sources: Sequence[str], picture: Callable[[int], bytes]
) -> str:
    """The page. `sources` names each of the N pictures, `picture` gives a row's thumbnail."""
    scored = found.scored
    wrong = np.flatnonzero(~scored.right)
    surest = wrong[np.argsort(-scored.confidence[wrong], kind="stable")][:MISTAKES]
    return web.render(
        "evaluation.html",
        title=title,
        metrics=found.metrics,
        scores=_scores(found),
        trained_on=int(found.trained_on.sum()),
        of_new=found.accuracy_of_new,
        worst=found.worst,
        confusions=found.confusions[:CONFUSIONS],
        classes=[each for each in found.per_class if each.examples or each.answers],
        matrix=web.svg(confusion_figure(found.matrix, found.class_names)),
        wrong=len(wrong),
        mistakes=[
            {
                "image": data_uri(picture(row)),
                "label": found.class_names[scored.labels[row]],
                "answer": found.class_names[scored.predicted[row]],
                "probability": f"{scored.confidence[row]:.0%}",
                "source": sources[row],
            }
            for row in surest.tolist()
        ],
    )


def _scores(found: Evaluation) -> list[tuple[str, str]]:
    """The large figures at the top: value and what it is."""
    low, high = found.interval
    metrics = found.metrics
    return [
        (f"{metrics.accuracy:.1%}", f"accuracy, {metrics.examples:,} pictures of {metrics.split}"),
        (f"{low:.1%} to {high:.1%}", "95 % interval of it"),
        (f"{found.largest_class:.1%}", "by always answering the largest class"),
        (f"{metrics.balanced_accuracy:.1%}", "balanced accuracy, the mean recall of classes"),
        *(
            (f"{share:.1%}", f"right among the first {k}")
            for k, share in found.top.items()
            if k > 1
        ),
        (f"{metrics.expected_calibration_error:.3f}", "expected calibration error"),
    ]
