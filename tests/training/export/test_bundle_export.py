"""The exported bundle against the network it came from."""

import copy
import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torchvision.models import VisionTransformer

from interpret.bundle.bundle import Bundle
from interpret.bundle.gallery_table import pixel_hash
from interpret.explain.attribution import Attributor
from interpret.explain.explainer import Explainer
from interpret.geometry import geometry
from interpret.model.onnx_weights import widened
from interpret.model.predictor import Predictor
from tests.training.conftest import quick_config
from training.config.training_job import ExportConfig, TrainingJob
from training.data.splits import DataSet
from training.export.bundle_export import export_and_measure, export_bundle, gallery_rows, thumbnail
from training.export.embedding_scale import scale_to_prototypes_
from training.export.onnx_export import ServedModel, run_torch
from training.model.backbones import backbone, load_weights, without_head
from training.model.methods import method_of
from training.model.networks import PrototypeNetwork


def kept(**options: object) -> TrainingJob:
    """A quick job whose export is told something."""
    return TrainingJob(quick_config(), ExportConfig(**options))


def test_a_class_token_network_serves_without_evidence(digits: DataSet, tmp_path: Path):
    torch.manual_seed(0)
    vit = VisionTransformer(
        image_size=16, patch_size=8, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=16
    )
    network = PrototypeNetwork(without_head(vit), 16, 3)
    network.head = method_of(quick_config(), 10, 3)
    bundle = export_bundle(network, kept(gallery=3), digits, tmp_path / "vit")
    assert bundle.manifest.evidence is None
    explanation = Explainer(bundle).explain(digits.splits["test"].pixels(16, "")[0])
    assert explanation.evidence is None
    assert len(explanation.neighbours) == 6


def test_bundle_measures_what_it_holds(trained_bundle: Bundle, digits: DataSet):
    manifest, metrics = trained_bundle.manifest, trained_bundle.manifest.metrics
    assert metrics.accuracy > 0.9
    assert metrics.accuracy == metrics.accuracy_nearest_prototype
    assert metrics.rules_disagree == 0
    assert (metrics.split, metrics.examples) == ("test", 359)
    measured = geometry.separation_to_compactness(
        trained_bundle.embeddings, digits.splits["train"].labels, trained_bundle.prototypes
    )
    assert metrics.geometry.scr == pytest.approx(measured)
    certificate = manifest.certificate
    assert certificate.batch_sizes == [1, 2, 7]
    assert max(certificate.max_abs_difference.values()) < 1e-3
    assert certificate.argmax_agreement == 1.0
    assert manifest.training["seed"] == 0
    assert manifest.class_names == [str(i) for i in range(10)]


def test_a_bundle_with_held_out_pictures_is_calibrated_on_them(
    trained_bundle: Bundle, uninterrupted, digits: DataSet
):
    found, valid = trained_bundle.manifest.calibration, digits.splits["valid"]
    assert found is not None
    assert (found.split, found.examples, found.coverage) == ("valid", len(valid), 0.95)
    pixels = valid.pixels(16, "reading")
    actual = Predictor(trained_bundle)(pixels)
    with torch.no_grad():
        embedding = uninterrupted[0](torch.from_numpy(pixels).permute(0, 3, 1, 2)).embedding
        logits = uninterrupted[0].head.logits(embedding)
    expected = (logits / found.temperature).softmax(1).numpy()
    np.testing.assert_allclose(actual.probabilities, expected, atol=1e-4)


def test_what_was_predicted_on_the_way_is_what_the_bundle_says(
    uninterrupted, digits: DataSet, tmp_path: Path
):
    network = copy.deepcopy(uninterrupted[0])
    done = export_and_measure(network, kept(gallery=1), digits, tmp_path / "measured")
    assert done.predictions.keys() == {"train", "valid", "test"}
    predictor, metrics = Predictor(done.bundle), done.bundle.manifest.metrics
    for name in ("valid", "test"):
        split = digits.splits[name]
        actual = predictor(split.pixels(predictor.input_size, ""))
        for field in ("embedding", "distances", "probabilities", "novelty"):
            expected = getattr(done.predictions[name], field)
            np.testing.assert_allclose(getattr(actual, field), expected, rtol=1e-3, atol=1e-4)
    for name, accuracy in (("train", metrics.train_accuracy), ("valid", metrics.valid_accuracy)):
        right = done.predictions[name].answers == digits.splits[name].labels
        assert accuracy == right.mean()
    assert [figures.label for figures in metrics.per_class] == digits.class_names
    rights = sum(round(figures.recall * figures.examples) for figures in metrics.per_class)
    assert rights / 359 == metrics.accuracy


def test_a_bundle_without_enough_of_them_is_not(uninterrupted, digits: DataSet, tmp_path: Path):
    few = digits.splits | {"valid": digits.splits["valid"].subset(np.arange(77))}
    data = dataclasses.replace(digits, splits=few)
    network = copy.deepcopy(uninterrupted[0])
    bundle = export_bundle(network, kept(gallery=1), data, tmp_path / "few")
    assert bundle.manifest.calibration is None


def test_a_bundle_in_half_precision_is_half_as_large_and_computes_the_same(
    trained_bundle: Bundle, uninterrupted, digits: DataSet, tmp_path: Path
):
    network = copy.deepcopy(uninterrupted[0])
    small = export_bundle(network, kept(half=True), digits, tmp_path / "half")
    # What novelty adds to the graph is as large in both.
    for name, share in (("model.onnx", 0.65), ("weights.safetensors", 0.55)):
        assert len(small.read(name)) < share * len(trained_bundle.read(name))
    pixels = digits.splits["test"].pixels(16, "reading")
    expected, actual = (Predictor(b)(pixels, evidence=True) for b in (trained_bundle, small))
    np.testing.assert_allclose(actual.embedding, expected.embedding, atol=0.05)
    same = actual.probabilities.argmax(1) == expected.probabilities.argmax(1)
    assert same.mean() > 0.99
    # Exact in itself: what is stored is what is computed with, in every part.
    np.testing.assert_allclose(actual.evidence.mean((2, 3)), actual.embedding, atol=1e-4)
    away = geometry.distances(actual.embedding, small.prototypes)
    np.testing.assert_allclose(actual.distances, away, rtol=1e-4)
    whole = Predictor(widened(small.read("model.onnx")))(pixels)
    np.testing.assert_array_equal(whole.embedding, actual.embedding)
    again = backbone("small", 16)
    load_weights(again, "small", 16, str(small.path / "weights.safetensors"))
    for name, value in again.state_dict().items():
        torch.testing.assert_close(value, network.backbone.state_dict()[name], atol=1e-3, rtol=1e-3)
    Attributor(small)  # its torch counterpart computes the same, or it refuses


def test_gallery_is_the_training_split(trained_bundle: Bundle, digits: DataSet):
    train, gallery = digits.splits["train"], trained_bundle.gallery
    assert gallery.sources == train.sources
    assert np.array_equal(gallery.labels, train.labels)
    predictor = Predictor(trained_bundle)
    first = predictor(train.subset(np.arange(3)).pixels(16, "")).embedding
    np.testing.assert_allclose(trained_bundle.embeddings[:3], first, atol=1e-4)
    seen = [pixel_hash(picture) for picture in train.pixels(16, "")]
    assert gallery.pixel_hashes == seen


def test_weights_are_the_networks(trained_bundle: Bundle, uninterrupted):
    import safetensors.torch

    tensors = safetensors.torch.load(trained_bundle.read("weights.safetensors"))
    assert torch.equal(tensors["head.prototypes"], uninterrupted[0].head.prototypes.detach())


def test_model_is_one_file_with_a_dynamic_batch(trained_bundle: Bundle):
    model = onnx.load_from_string(trained_bundle.read("model.onnx"))
    (batch, *rest) = model.graph.input[0].type.tensor_type.shape.dim
    assert batch.dim_param
    assert [d.dim_value for d in rest] == [16, 16, 3]
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [o.name for o in model.graph.output] == [
        "embedding",
        "distances",
        "probabilities",
        "evidence",
        "novelty",
    ]
    assert not any(tensor.external_data for tensor in model.graph.initializer)


def test_gallery_rows():
    labels = np.array([0, 1, 0, 1, 0, 2])
    assert gallery_rows(labels, 2).tolist() == [0, 1, 2, 3, 5]
    assert gallery_rows(labels, None).tolist() == list(range(6))
    assert gallery_rows(labels, 0).tolist() == []
    many = np.arange(120_000) % 6
    assert np.bincount(many[gallery_rows(many, None)]).tolist() == [8333] * 6


def test_thumbnails_are_small_and_tiny_ones_exact(digits: DataSet):
    import io

    from PIL import Image

    tiny = digits.splits["train"].open_picture(0)
    assert np.array_equal(
        np.asarray(Image.open(io.BytesIO(thumbnail(tiny))).convert("RGB")), np.asarray(tiny)
    )
    large = Image.new("RGB", (400, 200))
    assert Image.open(io.BytesIO(thumbnail(large))).size == (96, 48)


def test_the_galleries_features_are_kept(trained_bundle: Bundle, digits: DataSet):
    features = trained_bundle.features()
    assert features is not None
    assert features.dtype == np.float16
    train = digits.splits["train"]
    rows = np.arange(40)  # the gallery is the training split, in order
    predictor = Predictor(trained_bundle, pooled=True)
    pooled = predictor(train.subset(rows).pixels(predictor.input_size, "")).pooled
    np.testing.assert_allclose(features[rows], pooled, rtol=2e-3, atol=1e-3)


def test_the_embedding_lies_by_the_prototypes(digits: DataSet, tmp_path: Path):
    """Whatever its length was: scaled back by 3, a network has the same bundle but for rounding.
    Its probabilities are those it was trained to give.
    """
    torch.manual_seed(0)
    network = PrototypeNetwork(backbone("tiny", 16), 16, 3)
    network.head = method_of(quick_config(), 10, 3)
    short = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in short.projection.parameters():
            parameter.div_(3)
    untouched, train = copy.deepcopy(short), digits.splits["train"]
    pixels = train.subset(np.arange(50)).pixels(16, "")
    whole, third = (ServedModel(each.eval()) for each in (network, short))
    before = run_torch(third, pixels)
    scales = [scale_to_prototypes_(model, train, 16) for model in (whole, third)]
    assert scales[1] == pytest.approx(3 * scales[0], rel=1e-4)
    first, second = (run_torch(model, pixels) for model in (whole, third))
    np.testing.assert_allclose(first.embedding, second.embedding, rtol=1e-3, atol=1e-4)
    own = network.head.prototypes.detach().numpy()[train.labels[:50]]
    assert np.square(second.embedding - own).mean() < np.square(before.embedding - own).mean()
    without = dataclasses.replace(
        digits, splits={name: s for name, s in digits.splits.items() if name != "valid"}
    )
    bundle = export_bundle(untouched, kept(gallery=2), without, tmp_path / "short")
    found = Predictor(bundle)(pixels)
    np.testing.assert_allclose(found.embedding, second.embedding, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found.probabilities, before.probabilities, atol=1e-3)
