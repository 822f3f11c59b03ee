"""Everything about ten pictures of six classes, by hand."""

import json

import pytest

from interpret.bundle.manifest import Metrics
from tests.interpret.trust.simulated_evaluation import evaluation

NAMES = ["a", "b", "c", "d", "e", "f"]
# Of a five pictures, one called b; of b three, two called a; of c two.
LABELS, ANSWERS = [0, 0, 0, 0, 0, 1, 1, 1, 2, 2], [0, 0, 0, 0, 1, 1, 0, 0, 2, 2]


def test_figures_by_hand():
    found = evaluation(LABELS, ANSWERS, NAMES)
    assert found.metrics.accuracy == 0.7
    # (0.7 + 0.19207) / 1.38415 = 0.64449; the root of 0.21·0.38415 + 0.38415²/4, over it, 0.24726.
    assert found.interval == pytest.approx((0.39678, 0.89221), abs=1e-4)
    assert found.largest_class == 0.5
    assert found.metrics.balanced_accuracy == pytest.approx((4 / 5 + 1 / 3 + 1) / 3)
    # F1: a 2·4 / (5 + 6), b 2·1 / (3 + 2), c 1.
    assert found.macro_f1 == pytest.approx((8 / 11 + 2 / 5 + 1) / 3)
    assert [each.label for each in found.worst] == ["b", "a"]
    assert [(c.label, c.answer, c.examples) for c in found.confusions] == [
        ("b", "a", 2),
        ("a", "b", 1),
    ]
    assert found.top == {1: 0.7, 5: 1.0}


def test_pictures_that_were_trained_on_are_told_apart():
    known = [True] * 4 + [False] * 6
    assert evaluation(LABELS, ANSWERS, NAMES, trained_on=known).accuracy_of_new == 0.5
    assert evaluation(LABELS, ANSWERS, NAMES, trained_on=[True] * 10).accuracy_of_new is None
    assert evaluation(LABELS, ANSWERS, NAMES).accuracy_of_new == 0.7


@pytest.mark.parametrize(("classes", "kinds"), [(2, [1]), (3, [1, 2]), (5, [1, 2]), (6, [1, 5])])
def test_top_k_is_not_asked_of_all_classes(classes: int, kinds: list[int]):
    assert list(evaluation([0, 1], [0, 1], NAMES[:classes]).top) == kinds


def test_the_document_is_json_and_holds_the_manifest_s_metrics():
    found = evaluation(LABELS, ANSWERS, NAMES, trained_on=[True] + [False] * 9)
    document = json.loads(json.dumps(found.document(), allow_nan=False))
    assert document["top"] == {"top_1": 0.7, "top_5": 1.0}
    assert document["interval_95"] == pytest.approx(found.interval)
    assert document["macro_recall"] == document["balanced_accuracy"]
    assert document["worst_classes"] == ["b", "a"]
    assert document["confusions"][0] == {"label": "b", "answer": "a", "examples": 2}
    assert (document["trained_on"], document["accuracy_of_new"]) == (1, pytest.approx(6 / 9))
    own = {name: document[name] for name in Metrics.model_fields}
    assert Metrics.model_validate(own) == found.metrics
