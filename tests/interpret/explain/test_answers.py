import pickle

import numpy as np
import pytest

from interpret.bundle.bundle import Bundle
from interpret.explain.answers import Classification
from interpret.explain.explainer import Explainer

RED = np.full((4, 4, 3), (255, 0, 0), np.uint8)


@pytest.fixture(scope="module")
def explainer(toy_bundle: Bundle) -> Explainer:
    return Explainer(toy_bundle)


def test_an_answer_is_a_readable_line(explainer: Explainer) -> None:
    line = "<'red' 57.6% accept: nearest 'red' at 0, then 'green' at 1.41, margin 1.41>"
    for answer in (explainer.predict(RED), explainer.explain(RED, 1)):
        assert repr(answer) == str(answer) == line
    assert repr([explainer.predict(RED)]) == f"[{line}]"


def test_the_parts_of_an_answer_are_lines_too(explainer: Explainer) -> None:
    answer = explainer.explain(RED, 1)
    assert repr(answer.negative) == "<'green' at distance 1.41, 90.0°>"
    assert repr(answer.neighbours) == "[<training image 10, 'red', at distance 0>]"
    assert repr(answer.evidence) == "<evidence 4×4, sum 2 in squared distance>"
    assert repr(explainer) == "<Explainer 'toy': 3 classes in 3 dimensions>"


def test_a_label_of_several_lines_stays_on_one(explainer: Explainer) -> None:
    answer = explainer.predict(RED).model_copy(update={"label": "a\nb"})
    assert repr(answer).startswith("<'a\\nb' 57.6%")


def test_how_it_is_shown_is_no_part_of_an_answer(explainer: Explainer) -> None:
    shown, [plain] = explainer.predict(RED), explainer.classify(RED[None])
    assert shown == plain
    assert shown != explainer.predict(np.zeros((4, 4, 3), np.uint8))
    assert shown.model_dump() == plain.model_dump()
    assert Classification.model_validate(shown.model_dump()) == shown
    assert shown._repr_html_() is not None
    assert plain._repr_html_() is None


def test_a_pickled_answer_leaves_the_bundle_behind(explainer: Explainer) -> None:
    answer = explainer.explain(RED, 1)
    copy = pickle.loads(pickle.dumps(answer))
    assert copy == answer
    assert copy._repr_html_() is None


def test_a_picture_that_is_not_recognised_has_no_class_as_its_headline(
    explainer: Explainer,
) -> None:
    answer = explainer.predict(np.zeros((4, 4, 3), np.uint8))
    assert (answer.verdict, answer.recognised, answer.headline) == (
        "none_of_these",
        False,
        "not recognised",
    )
    assert repr(answer).startswith("<not recognised none_of_these: nearest 'red' at 1, then")
    assert explainer.predict(RED).headline == "red"


@pytest.mark.parametrize(
    ("colour", "score", "margin", "passed"),
    [
        ((255, 0, 0), 0, 2**0.5, None),
        ((255, 255, 0), 1, 0, "max_distance"),  # both limits: the first one compared counts
        ((153, 153, 0), 0.52**0.5, 0, "min_margin"),  # (0.6, 0.6, 0)
    ],
)
def test_the_limits_that_an_answer_was_held_against(
    explainer: Explainer, colour: tuple[int, ...], score: float, margin: float, passed: str | None
) -> None:
    pixels = np.broadcast_to(np.uint8(colour), (4, 4, 3)).copy()
    for rival in (None, "blue"):  # which is not the nearest rival: the verdict does not change
        assert explainer.explain(pixels, 1, negative=rival).limits.model_dump() == {
            "ood_score": pytest.approx(score),
            "max_distance": 0.9,
            "margin": pytest.approx(margin),
            "min_margin": 0.1,
            "passed": passed,
        }


def test_as_many_prototypes_and_probabilities_as_asked_for(explainer: Explainer) -> None:
    [answer] = explainer.classify(RED[None], top=1, probabilities=True)
    assert [p.label for p in answer.prototypes] == ["red"]
    assert (answer.positive.label, answer.negative.label) == ("red", "green")
    shares = answer.probabilities
    assert shares is not None
    assert list(shares) == ["red", "green", "blue"]
    assert shares["red"] == answer.probability
    assert sum(shares.values()) == pytest.approx(1)
    [more] = explainer.classify(RED[None], top=100)
    assert len(more.prototypes) == 3
    assert more.probabilities is None
