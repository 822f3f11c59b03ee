"""Torch weights and graph of a real bundle, after its classes changed."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.numpy
import torch

from interpret.bundle.bundle import Bundle, write_bundle
from interpret.edit.changed_bundle import with_class_vectors
from interpret.edit.classes import add_class, remove_class
from interpret.explain.attribution import Attributor, as_batch
from interpret.geometry import geometry
from interpret.model.fitting import fit_square
from interpret.model.images import decode
from interpret.model.predictor import Predictor

DIGITS = Path(__file__).parents[3] / "models" / "digits-dpnp"


@pytest.fixture(scope="module")
def current(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The digits as a bundle of today: the class vectors stand under `head.`."""
    old = Bundle.load(DIGITS)
    tensors = safetensors.numpy.load(old.read("weights.safetensors"))
    tensors["head.prototypes"] = tensors.pop("prototypes")
    return write_bundle(
        tmp_path_factory.mktemp("current") / "digits",
        old.manifest,
        model=old.read("model.onnx"),
        prototypes=old.prototypes,
        embeddings=old.embeddings,
        gallery=old.gallery,
        weights=safetensors.numpy.save(tensors),
    )


def agree(bundle: Bundle, name: str) -> None:
    """The class vectors among the torch weights are those that the graph measures to, and torch
    attributes the margin of the graph's own answer.
    """
    weights = safetensors.numpy.load(bundle.read("weights.safetensors"))
    np.testing.assert_array_equal(weights[name], bundle.prototypes)
    thumbnails = [bundle.gallery.thumbnails[row] for row in (0, 1, 2, -1)]
    pixels = np.stack([fit_square(decode(each), 32) for each in thumbnails])
    found = Predictor(bundle)(pixels)
    attributor = Attributor(bundle)
    with torch.no_grad():
        embedding = attributor.network(as_batch(pixels)).numpy()
    away = geometry.distances(embedding, weights[name])
    np.testing.assert_allclose(found.distances, away, atol=2e-3)
    near, far = np.argsort(found.distances[0])[:2]
    margin = attributor.attribute(pixels[0], "ig", int(near), int(far)).margin
    assert margin == pytest.approx(away[0, far] ** 2 - away[0, near] ** 2, rel=1e-3)


@pytest.mark.parametrize("name", ["prototypes", "head.prototypes"])
def test_weights_and_graph_agree_after_both_edits(current: Bundle, name: str, tmp_path: Path):
    bundle = current if name.startswith("head") else Bundle.load(DIGITS)
    agree(bundle, name)
    less = remove_class(bundle, "4", tmp_path / "less")
    assert len(less.prototypes) == 9
    agree(less, name)
    nines = tmp_path / "fours"
    nines.mkdir()
    for row in np.flatnonzero(bundle.gallery.labels == 4)[:30]:
        (nines / f"{row}.webp").write_bytes(bundle.gallery.thumbnails[row])
    more = add_class(less, "4", nines, tmp_path / "more")
    assert more.manifest.class_names == [*"0123567894"]
    agree(more, name)
    (tail,) = [
        tensor
        for tensor in onnx.load_from_string(more.read("model.onnx")).graph.initializer
        if tensor.name == "tail.prototypes"
    ]
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(tail), more.prototypes)


def test_every_tensor_of_the_classes_follows():
    old, width = np.eye(3, dtype=np.float32), 5
    new = np.array([[1, 0, 0], [0, 0, 1]], np.float32)
    kept = {"backbone.head.prototypes": old, "projection.weight": np.ones((3, width), np.float32)}
    gone = {
        "auxiliary.weight": np.ones((3, width), np.float32),
        "auxiliary.bias": np.ones(3, np.float32),
    }
    vectors = {"head.prototypes": old, "head.classifier": old + 1}
    found = safetensors.numpy.load(
        with_class_vectors(safetensors.numpy.save(kept | gone | vectors), new)
    )
    assert found.keys() == kept.keys() | vectors.keys()
    for name in vectors:
        np.testing.assert_array_equal(found[name], new)
    for name, values in kept.items():
        np.testing.assert_array_equal(found[name], values)
    assert with_class_vectors(b"", new) == b""
