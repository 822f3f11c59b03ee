"""The network in torch against ONNX Runtime: the toy, a trained one, and every operation."""

from pathlib import Path

import numpy as np
import onnx.parser
import onnxruntime
import pytest
import torch

from interpret.bundle.errors import BundleError
from interpret.model.fitting import fit_square
from interpret.model.images import open_image
from interpret.model.onnx_to_torch import TorchNetwork
from interpret.model.predictor import Predictor
from tests.conftest import TOY_MODEL

ROOT = Path(__file__).parents[3]
X = np.random.default_rng(0).uniform(0, 255, (2, 4, 4, 3)).astype(np.float32)
# Each is what stands between a picture x (n, 3, 4, 4), in [0, 1], and the embedding.
OPERATIONS = {
    "convolution": "embedding = Conv<strides = [2, 1], pads = [1, 0, 0, 2], dilations = [1, 2]>"
    "(x, filters, bias)",
    "depthwise": "embedding = Conv<group = 3>(x, depthwise)",
    "max pool": "embedding = MaxPool<kernel_shape = [3, 2], strides = [2, 1], pads = [1, 0, 1, 1]>"
    "(negative)",
    "average pool": "embedding = AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(x)",
    "global pool": "embedding = GlobalAveragePool(x)",
    "mean": "embedding = ReduceMean<keepdims = 0>(x, last_two)",
    "gemm": "f = Flatten(x)\n"
    " embedding = Gemm<alpha = 0.5, beta = 2.0, transB = 1>(f, matrix, seven)",
    "arithmetic": "a = Sub(x, half)\n b = Mul(a, a)\n c = Div(b, half)\n d = Add(c, half)\n"
    " e = Pow(d, half)\n embedding = Sqrt(e)",
    "activations": "a = HardSwish(negative)\n b = HardSigmoid<alpha = 0.3>(a)\n c = Sigmoid(b)\n"
    " d = Tanh(c)\n e = Erf(d)\n f = Exp(e)\n g = Clip(f, half, two)\n h = Relu(g)\n"
    ' embedding = Gelu<approximate = "tanh">(h)',
    "softmax": "embedding = Softmax<axis = 1>(x)",
    "shapes": "a = Transpose<perm = [0, 2, 3, 1]>(x)\n b = Reshape(a, sides)\n"
    " c = Unsqueeze(b, last_two)\n embedding = Squeeze(c, last_two)",
    "parts": "a, b = Split<axis = 2, num_outputs = 2>(x)\n c = Concat<axis = 1>(a, b)\n"
    " d = Slice(c, from, to, axes, steps)\n embedding = Gather<axis = 1>(d, index)",
    "shape": "a = Shape(x)\n embedding = Expand(half, a)",
    "batch norm": "embedding = BatchNormalization<epsilon = 0.1>(x, s, m, m, s)",
    "layer norm": "embedding = LayerNormalization<axis = -1, epsilon = 0.1>(x, scales, offsets)",
}
CONSTANTS = {
    "filters": np.random.default_rng(1).normal(size=(5, 3, 2, 2)),
    "bias": np.arange(5.0),
    "depthwise": np.random.default_rng(2).normal(size=(3, 1, 3, 3)),
    "matrix": np.random.default_rng(3).normal(size=(7, 48)),
    "seven": np.arange(7.0),
    "half": np.array(0.5),
    "two": np.array(2.0),
    "s": np.array([1.0, 2, 3]),
    "m": np.array([0.1, 0.2, 0.3]),
    "scales": np.array([1.0, 2, 3, 4]),
    "offsets": np.array([0.0, 1, 0, 1]),
}
INTEGERS = {
    "last_two": [2, 3],
    "sides": [0, -1],
    "from": [1, 0],
    "to": [6, 2],
    "axes": [1, 3],
    "steps": [2, 1],
    "index": [2, -3],
}


def graph(body: str) -> onnx.ModelProto:
    model = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["" : 20]>\n'
        "g (float[n, 4, 4, 3] pixels) => (float[] embedding) {\n"
        " unit = Div(pixels, scale)\n x = Transpose<perm = [0, 3, 1, 2]>(unit)\n"
        f" negative = Sub(x, half)\n {body}\n}}"
    )
    tensors = {name: np.asarray(value, np.float32) for name, value in CONSTANTS.items()}
    tensors |= {name: np.asarray(value, np.int64) for name, value in INTEGERS.items()}
    tensors["scale"] = np.array(255, np.float32)
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(value, name) for name, value in tensors.items()
    )
    return model


@pytest.mark.parametrize("body", OPERATIONS.values(), ids=OPERATIONS)
def test_every_operation_is_onnx_runtime_s(body: str):
    model = graph(body)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    [expected] = session.run(["embedding"], {"pixels": X})
    found = TorchNetwork(model, "m")(torch.from_numpy(X).permute(0, 3, 1, 2))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_a_trained_network():
    content = (ROOT / "models" / "digits-dpnp" / "model.onnx").read_bytes()
    digit = fit_square(open_image(ROOT / "docs" / "digit.png"), 32)
    pictures = np.stack([digit, digit[::-1], 255 - digit])
    network = TorchNetwork(onnx.load_from_string(content), "model.onnx").eval()
    expected = Predictor(content)(pictures).embedding
    with torch.no_grad():
        found = network(torch.from_numpy(pictures.astype(np.float32)).permute(0, 3, 1, 2))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4 * np.abs(expected).max())


def test_the_module_before_the_pooling_gives_the_locations():
    network = TorchNetwork(onnx.parser.parse_model(TOY_MODEL), "toy")
    seen = []
    network.pooled.register_forward_hook(lambda module, inputs, output: seen.append(output))
    pixels = torch.rand(2, 3, 4, 4) * 255
    embedding = network(pixels)
    torch.testing.assert_close(seen[0], pixels / 255)
    torch.testing.assert_close(seen[0].mean((2, 3)), embedding)


def test_a_network_without_pooling_has_no_such_module():
    assert TorchNetwork(graph("embedding = Flatten(x)"), "m").pooled is None


def test_an_unknown_operation_is_named():
    model = graph("embedding = Sin(x)")
    with pytest.raises(BundleError, match=r"^model\.onnx: torch has no counterpart for Sin here$"):
        TorchNetwork(model, "model.onnx")
