"""What an accuracy means: cases with known answers, from the ones that made people leave."""

import pytest

from training.evaluate.diagnosis import Diagnosis, Measured, diagnose

SCRATCH = {"epochs": 15, "weights": None, "augment": "crop"}
PRETRAINED = {"epochs": 15, "weights": "pretrained", "augment": "strong", "minutes": None}


def judged(
    right: int, examples: int, classes: int, train: float, training: dict = SCRATCH, size: int = 160
) -> Diagnosis:
    return diagnose(Measured(right, examples, 1 / classes, train, training, size))


@pytest.mark.parametrize(
    ("right", "examples", "classes", "train", "grade", "cause"),
    [
        # Two kinds of animals at 68 % after ten minutes: (0.68 − 0.5) / 0.5 = 0.36 of the way.
        (54, 80, 2, 0.72, "bad", "underfitted"),
        # Eight kinds of objects at 46 and 58 %: 0.38 and 0.52 of the way.
        (110, 240, 8, 0.53, "bad", "underfitted"),
        (139, 240, 8, 0.99, "weak", "overfitted"),
        # 91 % of eight: 0.90 of the way. 92 % training hides no gap.
        (218, 240, 8, 0.92, "good", "none"),
        (218, 240, 8, 1.0, "good", "overfitted"),
        # Nine of ten pictures of two classes: 0.8 of the way, and 56 to 98 %, clear of guessing.
        (9, 10, 2, 0.98, "good", "none"),
        # Seven of ten: 40 to 89 % holds the 50 % of guessing.
        (7, 10, 2, 1.0, "bad", "overfitted"),
        (7, 10, 2, 0.88, "bad", "too few pictures"),
        (0, 0, 2, 1.0, "bad", "too few pictures"),
        # Two of two: 34 to 100 %.
        (2, 2, 2, 1.0, "unclear", "too few pictures"),
    ],
)
def test_grade_and_cause(
    right: int, examples: int, classes: int, train: float, grade: str, cause: str
):
    found = judged(right, examples, classes, train)
    assert (found.grade, found.cause) == (grade, cause)


def test_a_bad_model_is_called_bad_and_what_to_try_is_an_option():
    verdict, reason = judged(110, 240, 8, 0.53).sentences[:2]
    assert verdict == (
        "This model is bad: 45.8% are right, where guessing is right on 12.5%. Do not use it."
    )
    assert reason == (
        "Training is at 53% too: underfitted. Try more epochs (--epochs 30), or a pretrained "
        "backbone (--backbone timm:tf_efficientnet_lite0 --weights pretrained)."
    )


def test_no_better_than_guessing_is_said_so():
    (verdict, _, wide) = judged(11, 20, 2, 0.6).sentences
    assert verdict.startswith("This model is bad: 55.0% cannot be told from guessing")
    assert "of 20 pictures: the accuracy may be anything from 34% to 74%" in wide


def test_two_pictures_tell_nothing():
    verdict, reason, _ = judged(2, 2, 2, 1.0).sentences
    assert verdict == (
        "Nobody can tell whether this model is good: 100.0% are right, but of 2 pictures, and "
        "guessing is right on 50.0%."
    )
    assert reason == "Training is at 100%. Try more pictures of every class, in all splits."


@pytest.mark.parametrize(
    ("train", "training", "size", "advice"),
    [
        (0.6, PRETRAINED, 160, "more minutes (--minutes 20), or a larger backbone (--backbone)"),
        (0.6, PRETRAINED | {"minutes": 30}, 160, "more minutes (--minutes 60), or a larger"),
        (0.6, SCRATCH, 32, "more epochs (--epochs 30), or a larger backbone (--backbone)"),
        (1.0, PRETRAINED, 160, "Try more pictures."),
        (1.0, SCRATCH, 32, "Try more pictures or --augment strong."),
        (1.0, SCRATCH, 160, "Try more pictures, --augment strong or a pretrained backbone ("),
    ],
)
def test_advice_fits_the_run(train: float, training: dict, size: int, advice: str):
    assert advice in judged(110, 240, 8, train, training, size).sentences[1]


def test_a_good_model_of_many_pictures_is_one_sentence():
    found = judged(9148, 10_000, 10, 0.95)
    assert found.sentences == (
        "This model is good: 91.5% are right, where guessing is right on 10.0%.",
    )
