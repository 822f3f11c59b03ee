"""Labelled data in a bundle's classes, split as the model was trained, and predicted in chunks."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import UnknownLabelError
from interpret.edit.classes import remove_class
from interpret.model.predictor import Predictor
from training.config.errors import DataError
from training.data.datasets import load_data
from training.data.splits import Split
from training.evaluate import labelled
from training.evaluate.labelled import DataSource, LabelledData, load_labelled, predict_split

DIGITS = Path(__file__).parents[3] / "models" / "digits-dpnp"


def coloured(*colours: tuple[int, int, int]) -> Split:
    """Pictures of one colour each, for the toy bundle."""
    pixels = np.array(colours, np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)
    return Split.of_arrays(pixels, np.zeros(len(colours), np.int64), [""] * len(colours))


def test_data_is_split_as_the_model_was_trained():
    bundle = Bundle.load(DIGITS)
    seed = bundle.manifest.training["seed"]
    data = load_labelled(bundle, DataSource("digits"))
    own = load_data("digits", seed=seed).splits
    assert data.splits["test"].sources == own["test"].sources
    np.testing.assert_array_equal(data.labels["test"], own["test"].labels)
    other = load_labelled(bundle, DataSource("digits", seed=seed + 1))
    assert other.splits["test"].sources != own["test"].sources


def test_labels_are_in_the_bundle_s_order(tmp_path: Path):
    bundle = Bundle.load(DIGITS)
    manifest = bundle.manifest.model_copy(
        update={"class_names": [*bundle.manifest.class_names][::-1]}
    )
    data = load_labelled(Bundle(DIGITS, manifest, *arrays(bundle)), DataSource("digits"))
    np.testing.assert_array_equal(data.labels["test"], 9 - data.splits["test"].labels)
    with pytest.raises(UnknownLabelError, match="no class '9'"):
        load_labelled(remove_class(bundle, "9", tmp_path / "nine"), DataSource("digits"))


def arrays(bundle: Bundle) -> tuple:
    return bundle.prototypes, bundle.embeddings, bundle.gallery


def test_which_split_is_which():
    whole = load_data("digits")
    data = LabelledData(whole, {})
    assert (data.final, data.held_out, data.chosen(None)) == ("test", "valid", "test")
    assert data.chosen("train") == "train"
    with pytest.raises(DataError, match="--split dev: digits has train, valid, test"):
        data.chosen("dev")
    del whole.splits["valid"]
    assert data.held_out == "test"


def test_chunks_are_put_together_in_order(
    toy_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelled, "CHUNK", 2)
    split = coloured((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 0, 0), (0, 0, 0))
    predictor = Predictor(toy_bundle)
    found = predict_split(predictor, split, 4, "")
    expected = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(found.embedding, expected, atol=1e-6)
    assert found.evidence is None
    located = predict_split(partial(predictor, evidence=True), split, 4, "").evidence
    np.testing.assert_allclose(located.mean((2, 3)), expected, atol=1e-6)
