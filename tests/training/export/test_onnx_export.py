"""The exported graph: torch's own numbers, exact evidence, Euclidean distances."""

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from torchvision.models import VisionTransformer

from interpret.explain.evidence import evidence_map
from interpret.geometry import geometry
from interpret.model.fitting import fit_square
from interpret.model.onnx_maps import early_maps
from interpret.model.predictor import Predictor
from tests.training.conftest import quick_config
from training.config.train_config import TrainConfig
from training.data.splits import Facts, Split
from training.export.onnx_export import ServedModel, export, input_side, run_torch
from training.model.backbones import without_head
from training.model.methods import method_of
from training.model.networks import PrototypeNetwork, build_network


def random_network(name: str, size: int, dim: int | None, **options: object) -> PrototypeNetwork:
    config = TrainConfig.of(
        data="digits", backbone=name, embedding_dim=dim, prototype_init="random", **options
    )
    network = build_network(config, 10, size, ([128.0] * 3, [64.0] * 3))
    for module in network.modules():  # statistics as after some training, not 0 and 1
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval()


def random_pixels(count: int, size: int) -> np.ndarray:
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (count, size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("name", "size", "dim"),
    [
        ("small", 32, 3),
        ("small", 32, None),
        ("resnet18", 32, None),
        ("resnet18-reduced", 32, 3),
        ("torchvision:mobilenet_v3_small", 64, 10),
    ],
)
def test_onnx_equals_torch_and_evidence_sums_to_the_margin(name: str, size: int, dim: int | None):
    model = ServedModel(random_network(name, size, dim))
    predictor = Predictor(export(model, size))
    prototypes = model.network.head.prototypes.detach().numpy()
    for count in (1, 2, 7):
        pixels = random_pixels(count, size)
        expected, actual = run_torch(model, pixels), predictor(pixels, evidence=True)
        for a, b in zip(expected[:5], actual[:5], strict=True):  # all but pooled features
            np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-3)
    for i in range(count):
        near, far = np.argsort(actual.distances[i])[:2]
        split = evidence_map(actual.evidence[i], prototypes[near], prototypes[far])
        # In float64: an untrained network's margin is a small difference of squares near α².
        squares = geometry.distances(actual.embedding[i : i + 1], prototypes)[0] ** 2
        assert split.sum() == pytest.approx(squares[far] - squares[near], rel=1e-3)
        np.testing.assert_allclose(actual.distances[i] ** 2, squares, rtol=1e-5)


def test_distances_are_euclidean_and_ordered_as_the_logits():
    model = ServedModel(random_network("small", 32, 3))
    prediction = run_torch(model, random_pixels(50, 32))
    prototypes = model.network.head.prototypes.detach().numpy()
    measured = geometry.distances(prediction.embedding, prototypes)
    np.testing.assert_allclose(prediction.distances, measured, rtol=1e-5)
    assert (prediction.probabilities.argmax(1) == prediction.distances.argmin(1)).all()


@pytest.mark.parametrize("method", ["ce", "cl", "cpn", "ccl", "sccl", "dpp"])
def test_every_method_is_served_with_distances_to_its_own_centres(method: str):
    """Also where the centres have norms of their own, and where weights are not the centres."""
    network = random_network("small", 32, 3, method=method)
    if not network.head.on_sphere:
        with torch.no_grad():
            network.head.prototypes.mul_(torch.linspace(0.5, 1.5, 10)[:, None])
    model, pixels = ServedModel(network), random_pixels(20, 32)
    expected, actual = run_torch(model, pixels), Predictor(export(model, 32))(pixels, evidence=True)
    for a, b in zip(expected[:5], actual[:5], strict=True):  # all but pooled features
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-3)
    measured = geometry.distances(actual.embedding, network.head.prototypes.detach().numpy())
    np.testing.assert_allclose(actual.distances, measured, rtol=1e-4)
    logits = network.head.logits(torch.from_numpy(actual.embedding))
    np.testing.assert_allclose(actual.probabilities, logits.softmax(1).detach(), atol=1e-5)


@torch.no_grad()
def test_on_a_prototype_the_distance_is_0():
    """Not the root of what rounding leaves of α², as it is when squares are subtracted."""
    network = random_network("small", 32, 3)
    prototypes = network.head.prototypes
    network.projection.weight.zero_()
    network.projection.bias.copy_(prototypes[3])  # whatever the picture
    found = run_torch(ServedModel(network), random_pixels(2, 32))
    assert found.distances[:, 3].tolist() == [0, 0]
    np.testing.assert_allclose(
        found.distances[0], (prototypes - prototypes[3]).norm(dim=1), atol=1e-3
    )
    assert found.answers.tolist() == [3, 3]


def test_a_network_without_locations_has_no_evidence():
    torch.manual_seed(0)
    backbone = VisionTransformer(
        image_size=16, patch_size=8, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=16
    )
    network = PrototypeNetwork(without_head(backbone), 16, 3)
    network.head = method_of(quick_config(), 10, 3)
    model = ServedModel(network.eval())
    assert run_torch(model, random_pixels(2, 16)).evidence is None
    outputs = onnx.load_from_string(export(model, 16)).graph.output
    assert [o.name for o in outputs] == ["embedding", "distances", "probabilities"]


def test_older_runtimes_can_read_the_graph():
    """IR 9 and operator set 20 are read by ONNX Runtime from 1.17 on."""
    proto = onnx.load_from_string(export(ServedModel(random_network("tiny", 16, 3)), 16))
    assert proto.ir_version == 9
    assert [(each.domain, each.version) for each in proto.opset_import] == [("", 20)]
    onnx.checker.check_model(proto, full_check=True)


def test_a_network_of_enlarged_pictures_takes_them_small():
    """The graph enlarges as `fit_square` does, but for the rounding to whole levels."""
    network = random_network("small", 32, 3)
    small = random_pixels(5, 16)
    large = np.stack([fit_square(Image.fromarray(each), 32) for each in small])
    served = ServedModel(network, 16, 32)
    found = Predictor(export(served, 16))(small, evidence=True)
    expected = run_torch(ServedModel(network), large)
    scale = np.abs(expected.embedding).max()
    np.testing.assert_allclose(found.embedding, expected.embedding, atol=0.01 * scale)
    np.testing.assert_allclose(found.evidence.mean((2, 3)), found.embedding, atol=1e-4 * scale)
    again = run_torch(served, small)
    np.testing.assert_allclose(found.embedding, again.embedding, atol=1e-4 * scale)
    enlarged = (
        served.enlargement.numpy() @ small.transpose(0, 3, 1, 2) @ served.enlargement.numpy().T
    )
    assert np.abs(enlarged - large.transpose(0, 3, 1, 2)).max() <= 1


def test_early_maps_are_counted_by_what_the_network_sees():
    """Enlarged in the graph, a picture has the same early maps as one that comes enlarged."""
    network = random_network("small", 64, 3)
    found = [
        early_maps(onnx.load_from_string(export(model, side)))
        for model, side in ((ServedModel(network, 16, 64), 16), (ServedModel(network), 64))
    ]
    assert found[0] == found[1] != []


@pytest.mark.parametrize(
    ("sizes", "side"), [([(16, 16)] * 3, 16), ([(16, 16), (20, 20)], 32), ([(16, 20)] * 3, 32)]
)
def test_only_squares_of_one_size_are_enlarged_in_the_graph(sizes: list, side: int):
    facts = Facts(np.array(sizes, np.int32), np.arange(len(sizes), dtype=np.uint64))
    labels = np.zeros(len(sizes), np.int64)
    split = Split(labels, ["a"] * len(sizes), lambda i: None, lambda i: b"", facts)
    assert input_side(split, 32) == side
    assert input_side(split, 8) == 8
