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
