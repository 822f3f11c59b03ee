"""An audit of points and pictures whose faults are known."""

import numpy as np
import pytest

from interpret.model.predictor import Prediction
from interpret.trust.audit import Audit, audit
from tests.interpret.trust.clusters import CORNERS, clusters
from tests.interpret.trust.test_copies import looks, pictures

SPLITS = ["train"] * 95 + ["test"] * 25


def audited(settled: list[int] | None = None) -> Audit:
    """An audit with a wrong label (3), copies (0, 1), a leak (90, 100) and an outlier (50)."""
    points, probabilities, labels = clusters()
    shown = pictures(len(labels))
    shown[1], shown[100] = shown[0], shown[90]
    labels[3] = 2
    points[50] += 40
    away = np.linalg.norm(points[:, None] - CORNERS[None], axis=2).astype(np.float32)
    prediction = Prediction(
        points, away, probabilities.astype(np.float32), None, np.zeros(120, np.float32)
    )
    done = None if settled is None else np.isin(np.arange(120), settled)
    return audit(prediction, labels, SPLITS, looks(shown), settled=done)


def test_the_whole_audit():
    found = audited()
    assert [(f.row, f.suggestion) for f in found.of("label")] == [(3, 0)]
    assert [(f.row, f.other, f.likeness) for f in found.of("duplicate")] == [(0, 1, "same pixels")]
    assert [(f.row, f.other) for f in found.of("leak")] == [(90, 100)]
    assert 50 in [f.row for f in found.of("outlier")]
    scores = [f.score for f in found.of("outlier")]
    assert scores == sorted(scores, reverse=True)
    suspect = found.of("label")[0]
    assert suspect.evidence is not None
    assert found.expected == pytest.approx(suspect.score)
    assert found.why == ""
    assert found.accuracy > 0.97


def test_what_was_decided_is_not_found_again():
    found = audited([0, 1, 3, 50, 90])
    assert found.of("label") == []
    assert found.expected is None
    assert found.of("duplicate") == []
    assert [(f.row, f.other) for f in found.of("leak")] == [(90, 100)]  # 100 is open
    assert 50 not in [f.row for f in found.of("outlier")]
