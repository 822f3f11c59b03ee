"""The forms: what counts as a picture, a label and a number."""

import pytest
from pydantic import ValidationError

from serving.schemas import ExplainForm, Form, PredictForm, SimilarForm


def test_defaults() -> None:
    form = ExplainForm.model_validate({"image": b"x"})
    assert (form.k, form.rival) == (6, None)
    assert SimilarForm.model_validate({"prototype": "red"}).k == 9


@pytest.mark.parametrize(
    ("text", "label"), [("3", "3"), ('"3"', "3"), ('"', '"'), ('"a"b"', '"a"b"'), ("null", "null")]
)
def test_a_label_may_be_a_json_string(text: str, label: str) -> None:
    assert SimilarForm.model_validate({"prototype": text}).prototype == label
    assert ExplainForm.model_validate({"image": b"x", "rival": text}).rival == label


@pytest.mark.parametrize(
    ("form", "values", "words"),
    [
        (PredictForm, {}, "Field required"),
        (PredictForm, {"image": "text"}, "must be a file"),
        (ExplainForm, {"image": b"x", "k": "0"}, "greater than or equal to 1"),
        (ExplainForm, {"image": b"x", "k": "101"}, "less than or equal to 100"),
        (SimilarForm, {}, "exactly one of image and prototype, not neither"),
        (SimilarForm, {"image": b"x", "prototype": "red"}, "not both"),
    ],
)
def test_refused(form: type[Form], values: dict, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        form.model_validate(values)
